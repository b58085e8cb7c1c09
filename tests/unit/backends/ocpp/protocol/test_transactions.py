"""Which session a message means: none is lost, none is rewritten. OCPP 1.6."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.storage.transaction_table import RETRY_WINDOW_S

NEVER_SET = "1970-01-01T00:00:07Z"


def rows(site, *names: str) -> list[Any]:
    """The month's list in the order of the ids: these fields."""
    found = [[row[name] for name in names] for row in sorted(site.month(), key=_id)]
    return [each[0] if len(names) == 1 else tuple(each) for each in found]


def _id(row: dict[str, Any]) -> int:
    return int(row["id"])


# ---- a repeated begin ------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_a_start_is_a_repeat_while_its_session_has_not_ended(start, clock, restarts) -> None:
    site = start()
    at = clock.iso(600)
    first = site.charger().start(at, meter=1_234_567)
    clock.ahead_s += 2 * RETRY_WINDOW_S
    if restarts:
        site.stop()
        site = start()
    charger = site.charger()
    assert charger.start(at, meter=1_234_567) == first
    assert charger.start(at, meter=1_234_568) != first


@pytest.mark.parametrize("at", [NEVER_SET, None])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_start_after_the_end_is_another_session(start, clock, at, restarts) -> None:
    site = start()
    at = at or clock.iso(600)
    charger = site.charger()
    charger.boot()
    first = charger.start(at, meter=0)
    charger.stop(first, at, 5000)
    if restarts:
        site.stop()
        site = start()
        charger = site.charger()
    charger.boot()
    second = charger.start(at, meter=0)
    assert second != first
    assert site.connector().transaction.transaction_id == second
    charger.stop(second, at, 3000)
    assert rows(site, "id", "energy_wh") == [(first, 5000), (second, 3000)]


