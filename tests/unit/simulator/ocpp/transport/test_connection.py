"""The connection: what waits, what is dropped, what is sent again, and how it proves itself."""

from __future__ import annotations

import base64
import time

import pytest

from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import Twins

from ..central import NOTHING, Central

CP = "CP0001"


def test_what_happens_offline_is_sent_later_as_it_was(central, twins_of):
    twins = twins_of()
    twins.start_charging(CP, battery_kwh=80)
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] == 100)
    twins.act(CP, "offline")
    central.wait(lambda: central.closed == [CP])
    twins.advance(120)
    twins.stop_charging(CP)
    twins.unplug(CP)
    twins.advance(60)
    assert twins.start_charging(CP, id_tag="SECOND", battery_kwh=80) == "Accepted"
    twins.advance(60)
    twins.stop_charging(CP)
    waiting = twins.state(CP)["queued"]
    assert waiting == [
        "MeterValues",
        "MeterValues",
        "StopTransaction",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    ]
    twins.advance(3600)
    twins.act(CP, "online")
    central.wait_for("StopTransaction", 2)
    sent = [what for what in central.actions() if what in ("BootNotification", *waiting)]
    assert sent[2:] == ["BootNotification", *waiting]
    starts, stops = central.payloads("StartTransaction"), central.payloads("StopTransaction")
    # The second transaction got its id only now; its messages carry it all the same.
    assert [one["transactionId"] for one in stops] == [100, 101]
    assert [one["transactionId"] for one in central.payloads("MeterValues")] == [100, 100, 101]
    assert starts[1]["timestamp"] == "2026-03-03T18:03:00.000Z"
    assert [one["timestamp"] for one in stops] == [
        "2026-03-03T18:02:00.000Z",
        "2026-03-03T18:04:00.000Z",
    ]


def test_an_unanswered_start_is_sent_again_after_the_connection_was_lost(central, twins_of):
    twins = twins_of()
    answer = central.answers["StartTransaction"]
    central.answers["StartTransaction"] = NOTHING
    twins.start_charging(CP)
    central.wait_for("StartTransaction")
    central.answers["StartTransaction"] = answer
    central.drop(CP)
    central.wait_for("StartTransaction", 2)
    first, second = central.payloads("StartTransaction")
    assert first == second
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] == 100)


def wait_until_it_rests(twins: Twins) -> None:
    """Wait until a refusal has arrived: the pause before the next attempt runs."""
    for _ in range(12_000):
        if twins._sync(lambda: twins._running.points[CP].link._resting):
            return
        time.sleep(0.005)
    raise AssertionError("no refusal within 60 s")


def test_a_refused_transaction_message_is_tried_so_often_and_given_up(central, twins_of):
    central.answers["StopTransaction"] = ["InternalError", "no"]
    twins = twins_of(
        configuration={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "10"}
    )
    twins.start_charging(CP)
    twins.stop_charging(CP)
    central.wait_for("StopTransaction", 1)
    for number, pause_s in ((2, 10), (3, 20)):
        wait_until_it_rests(twins)
        assert twins.state(CP)["queued"] == ["StopTransaction", "StatusNotification"]
        twins.advance(pause_s - 1)
        assert len(central.payloads("StopTransaction")) == number - 1
        twins.advance(1)
        central.wait_for("StopTransaction", number)
    twins.wait(CP, lambda actual: actual["queued"] == [])


def test_no_answer_in_time_is_no_refusal_and_does_not_count(central, twins_of):
    central.answers["StopTransaction"] = NOTHING
    twins = twins_of(
        call_timeout_s=0.02,
        configuration={"TransactionMessageAttempts": "1", "TransactionMessageRetryInterval": "1"},
    )
    twins.start_charging(CP)
    twins.stop_charging(CP)
    sent = 0
    while sent < 4:
        sent = len(central.payloads("StopTransaction"))
        if sent == 3:
            central.answers["StopTransaction"] = {}
        twins.advance(1)
        with central.changed:
            central.changed.wait(0.01)
    twins.wait(CP, lambda actual: actual["queued"] == [])


def test_the_link_comes_back_whenever_it_is_lost(central, twins_of):
    twins = twins_of()
    for number in (2, 3, 4):
        central.drop(CP)
        central.wait_for("BootNotification", number)
    twins.act(CP, "drop")
    central.wait_for("BootNotification", 5)
    twins.wait_connected()
    assert twins.state(CP)["connections"] == 5


def test_it_keeps_trying_until_there_is_a_central_system():
    with Central() as gone:
        url = gone.url
    with Twins(url, 2, clock=ManualClock(), backoff_s=0.01, open_timeout_s=2) as twins:
        with pytest.raises(TimeoutError):
            twins.wait_connected(0.2)
        remarks = [entry["frame"] for entry in twins.messages(CP)]
        assert remarks.count("no connection: ConnectionRefusedError") >= 2
        assert twins.errors == []


def test_a_removed_twin_is_gone(central, twins_of):
    twins = twins_of(2)
    twins.remove(CP)
    central.wait(lambda: central.closed == [CP])
    assert twins.ids == ["CP0002"]
    with pytest.raises(KeyError, match="CP0001"):
        twins.state(CP)
    assert twins.create(id="odd/id %:1", connectors=2) == "odd/id %:1"
    twins.wait_connected()
    assert central.opened[-1][0] == "odd/id %:1"
    with pytest.raises(ValueError, match="already"):
        twins.create(id="CP0002")


def test_a_password_is_sent_and_shown_nowhere(central, twins_of):
    twins = twins_of(password="s3cret")
    header = central.opened[0][2]["authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"CP0001:s3cret"
    shown = f"{twins.state(CP)} {twins.messages(CP)} {twins.stats()}"
    assert "s3cret" not in shown
    assert header.removeprefix("Basic ") not in shown


def test_refused_passwords_do_not_end_it():
    def refuse(connection, request):
        return connection.respond(401, "no")

    with Central(process_request=refuse) as central:
        options = {"password": "x", "backoff_s": 0.01, "clock": ManualClock()}
        with Twins(central.url, 1, **options) as twins:
            with pytest.raises(TimeoutError):
                twins.wait_connected(0.2)
            assert any("InvalidStatus" in str(entry["frame"]) for entry in twins.messages(CP))
