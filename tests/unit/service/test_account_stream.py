"""The stream of an account of ChargePoint's service: what polls and commands show, as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events import schema
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service, ShedOptions
from chargepoint_driver.simulator import ManualClock, Simulator
from tests.unit.events.consumers import from_files
from tests.unit.events.engines import until

STATION = "1:34001"
VALIDATOR = Draft202012Validator(schema())
NAMES = (
    ("Status", "StationStatusRegister"),
    ("portLoad", "LoadRegister"),
    ("alarmType", "AlarmRegister"),
    ("sessionID", "ChargingSessionRegister"),
)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(clock=ManualClock()) as found:
        yield found


@pytest.fixture
def serve(sim: Simulator, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def make(**fields: Any) -> Service:
        account = AccountConfig(
            username=sim.username,
            password=sim.password,
            endpoint=sim.soap_url,
            **{
                "sinks": {"out": {"type": "file", "path": str(tmp_path / "out.jsonl")}},
                "stream_name": "campus",
                **fields,
            },
        )
        services.append(Service.of_account(account, tmp_path / "commands.sqlite"))
        return services[-1]

    yield make
    for service in services:
        service.close()


def points(station: str = STATION, currency: str = "0") -> dict[str, Any]:
    found = {}
    for name, register in NAMES:
        row = {
            "Volttron Point Name": name,
            "Attribute Name": name,
            "Register Name": register,
            "Port #": "1",
            "Writable": "FALSE",
            "Currency": currency,
        }
        registry = build([(2, row)], "test", station)
        registry.raise_faults()
        found.update(registry.points)
    return found


def written(station: str = STATION) -> Any:
    row = {
        "Volttron Point Name": "allowedLoad",
        "Attribute Name": "allowedLoad",
        "Register Name": "LoadRegister",
        "Port #": "1",
        "Writable": "TRUE",
    }
    return build([(2, row)], "test", station).points["allowedLoad"]


def events(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    path = tmp_path / "out.jsonl"
    found = from_files(path) if path.exists() else []
    for event in found:
        VALIDATOR.validate(event)
    return [event for event in found if event["kind"] == kind]


def test_a_change_is_an_event_and_no_change_is_none(serve, tmp_path):
    service = serve()
    for _ in range(3):
        service.read(points())
    until(lambda: {event["kind"] for event in events(tmp_path, "load")} == {"load"})
    (status,) = until(
        lambda: [event for event in events(tmp_path, "status") if event["connector"] == 1]
    )
    assert (status["account"], status["station"]) == ("campus", STATION)
    assert status["data"] == {"status": "INUSE", "before": None}
    (load,) = [event for event in events(tmp_path, "load") if event["connector"] == 1]
    assert load["data"]["load_kw"] == pytest.approx(6.4, abs=1)
    (session,) = [event for event in events(tmp_path, "session") if event["connector"] == 1]
    assert session["action"] == "SessionBegin"
    assert session["data"]["session_id"]


def test_what_becomes_of_a_shed_is_told(serve, tmp_path):
    service = serve()
    service.write(written(), 3.0, ShedOptions(on_write=True))
    until(lambda: events(tmp_path, "shed"))
    service.revert(written())
    found = until(
        lambda: (
            (reported := events(tmp_path, "shed"))
            and reported[-1]["data"]["allowed_load_kw"] is None
            and reported
        )
    )
    words = [event["data"]["status"] for event in found]
    assert words[0] == "pending"
    assert found[0]["data"]["allowed_load_kw"] == 3.0
    assert all((event["station"], event["connector"]) == (STATION, 1) for event in found)


def test_a_new_alarm_is_told_once(serve, sim, tmp_path):
    service = serve(unreachable_minutes=30)
    service.read(points())
    sim.world.raise_alarm(STATION, "GFCI Trip", 1)
    for _ in range(3):
        sim.clock.advance(5)
        service.read(points())
    (alarm,) = until(lambda: events(tmp_path, "alarm"))
    assert (alarm["action"], alarm["station"], alarm["connector"]) == ("Alarm", STATION, 1)
    assert "GFCI Trip" in alarm["data"]["text"]


def test_the_live_status_of_a_station(serve):
    service = serve(sinks={})
    assert service.live_status() == []  # nothing was read yet, and nothing is made up
    service.read(points())
    (found,) = service.live_status()
    assert found["charge_point_id"] == STATION
    assert (found["status"], found["available_for_charging"]) == ("INUSE", 1)
    assert found["composite_status"] == "up"
    assert found["anomaly_score"] is None
    assert service.live_status(STATION) == [found]


def test_nothing_runs_without_a_sink(serve, tmp_path):
    service = serve(sinks={})
    service.read(points())
    assert service.sinks() == []
    assert not list(tmp_path.glob("*events*"))


def test_events_wait_in_a_file_for_a_sink_that_is_away(serve, tmp_path):
    sink = {"nats": {"type": "nats", "servers": ["nats://127.0.0.1:9"]}}
    service = serve(sinks=sink, events_file=tmp_path / "own.sqlite")
    service.read(points())
    (state,) = until(lambda: [each for each in service.sinks() if each.error and each.waiting])
    assert state.name == "nats"
    assert (tmp_path / "own.sqlite").is_file()


def test_two_accounts_need_two_files(serve):
    serve()
    with pytest.raises(ConfigurationError, match="events_file"):
        serve()


def test_without_a_place_the_file_is_asked_for(sim):
    account = AccountConfig(
        username=sim.username,
        password=sim.password,
        endpoint=sim.soap_url,
        sinks={"out": {"type": "file", "path": "out.jsonl"}},
    )
    with pytest.raises(ConfigurationError, match="events_file: is missing"):
        Service.of_account(account)