def test_after_a_boot_the_same_message_id_is_another_message(site) -> None:
    charger = site.charger()

    def ask(number: int, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return charger.send(json.dumps([2, str(number), action, payload]))[2]

    begin = {"connectorId": 1, "idTag": "a", "timestamp": NEVER_SET, "meterStart": 0}
    given = []
    for _ in range(2):
        ask(1, "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        given.append(ask(2, "StartTransaction", begin)["transactionId"])
        end = {"transactionId": given[-1], "timestamp": NEVER_SET, "meterStop": 700}
        ask(3, "StopTransaction", end)
    assert len(set(given)) == 2
    assert rows(site, "energy_wh") == [700, 700]


@pytest.mark.parametrize(("late_s", "is_repeat"), [(-60, True), (60, False)])
def test_a_start_of_a_session_that_was_closed_unseen(site, clock, late_s, is_repeat) -> None:
    charger = site.charger()
    at = clock.iso(600)
    first = charger.start(at, meter=100)
    second = charger.start(clock.iso(30), meter=900)
    clock.ahead_s += RETRY_WINDOW_S + late_s
    again = charger.start(at, meter=100)
    assert (again == first) is is_repeat
    assert site.connector().transaction.transaction_id == second


# ---- ends ------------------------------------------------------------------------------


def test_a_completed_record_never_changes(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    first = charger.start(clock.iso(600), meter=1000, tag="one")
    charger.stop(first, clock.iso(300), 1500, idTag="one", reason="EVDisconnected")
    before = site.month()
    charger.meter(clock.iso(200), first, Energy_Active_Import_Register="9000")
    charger.stop(first, clock.iso(300), 1500, idTag="one", reason="EVDisconnected")
    charger.stop(first, clock.iso(10), 1500, reason="Reboot")
    charger.start(clock.iso(5), meter=1500, tag="two")
    charger.meter(clock.iso(), first, Energy_Active_Import_Register="9500")
    assert site.month() == before
    assert site.point().counters["repeated_stops"] == 2
    assert site.connector().transaction.last_wh == 1500


def test_an_end_of_another_session_under_an_old_id_is_kept(site, clock) -> None:
    """The charger never got the id of its second session and uses that of the first."""
    charger = site.charger()
    first = charger.start(clock.iso(600), meter=1000)
    charger.stop(first, clock.iso(300), 1500)
    charger.start(clock.iso(200), meter=1500)
    charger.stop(first, clock.iso(100), 2600)
    found = rows(site, "state", "energy_wh", "meter_stop_wh")
    assert found == [("completed", 500, 1500), ("orphan", None, 2600)]
    charger.status("Available")
    assert site.connector().transaction is None


def test_an_end_that_is_queued_finds_its_session_after_another_began(site, clock) -> None:
    charger = site.charger()
    first = charger.start(clock.iso(600), meter=0)
    charger.meter(clock.iso(400), first, Energy_Active_Import_Register="300")
    second = charger.start(clock.iso(60), meter=500)
    assert rows(site, "id", "state", "energy_wh", "energy_is_minimum") == [
        (first, "lost", 300, True)
    ]
    charger.stop(first, clock.iso(120), 450)
    charger.stop(second, clock.iso(), 800)
    assert rows(site, "state", "energy_wh") == [("completed", 450), ("completed", 300)]


def test_a_session_whose_end_was_not_seen_is_in_the_list(site, clock) -> None:
    charger = site.charger()
    first = charger.start(clock.iso(600), meter=0)
    assert site.system.last_energy(first)["energy_wh"] == 0  # it runs
    charger.start(clock.iso(60), meter=500)
    # No register after the begin: the energy is not known, which is not 0.
    assert rows(site, "id", "state", "energy_wh") == [(first, "lost", None)]
    begin = clock() - 3600
    assert site.system.sessions("CP1", begin, None)[0]["id"] == first


@pytest.mark.parametrize("number", [-1, 0, 77, -5])
def test_ends_of_one_id_are_told_apart(site, clock, number) -> None:
    charger = site.charger()
    for ago_s, meter in ((7200, 1500), (60, 2900), (60, 2901), (7200, 1500), (60, 2900)):
        charger.stop(number, clock.iso(ago_s), meter)
    assert sorted(rows(site, "meter_stop_wh")) == [1500, 2900, 2901]
    assert set(rows(site, "state", "wire_id")) == {("orphan", str(number))}
    assert site.point().counters["orphans"] == 3
    assert site.point().counters["repeated_stops"] == 2


def test_an_orphan_is_a_repeat_after_a_restart_too(start, clock) -> None:
    for _ in range(2):
        site = start()
        site.charger().stop(-1, clock.iso(60), 5)
        assert len(site.month()) == 1
        site.stop()


@pytest.mark.parametrize("number", [1, 2, 2**31 + 5])
def test_a_session_under_an_orphans_id_is_its_own(site, clock, number) -> None:
    charger = site.charger()
    charger.status("Charging")
    charger.stop(number, clock.iso(90_000), 900)
    transaction = charger.start(clock.iso(600), meter=1000)
    charger.meter(clock.iso(300), number, Energy_Active_Import_Register="1400")
    running = site.connector().transaction
    assert (running.transaction_id, running.energy_wh) == (transaction, 400)
    charger.stop(number, clock.iso(), 1600)
    found = rows(site, "state", "energy_wh", "id")
    assert [(row[0], row[1]) for row in found] == [("orphan", None), ("completed", 600)]
    assert found[1][2] == transaction
    # The orphan's end again: a repeat, although a session of that name has ended since.
    charger.stop(number, clock.iso(90_000), 900)
    assert len(site.month()) == 2


def test_a_charger_that_calls_every_session_1(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    for number in range(3):
        begin = 1000 * number
        charger.start(clock.iso(600 - 200 * number), meter=begin)
        charger.meter(
            clock.iso(550 - 200 * number), 1, Energy_Active_Import_Register=f"{begin + 300}"
        )
        charger.stop(1, clock.iso(500 - 200 * number), begin + 400)
    assert rows(site, "energy_wh", "state") == [(400, "completed")] * 3


def test_one_id_on_two_connectors(site, clock) -> None:
    """Values are those of the session on their connector."""
    charger = site.charger()
    for connector in (1, 2):
        charger.status("Charging", connector)
        charger.start(clock.iso(600), connector, meter=1000, tag=f"tag{connector}")
    for connector in (1, 2):
        charger.meter(
            clock.iso(60), 1, connector, Energy_Active_Import_Register=str(1000 + 100 * connector)
        )
    assert [site.connector(n).transaction.energy_wh for n in (1, 2)] == [100, 200]
    charger.stop(1, clock.iso(), 1300, idTag="tag2")
    assert site.connector(1).transaction is not None
    assert rows(site, "connector", "energy_wh") == [(2, 300)]


@pytest.mark.parametrize(("meter", "connector"), [(1024, 1), (5024, 2), (100, 2)])
def test_an_end_under_an_id_that_two_have(site, clock, meter, connector) -> None:
    """The register tells which one it means; where it does not, the newest."""
    charger = site.charger()
    for number, begin in ((1, 1000), (2, 5000)):
        charger.status("Charging", number)
        charger.start(clock.iso(600), number, meter=begin)
        charger.meter(clock.iso(60), 1, number, Energy_Active_Import_Register=str(begin + 11))
    charger.stop(1, clock.iso(), meter)
    assert rows(site, "connector") == [connector]


# ---- ends without an id ----------------------------------------------------------------


@pytest.mark.parametrize("number", [0, -1, None])
def test_an_end_without_id_is_that_of_the_only_session(site, clock, number) -> None:
    charger = site.charger()
    charger.status("Charging")
    transaction = charger.start(clock.iso(600), meter=1000)
    charger.stop(number, clock.iso(1), 1600)
    assert site.connector().transaction is None
    assert rows(site, "id", "state", "energy_wh", "matched_by") == [
        (transaction, "completed", 600, "position")
    ]
    charger.stop(number, clock.iso(1), 1600)  # a repeat
    charger.stop(number, clock.iso(), 1700)  # another one
    assert [row[1] for row in rows(site, "id", "state")] == ["completed", "orphan"]


def test_an_end_without_id_that_is_older_than_the_session_is_an_orphan(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=1000)
    charger.stop(-1, clock.iso(3600), 900)
    assert site.connector().transaction.transaction_id == transaction
    assert rows(site, "state", "meter_stop_wh") == [("orphan", 900)]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("number", [0, -1])
def test_with_several_it_ends_none_until_a_connector_is_free(
    start, clock, number, restarts
) -> None:
    site = start()
    charger = site.charger()
    ids = []
    for connector in (1, 2):
        charger.status("Charging", connector)
        ids.append(charger.start(clock.iso(600), connector, meter=1000))
        charger.meter(
            clock.iso(300), ids[-1], connector, Energy_Active_Import_Register=f"{1000 + connector}"
        )
    charger.stop(number, clock.iso(10), 1600)
    assert [site.connector(n).transaction.transaction_id for n in (1, 2)] == ids
    assert rows(site, "state") == ["orphan"]
    if restarts:
        site.stop()
        site = start()
        charger = site.charger()
    charger.status("Finishing", 2)
    assert site.connector(2).transaction is not None
    charger.status("Available", 2)
    assert site.connector(2).transaction is None
    assert site.connector(1).transaction.transaction_id == ids[0]
    assert (ids[1], "lost", 2) in rows(site, "id", "state", "energy_wh")
    charger.stop(ids[0], clock.iso(), 1700)
    charger.stop(ids[1], clock.iso(), 1650)  # its own end may still come
    found = {row["id"]: (row["state"], row["energy_wh"]) for row in site.month()}
    assert found[ids[0]] == ("completed", 700)
    assert found[ids[1]] == ("completed", 650)


def test_available_ends_no_session_that_no_end_was_told_of(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=1000)
    charger.status("Available")
    assert site.connector().transaction.transaction_id == transaction


# ---- registers and reasons -------------------------------------------------------------


def test_a_register_that_falls_between_two_samples_is_counted(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    transaction = charger.start(clock.iso(600), meter=1000)
    for ago_s, wh in ((500, 5000), (400, 200), (300, 900)):
        charger.meter(clock.iso(ago_s), transaction, Energy_Active_Import_Register=str(wh))
    assert site.connector().transaction.energy_wh == 4700
    assert site.point().counters["register_resets"] == 1
    charger.stop(transaction, clock.iso(), 1200)
    assert rows(site, "energy_wh", "register_resets", "energy_is_minimum") == [(5000, 1, True)]


def test_a_reset_is_known_after_a_restart(start, clock) -> None:
    site = start()
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=1000)
    for ago_s, wh in ((500, 5000), (400, 200)):
        charger.meter(clock.iso(ago_s), transaction, Energy_Active_Import_Register=str(wh))
    site.stop()
    site = start()
    charger = site.charger()
    charger.meter(clock.iso(300), transaction, Energy_Active_Import_Register="900")
    charger.stop(transaction, clock.iso(), 1200)
    assert rows(site, "energy_wh", "register_resets") == [(5000, 1)]


def test_a_register_below_the_begin(site, clock) -> None:
    charger = site.charger()
    for meter, stop in ((269_456, 269_455), (5000, 100)):
        charger.stop(charger.start(clock.iso(60), meter=meter), clock.iso(), stop)
    assert rows(site, "energy_wh", "register_resets") == [(0, 0), (None, 1)]


def test_an_omitted_reason_is_local_and_an_empty_tag_is_not_reported(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(60), meter=0, tag="")
    assert site.connector().transaction.id_tag is None
    charger.stop(transaction, clock.iso(), 10)
    charger.stop(charger.start(clock.iso(50), meter=10), clock.iso(), 20, reason="Remote")
    assert rows(site, "reason", "id_tag") == [("Local", None), ("Remote", "tag")]


# ---- adoption --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_adopted"),
    [
        ("Charging", True),
        ("SuspendedEV", True),
        ("SuspendedEVSE", True),
        ("Available", False),
        ("Preparing", False),
        ("Finishing", False),
        ("Reserved", False),
        ("Unavailable", False),
        ("Faulted", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("number", [4711, 0, -1])
def test_which_statuses_make_values_a_session(site, clock, status, is_adopted, number) -> None:
    charger = site.charger()
    charger.boot()
    if status is not None:
        charger.status(status)
    charger.meter(clock.iso(5), number, Energy_Active_Import_Register="10")
    transaction = site.connector().transaction
    assert (transaction is not None) is is_adopted
    if is_adopted:
        charger.stop(number, clock.iso(), 500)
        assert rows(site, "id", "state") == [(transaction.transaction_id, "completed")]
    else:
        assert site.month() == []
        assert site.point().counters["unknown_transactions"] == 1


def test_the_end_may_tell_the_register_of_the_begin(start, clock) -> None:
    site = start()
    charger = site.charger()
    charger.boot()
    begin, end = clock.iso(600), clock.iso(1)
    without = {"connectorId": 1, "idTag": "A", "timestamp": begin}
    transaction_id = charger.ask("StartTransaction", without)["transactionId"]
    first = {"value": "1000", "context": "Transaction.Begin"}
    stop = {
        "transactionId": transaction_id,
        "meterStop": 4500,
        "timestamp": end,
        "transactionData": [{"timestamp": begin, "sampledValue": [first]}],
    }
    charger.ask("StopTransaction", stop)
    assert rows(site, "meter_start_wh", "energy_wh") == [(1000.0, 3500.0)]


def test_an_end_sent_again_ends_no_older_session_of_its_id(start, clock) -> None:
    site = start()
    charger = site.charger()
    charger.boot()
    for connector in (1, 2):  # it lost power between them, and numbers from 1 again
        begin = {"connectorId": connector, "idTag": "A", "timestamp": clock.iso(600)}
        charger.ask("StartTransaction", {**begin, "meterStart": 1000 * connector})
        values = [{"timestamp": clock.iso(300), "sampledValue": [{"value": "2500"}]}]
        meter = {"connectorId": connector, "transactionId": 1, "meterValue": values}
        charger.ask("MeterValues", meter)
    stop = {"transactionId": 1, "idTag": "A", "meterStop": 3000, "timestamp": clock.iso(1)}
    charger.ask("StopTransaction", stop)
    charger.boot()  # the answer was lost, and so is what was remembered of the message
    charger.ask("StopTransaction", stop)
    states = rows(site, "connector", "state")
    assert [state for _, state in states].count("completed") == 1
