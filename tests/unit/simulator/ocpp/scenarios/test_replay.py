"""Recorded days: what stored events become, and how twins live through them again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.events import StoredEvents
from chargepoint_driver.events.envelope import Event, iso
from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import InvalidScenarioError, Twins, load_recording

BEGIN_S = 1_790_000_000.0


class Recording:
    """Writes events as the file sink does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(
        self, at_s: float, action: str, connector: int | None = 1, station: str = "CP1", **data: Any
    ) -> Recording:
        """An event that happened and came `at_s` seconds after the begin."""
        received_s = BEGIN_S + data.pop("received_s", at_s)
        event = Event(
            1,
            len(self.lines) + 1,
            received_s,
            BEGIN_S + at_s,
            "ocpp",
            station,
            connector,
            action,
            json.dumps(data),
        )
        self.lines.append(event.to_json())
        return self

    def meter(self, at_s: float, load_kw: float | None, **more: Any) -> Recording:
        sample = {"time": iso(BEGIN_S + at_s), "values": {"load_kw": load_kw}}
        return self.add(at_s, "MeterValues", transactionId=7, samples=[sample], **more)

    def load(self) -> Any:
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return load_recording(self.path)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "day.jsonl")


def steps(scenario: Any) -> list[tuple[float, str, dict[str, Any]]]:
    """(seconds, action, parameters) without what every vehicle has."""
    return [
        (step.at_s, step.action, {k: v for k, v in step.parameters.items() if k != "vehicle"})
        for step in scenario.steps
    ]


def test_a_session_of_1_6(recording: Recording) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.add(60, "StartTransaction", idTag="TAG1", transactionId=7)
    recording.meter(120, 6.6).meter(180, 6.61).meter(240, 3.0).meter(300, None).meter(360, 0.0)
    recording.add(400, "StopTransaction", None, transactionId=7, reason="Local")
    found = recording.load()
    assert steps(found) == [
        (60, "start", {"connector": 1, "id_tag": "TAG1"}),
        (60, "demand", {"connector": 1, "kw": 0.0}),
        (120, "demand", {"connector": 1, "kw": 6.6}),
        # 6.61 is the same; what is not known changes nothing, 0 is a measurement.
        (240, "demand", {"connector": 1, "kw": 3.0}),
        (360, "demand", {"connector": 1, "kw": 0.0}),
        (400, "unplug", {"connector": 1}),
    ]
    (point,) = found.charge_points
    assert (point["id"], point["ocpp"]) == ("CP1", "1.6")
    assert point["connectors"] == [{"kind": "AC", "rated_kw": 7.0, "phases": 1}]


def test_a_session_of_2_0_1(recording: Recording) -> None:
    def event(at_s: float, kind: str, load_kw: float, **more: Any) -> None:
        sample = {"time": iso(BEGIN_S + at_s), "values": {"load_kw": load_kw}}
        recording.add(
            at_s,
            "TransactionEvent",
            2,
            eventType=kind,
            transactionInfo={"transactionId": "a"},
            samples=[sample],
            **more,
        )

    recording.add(0, "Connected", None, version="2.1")
    event(10, "Started", 0.0, idToken={"idToken": "RFID9"})
    event(70, "Updated", 50.0)
    event(130, "Ended", 0.0)
    found = recording.load()
    assert steps(found)[0] == (10, "start", {"connector": 2, "id_tag": "RFID9"})
    assert [step for step in steps(found) if step[1] == "demand"][-2:] == [
        (70, "demand", {"connector": 2, "kw": 50.0}),
        (130, "demand", {"connector": 2, "kw": 0.0}),
    ]
    assert steps(found)[-1] == (130, "unplug", {"connector": 2})
    (point,) = found.charge_points
    assert point["ocpp"] == "2.0.1"
    assert [each["kind"] for each in point["connectors"]] == ["DC", "DC"]


def test_stations_of_chargepoint_s_service(recording: Recording) -> None:
    recording.add(0, "SessionBegin", 2, "1:34001", session_id="5")
    recording.add(30, "LoadChange", 2, "1:34001", load_kw=6.2)
    recording.add(90, "SessionEnd", 2, "1:34001", session_id="5")
    found = recording.load()
    assert [(at, action) for at, action, _ in steps(found)] == [
        (0, "start"), (0, "demand"), (30, "demand"), (90, "unplug")
    ]  # fmt: skip
    assert found.charge_points[0]["id"] == "1:34001"


def test_faults_and_connections(recording: Recording) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.add(5, "StatusNotification", 1, status="Faulted", errorCode="GroundFailure")
    recording.add(6, "StatusNotification", 1, status="Faulted", errorCode="GroundFailure")
    recording.add(9, "StatusNotification", 1, status="Available", errorCode="NoError")
    # A remark about a charger that works is not a fault.
    recording.add(10, "StatusNotification", 1, status="Charging", errorCode="WeakSignal")
    recording.add(20, "Disconnected", None)
    recording.add(40, "Connected", None, version="1.6")
    recording.add(50, "StatusNotification", 0, connectorStatus="Faulted")
    assert steps(recording.load()) == [
        (5, "fault", {"connector": 1, "error_code": "GroundFailure"}),
        (9, "clear_fault", {"connector": 1}),
        (20, "offline", {}),
        (40, "online", {}),
        (50, "fault", {"connector": 0, "error_code": "OtherError"}),
    ]


