"""Which session a TransactionEvent means: none is lost, none is rewritten. OCPP 2.0.1."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.storage.transaction_table import RETRY_WINDOW_S

NEVER_SET = "1970-01-01T00:00:07Z"
STATION = {"vendorName": "V", "model": "M"}
EVSE = {"id": 1, "connectorId": 1}


class Station:
    """A charging station that speaks 2.0.1."""

    def __init__(self, site) -> None:
        self.site = site
        self.charger = site.charger(subprotocols=["ocpp2.0.1"])

    def boot(self) -> None:
        self.charger.ask("BootNotification", {"reason": "PowerUp", "chargingStation": STATION})

    def event(self, kind, at, seq, wh=None, tx="1", tag: str | None = "A", evse=EVSE, **fields):
        """A TransactionEvent at a time; `tx` None leaves the id out."""
        info = {"transactionId": tx, **fields.pop("info", {})}
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": at,
            "triggerReason": "Authorized",
            "seqNo": seq,
            "transactionInfo": info,
            **fields,
        }
        if evse is not None:
            payload["evse"] = evse
        if tag is not None:
            payload["idToken"] = {"idToken": tag, "type": "ISO14443"}
        if wh is not None:
            payload["meterValue"] = [{"timestamp": at, "sampledValue": [{"value": wh}]}]
        return self.charger.ask("TransactionEvent", payload)

    def session(self, first_at, last_at, first_wh, last_wh, **fields) -> None:
        self.event("Started", first_at, 0, first_wh, **fields)
        self.event("Ended", last_at, 1, last_wh, **fields)


@pytest.fixture
def station(site) -> Station:
    return Station(site)


def rows(site, *names: str) -> list[Any]:
    found = [[row[name] for name in names] for row in sorted(site.month(), key=lambda r: r["id"])]
    return [each[0] if len(names) == 1 else tuple(each) for each in found]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("same", [NEVER_SET, None])
def test_a_started_after_the_end_is_another_session(start, clock, restarts, same) -> None:
    site = start()
    station = Station(site)
    at = same or clock.iso(60)
    station.boot()
    station.session(at, at, 0, 5000)
    before = rows(site, "id", "energy_wh", "start", "stop", "id_tag")
    if restarts:
        site.stop()
        site = start()
        station = Station(site)
    station.boot()
    station.event("Started", at, 0, 0)
    assert site.connector().transaction.transaction_id != before[0][0]
    station.event("Updated", at, 1, 100)
    station.event("Ended", at, 2, 3000)
    assert rows(site, "id", "energy_wh", "start", "stop", "id_tag")[0] == before[0]
    assert rows(site, "energy_wh", "wire_id", "state") == [
        (5000, "1", "completed"),
        (3000, "1", "completed"),
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_repeated_events_are_once(start, clock, restarts) -> None:
    site = start()
    station = Station(site)
    steps = [("Started", 600, 0, 1000), ("Updated", 300, 1, 1500), ("Ended", 60, 2, 2000)]
    for kind, ago_s, seq, wh in steps:
        for _ in range(2):
            station.event(kind, clock.iso(ago_s), seq, wh)
            if restarts:
                site.stop()
                site = start()
                station = Station(site)
    # What had been queued, after the end.
    for kind, ago_s, seq, wh in steps[1:]:
        station.event(kind, clock.iso(ago_s), seq, wh)
    assert rows(site, "energy_wh", "state", "duration_s") == [(1000, "completed", 540)]
    assert site.connector().transaction is None


def test_a_started_under_the_name_of_one_that_runs(site, station, clock) -> None:
    """The station lost power: the end of the first session was never seen."""
    station.event("Started", clock.iso(600), 0, 1000)
    station.event("Updated", clock.iso(500), 1, 1400)
    station.boot()
    station.event("Started", clock.iso(300), 0, 1400)
    station.event("Ended", clock.iso(100), 1, 2000)
    assert rows(site, "energy_wh", "state", "energy_is_minimum") == [
        (400, "lost", True),
        (600, "completed", False),
    ]


def test_the_begin_of_a_session_that_was_closed_unseen(site, station, clock) -> None:
    at = clock.iso(600)
    station.event("Started", at, 0, 1000, tx="a")
    station.event("Started", clock.iso(300), 0, 1400, tx="b")
    station.event("Started", at, 0, 1000, tx="a")
    assert rows(site, "wire_id", "state") == [("a", "lost")]
    assert site.connector().transaction.wire_id == "b"
    clock.ahead_s += RETRY_WINDOW_S + 60
    station.event("Started", at, 0, 1000, tx="a")
    assert site.connector().transaction.wire_id == "b"  # late: history


def test_values_after_the_end_change_nothing(site, station, clock) -> None:
    station.session(clock.iso(600), clock.iso(300), 1000, 2000)
    before = site.month()
    station.event("Updated", clock.iso(100), 2, 9000)  # goes on after the end
    station.event("Updated", clock.iso(400), 1, 9000)  # older than the end
    assert site.month() == before
    assert site.connector().transaction is None


def test_an_event_of_numbers_that_begin_again_is_another_session(site, station, clock) -> None:
    """The Started of the second session never came."""
    for seq, (kind, ago_s, wh) in enumerate(
        [("Started", 900, 0), ("Updated", 800, 500), ("Updated", 700, 900), ("Ended", 600, 1000)]
    ):
        station.event(kind, clock.iso(ago_s), seq, wh)
    station.event("Updated", clock.iso(300), 1, 1500)
    assert site.connector().transaction is not None
    station.event("Ended", clock.iso(100), 2, 2500)
    assert rows(site, "state", "meter_stop_wh", "energy_wh") == [
        ("completed", 1000, 1000),
        ("completed", 2500, None),
    ]


def test_ends_of_one_id_are_told_apart(site, station, clock) -> None:
    for ago_s, wh in ((7200, 1500), (60, 2900), (60, 2901), (7200, 1500), (60, 2900)):
        station.event("Ended", clock.iso(ago_s), 3, wh)
    assert sorted(rows(site, "meter_stop_wh")) == [1500, 2900, 2901]
    assert set(rows(site, "state", "connector")) == {("orphan", 1)}


def test_a_session_under_an_orphans_id_is_its_own(site, station, clock) -> None:
    station.event("Ended", clock.iso(90_000), 3, 900)
    station.event("Started", clock.iso(600), 0, 1000)
    station.event("Updated", clock.iso(300), 1, 1400)
    assert site.connector().transaction.energy_wh == 400
    station.event("Ended", clock.iso(90_000), 3, 900)  # the orphan's end again
    station.event("Ended", clock.iso(), 2, 1600)
    assert rows(site, "state", "energy_wh") == [("orphan", None), ("completed", 600)]


def test_one_id_on_two_evses(site, station, clock) -> None:
    for evse in (1, 2):
        station.event("Started", clock.iso(600), 0, 1000, evse={"id": evse})
    for evse in (1, 2):
        station.event("Updated", clock.iso(300), 1, 1000 + 100 * evse, evse={"id": evse})
    assert [site.connector(n).transaction.energy_wh for n in (1, 2)] == [100, 200]
    station.event("Ended", clock.iso(), 2, 1500, evse={"id": 2})
    assert rows(site, "connector", "energy_wh") == [(2, 500)]
    assert site.connector(1).transaction is not None


def test_a_register_that_falls_is_counted(site, station, clock) -> None:
    station.event("Started", clock.iso(600), 0, 1000)
    for seq, (ago_s, wh) in enumerate(((500, 5000), (400, 200), (300, 900)), 1):
        station.event("Updated", clock.iso(ago_s), seq, wh)
    station.event("Ended", clock.iso(), 4, 1200)
    assert rows(site, "energy_wh", "register_resets", "energy_is_minimum") == [(5000, 1, True)]


def test_an_end_without_register(site, station, clock) -> None:
    station.event("Started", clock.iso(600), 0, 1000)
    station.event("Ended", clock.iso(500), 1)
    station.event("Started", clock.iso(400), 0, 1500)
    station.event("Updated", clock.iso(300), 1, 1700)
    station.event("Ended", clock.iso(200), 2)
    assert rows(site, "energy_wh", "energy_is_minimum") == [(None, False), (200, True)]


def test_an_omitted_reason_is_local_and_no_token_is_no_tag(site, station, clock) -> None:
    station.session(clock.iso(600), clock.iso(500), 0, 10, tag=None)
    station.event("Started", clock.iso(400), 0, 10, tag=None)
    station.event("Updated", clock.iso(300), 1, 20, tag="late")
    assert site.connector().transaction.id_tag == "late"
    station.event("Ended", clock.iso(200), 2, 30, tag=None, info={"stoppedReason": "EVDeparted"})
    assert rows(site, "reason", "id_tag") == [("Local", None), ("EVDeparted", "late")]


def test_the_evse_may_come_later(site, station, clock) -> None:
    station.event("Started", clock.iso(600), 0, 1000, evse=None)
    station.event("Updated", clock.iso(500), 1, 1200)
    assert site.connector(1).transaction.energy_wh == 200
    assert site.connector(0).transaction is None
    station.event("Ended", clock.iso(400), 2, 1300, evse=None)
    assert rows(site, "connector", "energy_wh") == [(1, 300)]


@pytest.mark.parametrize("evse", [EVSE, None])
def test_an_end_without_id_is_that_of_the_only_session(site, station, clock, evse) -> None:
    station.event("Started", clock.iso(600), 0, 1000)
    ended = {"eventType": "Ended", "timestamp": clock.iso(1), "triggerReason": "StopAuthorized"}
    value = {"timestamp": clock.iso(1), "sampledValue": [{"value": 1600}]}
    end = {**ended, "seqNo": 1, "meterValue": [value], **({"evse": evse} if evse else {})}
    for _ in range(2):
        station.charger.ask("TransactionEvent", {**end, "transactionInfo": {}})
    assert rows(site, "state", "energy_wh", "matched_by") == [("completed", 600, "position")]


def test_with_several_it_ends_none_until_an_evse_is_free(site, station, clock) -> None:
    for evse in (1, 2):
        station.event("Started", clock.iso(600), 0, 1000, tx=f"t{evse}", evse={"id": evse})
        station.event("Updated", clock.iso(300), 1, 1400, tx=f"t{evse}", evse={"id": evse})
    ended = {"eventType": "Ended", "timestamp": clock.iso(1), "triggerReason": "StopAuthorized"}
    station.charger.ask("TransactionEvent", {**ended, "seqNo": 2, "transactionInfo": {}})
    assert rows(site, "state") == ["orphan"]
    status = {"timestamp": clock.iso(), "connectorStatus": "Available", "connectorId": 1}
    station.charger.ask("StatusNotification", {**status, "evseId": 2})
    assert site.connector(2).transaction is None
    assert site.connector(1).transaction.wire_id == "t1"
    assert ("lost", 400) in rows(site, "state", "energy_wh")
    station.event("Ended", clock.iso(), 2, 1900, tx="t2", evse={"id": 2})
    assert ("completed", 900) in rows(site, "state", "energy_wh")


def test_the_end_may_tell_the_register_of_the_begin(site, station, clock) -> None:
    station.boot()
    begin, end = clock.iso(600), clock.iso(1)
    station.event("Started", begin, 0)
    first = {"value": 1000, "context": "Transaction.Begin"}
    last = {"value": 4.5, "context": "Transaction.End", "unitOfMeasure": {"unit": "kWh"}}
    values = [
        {"timestamp": begin, "sampledValue": [first]},
        {"timestamp": end, "sampledValue": [last]},
    ]
    station.event("Ended", end, 1, meterValue=values)
    assert rows(site, "meter_start_wh", "energy_wh") == [(1000.0, 3500.0)]
