"""Who looks after the commands: its thread, its cost with many stations, its alerts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from chargepoint_driver.backend import Limit, Reply, Request, Target
from chargepoint_driver.errors import PermissionDeniedError, TransientError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service import Service, ShedOptions

from ..conftest import AT_ONCE, OTHER, STATION, Rig


class Many:
    """A backend in memory: any number of stations with two ports, in one group."""

    name = "many"

    def __init__(self, stations: int) -> None:
        self.stations = [f"1:{number}" for number in range(stations)]
        self.limits: dict[str, float | None] = dict.fromkeys(self.stations)
        self.fetched: list[Request] = []
        self.sent: list[Target] = []
        self.down = False

    def fetch(self, request: Request) -> Reply:
        self.fetched.append(request)
        stations: Collection[str] = request.stations or self.stations
        return Reply({station: self._record(request.call, station) for station in stations})

    def _record(self, call: str, station: str) -> StationRecord:
        if call == "getStations":
            return StationRecord(station, {"sgID": "7"}, {}, {})
        kw = self.limits[station]
        port = {
            "shedState": int(kw is not None),
            "allowedLoad": kw / 2 if kw else 0.0,
            "percentShed": 0,
            "portLoad": 2.0,
        }
        return StationRecord(station, {}, {1: dict(port), 2: dict(port)}, {})

    def shed(self, target: Target, limit: Limit, minutes: int) -> None:
        self.sent.append(target)
        if self.down:
            raise TransientError("down")
        for station in self.stations if target.group else [target.station_id]:
            self.limits[station] = limit.allowed_load_kw

    def clear(self, target: Target) -> None:
        raise PermissionDeniedError("not asked for here")

    def secret_digest(self) -> None:
        """Nobody asks for a password."""

    def calls(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def serve(backend: Any, clock: Callable[[], float]) -> Service:
    return Service(backend, timeout_s=10.0, clock=clock, now=clock)


@pytest.fixture
def clock() -> Any:
    class Time:
        now_s = 1_800_000_000.0

        def __call__(self) -> float:
            return self.now_s

    return Time()


def command_all(service: Service, backend: Many, kw: float = 4.0) -> None:
    commands = service.control._commands
    for station in backend.stations:
        commands.command(Target(station), Limit(allowed_load_kw=kw), AT_ONCE)


def test_a_thousand_stations_cost_one_read_a_look(clock: Any) -> None:
    backend = Many(1_000)
    service = serve(backend, clock)
    service.control._commands.cache.members("7")  # the groups are known
    service.control._commands.records(backend.stations)
    command_all(service, backend)
    backend.fetched.clear()
    clock.now_s += 60
    service.control.supervisor.run_due()
    assert [request.group for request in backend.fetched if request.call == "getLoad"] == ["7"]
    backend.fetched.clear()
    backend.sent.clear()
    clock.now_s += 300
    assert service.control.supervisor.run_due() > 1_000  # all are obeyed: until they are renewed
    assert [request.group for request in backend.fetched if request.call == "getLoad"] == ["7"]
    backend.fetched.clear()
    clock.now_s += 60
    assert service.control.supervisor.run_due() > 1_000
    assert backend.fetched == backend.sent == []
    clock.now_s += 1_800
    service.control.supervisor.run_due()
    assert sorted(map(str, backend.sent)) == sorted(backend.stations)
    service.close()


def test_what_a_look_costs_does_not_grow_with_the_square(clock: Any) -> None:
    """Counted, not timed: how many commands are handed out when one station is looked up."""
    backend = Many(500)
    service = serve(backend, clock)
    service.control._commands.records(backend.stations)
    command_all(service, backend)
    command_log = service.control._command_log
    assert [len(command_log.of_station(station)) for station in backend.stations[:3]] == [1, 1, 1]
    assert len(command_log._by_station) == 500
    for station in backend.stations:
        command_log.put({Target(station): None})
    assert command_log._by_station == {}
    service.close()


def test_a_service_that_is_down_is_not_asked_by_every_station(clock: Any) -> None:
    backend = Many(50)
    service = serve(backend, clock)
    command_all(service, backend)
    clock.now_s += 1_801
    backend.sent.clear()
    backend.down = True
    for _ in range(3):
        assert service.control.supervisor.run_due() >= 10.0
    assert len(backend.sent) == 3
    assert len(set(backend.sent)) == 3  # another one each time
    backend.down = False
    clock.now_s += 60
    service.control.supervisor.run_due()
    assert len(backend.sent) == 53
    service.close()


def test_one_station_s_trouble_is_not_the_others(rig: Rig, monkeypatch: Any) -> None:
    for station in (STATION, OTHER):
        rig.write("allowedLoad", 3.0, 1, station)
    rig.live(6)
    send = rig.service.control._commands.send

    def strange(target: Target, limit: Any, options: ShedOptions) -> None:
        if target.station_id == STATION:
            raise ZeroDivisionError
        send(target, limit, options)

    monkeypatch.setattr(rig.service.control._commands, "send", strange)
    rig.live(50)
    assert rig.sent("shedLoad") == 3
    monkeypatch.undo()
    rig.live(10)
    assert (rig.ceiling(1, STATION), rig.ceiling(1, OTHER)) == (3.0, 3.0)


def test_a_station_that_is_gone_is_not_the_others_trouble(rig: Rig) -> None:
    for station in (STATION, OTHER):
        rig.write("allowedLoad", 3.0, 1, station)
    rig.live(29)
    rig.sim.faults.set("shedLoad", "refused", code="119", times=1)
    rig.live(60)
    assert (rig.ceiling(1, STATION), rig.ceiling(1, OTHER)) == (3.0, 3.0)


def test_renewals_wait_for_no_read(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    rig.sim.faults.set("getLoad", "http", status=503)
    rig.live(180)
    assert rig.ceiling() == 3.0
    assert rig.sent("shedLoad") == 1 + 6
    rig.sim.faults.clear()
    rig.live(10)
    assert rig.status() == "in force"


def test_a_reply_without_the_port_does_not_hinder_either(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    rig.sim.faults.set("getLoad", "missing_port", station=STATION, port=1)
    rig.live(90)
    assert rig.ceiling() == 3.0


class TestAlerts:
    def test_one_that_was_resolved_is_raised_anew(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.live(6)
        for times in (1, 2):
            rig.sim.faults.set("shedLoad", "http", status=503)
            rig.live(45)
            assert len(rig.alerts) == times
            assert "charging comes back in" in rig.alerts[-1][1]
            rig.sim.faults.clear()
            rig.live(10)
        assert rig.ceiling() == 3.0

    def test_somebody_who_clears_ours_is_said_once(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.live(6)
        rig.sim.world.clear_delay_s = 0.0
        rig.sim.world.clear_shed(rig.sim.world.stations[:1])
        rig.live(40)
        assert rig.ceiling() == 3.0
        assert [what for _, what in rig.alerts] == [
            "allowedLoad 3 kW was commanded, and no shed is reported; sent again"
        ]

    def test_a_host_that_fails_to_take_it_does_no_harm(self, rig: Rig) -> None:
        def fail(about: str, what: str) -> None:
            raise RuntimeError(about, what)

        rig.service.control.alerts.host = fail
        rig.write("allowedLoad", 3.0)
        rig.live(25)
        rig.sim.faults.set("shedLoad", "http", status=503)
        rig.live(20)
        rig.sim.faults.clear()
        rig.live(30)
        assert rig.ceiling() == 3.0


class TestThread:
    def test_it_looks_after_commands_and_ends(self, rig: Rig) -> None:
        rig.service.keep(lambda about, what: rig.alerts.append((about, what)))
        names = {thread.name for thread in threading.enumerate()}
        assert "chargepoint-sheds" in names
        rig.write("allowedLoad", 3.0)
        rig.pass_(31 * 60)
        rig.service.control._command_log.changed.set()
        pause = threading.Event()
        for _ in range(12_000):
            if rig.sent("shedLoad") == 2:
                break
            pause.wait(0.005)
        assert rig.sent("shedLoad") == 2
        rig.service.close()
        assert "chargepoint-sheds" not in {thread.name for thread in threading.enumerate()}

    def test_closing_waits_for_no_service(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.service.keep(lambda about, what: None)
        rig.pass_(31 * 60)
        rig.sim.faults.set("shedLoad", "delay", seconds=30)
        started = time.monotonic()
        rig.service.close()
        assert time.monotonic() - started < 15.0
        assert rig.service.control._command_log._stored.store is None
        rig.sim.stop()  # ends the delay

    def test_a_failing_look_is_not_the_last(self, rig: Rig, monkeypatch: Any) -> None:
        supervisor, looks = rig.service.control.supervisor, []
        done = threading.Event()

        def look() -> float:
            looks.append(1)
            rig.service.control._command_log.changed.set()
            if len(looks) == 2:
                done.set()
                return 60.0
            raise ZeroDivisionError

        monkeypatch.setattr(supervisor, "run_due", look)
        rig.service.keep(lambda about, what: None)
        assert done.wait(60)
        rig.service.close()