def test_a_session_that_began_before_the_recording(recording: Recording) -> None:
    recording.meter(0, 4.0)
    recording.add(60, "StartTransaction", transactionId=8)
    assert [(at, action) for at, action, _ in steps(recording.load())] == [
        (0, "start"), (0, "demand"), (0, "demand"), (60, "unplug"), (60, "start"), (60, "demand")
    ]  # fmt: skip


def test_what_came_twice_and_late_counts_once_and_in_its_time(recording: Recording) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.add(100, "Connected", None, version="1.6")
    # Kept while there was no connection.
    recording.add(50, "StartTransaction", transactionId=7, received_s=101)
    recording.lines.append(recording.lines[-1])
    assert [(at, action) for at, action, _ in steps(recording.load())] == [
        (50, "start"), (50, "demand")
    ]  # fmt: skip


def test_a_clock_that_was_ahead(recording: Recording) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.add(90_000, "StartTransaction", transactionId=7, received_s=10)
    recording.meter(90_060, 5.0, received_s=70)
    assert [(at, action) for at, action, _ in steps(recording.load())] == [
        (10, "start"), (10, "demand"), (70, "demand")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is not an event"),
        ("[]", "not an object"),
        ('{"id": "1"}', "line 2 is not an event"),
        ('{"source": "a", "id": "1", "station": "A", "time": "x", "received": "x"}', "line 2"),
    ],
)
def test_a_line_that_is_no_event(recording: Recording, line: str, words: str) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.lines.append(line)
    with pytest.raises(InvalidScenarioError, match=words):
        recording.load()


def test_files_without_events(tmp_path: Path) -> None:
    with pytest.raises(InvalidScenarioError, match="cannot be read"):
        load_recording(tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InvalidScenarioError, match="holds no event"):
        load_recording(tmp_path / "empty")


def test_what_is_recorded_here_can_be_read(tmp_path: Path) -> None:
    database = tmp_path / "csms.sqlite"
    config = OcppConfig(listen="127.0.0.1:0", database=database, configuration_delay_s=None)
    system = CentralSystem(config)
    system.start()
    try:
        with Twins(system.ocpp_url, 2, clock=ManualClock()) as twins:
            twins.wait_connected()
            assert twins.start_charging("CP0001", id_tag="TAG1") == "Accepted"
            twins.wait("CP0001", lambda state: state["connectors"][0]["transaction_id"])
            twins.advance(120)
            twins.act("CP0001", "sample", connector=1)
            twins.stop_charging("CP0001")
            twins.wait("CP0001", lambda state: not state["queued"])
            twins.unplug("CP0001")
    finally:
        system.stop()
    stored = StoredEvents(database, "ocpp")
    lines = [event.to_json() for event in stored.read(0, 1_000)]
    stored.close()
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = load_recording(path)
    assert {point["id"] for point in found.charge_points} == {"CP0001", "CP0002"}
    actions = [step.action for step in found.steps if step.charge_point == "CP0001"]
    assert actions[:2] == ["start", "demand"]
    assert "unplug" in actions


def test_twins_live_through_it_and_obey_today_s_limits(
    recording: Recording, central: Any, twins_of: Any
) -> None:
    recording.add(0, "Connected", None, version="1.6")
    recording.add(60, "StartTransaction", idTag="TAG1", transactionId=7)
    recording.meter(120, 6.0).meter(1_800, 3.0)
    recording.add(3_600, "StopTransaction", transactionId=7)
    scenario = recording.load()
    twins = twins_of(0)
    player = threading.Thread(target=lambda: twins.play(scenario, 60))
    player.start()
    try:
        # All steps are due at their times; then time may move.
        twins._wait(lambda: len(twins._running.scheduler._heap) >= len(scenario.steps), 20)

        def power(wanted_kw: float) -> None:
            twins.wait("CP1", lambda s: abs(s["power_kw"] - wanted_kw) < 0.01, 20)

        twins.advance(60)
        twins.wait("CP1", lambda state: state["connectors"][0]["transaction_id"], 20)
        twins.advance(60)
        power(6.0)
        assert twins.state("CP1")["connectors"][0]["id_tag"] == "TAG1"
        # What the central system allows today counts, whatever was recorded.
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "startSchedule": "2020-01-01T00:00:00Z",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2000}],
            },
        }
        given = {"connectorId": 1, "csChargingProfiles": profile}
        assert central.call("CP1", "SetChargingProfile", **given) == {"status": "Accepted"}
        power(2.0)
        assert central.call("CP1", "ClearChargingProfile") == {"status": "Accepted"}
        power(6.0)
        twins.advance(1_680)
        power(3.0)
        twins.advance(1_800)
        twins.wait("CP1", lambda state: not state["connectors"][0]["plugged"], 20)
    finally:
        player.join(60)
    assert not player.is_alive()


def test_a_step_that_cannot_be_taken_ends_nothing(recording: Recording, twins_of: Any) -> None:
    recording.add(0, "LoadChange", load_kw=5.0)
    recording.add(0, "LoadChange", load_kw=5.0, station="CP2")
    scenario = recording.load()
    bad = type(scenario.steps[0])(0.0, "CP1", "stop", {"connector": 1, "reason": "Local"})
    steps = (*(step for step in scenario.steps if step.charge_point != "CP1"), bad)
    twins = twins_of(0)
    twins.play(type(scenario)(scenario.charge_points, steps, tolerant=True), 60)
    twins.wait("CP2", lambda state: state["power_kw"] > 4.9, 20)
