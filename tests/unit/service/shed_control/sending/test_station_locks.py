"""Writes to one station follow each other; station and ports never contradict; the last wins."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.errors import ChargePointError, TransientError
from chargepoint_driver.service.shed_control.sending.station_locks import StationLocks

from ..conftest import AT_ONCE, OTHER, STATION, Rig

GROUP = "39491"


def contradictions(rig: Rig) -> int:
    """Return how often the service had to refuse a command, for whatever reason."""
    return sum(command.response_code != "100" for command in rig.sim.world.commands)


@pytest.mark.parametrize("order", list(itertools.permutations((None, 1, 2))), ids=str)
def test_station_and_ports_never_contradict(rig: Rig, order: tuple[int | None, ...]) -> None:
    for kw, port in enumerate(order, start=2):
        rig.write("allowedLoad", float(kw), port)
        rig.live(7)
    rig.live(70)
    rig.write("percentShed", 30, order[0])
    rig.live(7)
    rig.write("shedState", 0, order[1])
    rig.live(40)
    for port in order:
        rig.revert(port)
    rig.live(20)
    assert contradictions(rig) == 0
    assert [rig.ceiling(port) for port in (1, 2)] == [None, None]


def test_groups_stations_and_ports_never_contradict(rig: Rig) -> None:
    for step in range(3):
        rig.write("allowedLoad", 3.0, 1)
        rig.write("allowedLoad", 9.0, None)
        rig.write("allowedLoad", 16.0 + step, group=GROUP)
        rig.live(45)
        rig.write("percentShed", 20, group=GROUP)
        rig.live(35)
        rig.revert(group=GROUP)
        rig.live(12)
    assert contradictions(rig) == 0
    assert rig.ceiling() is None


def test_a_port_s_command_leaves_the_other_ports_their_share(rig: Rig) -> None:
    rig.write("allowedLoad", 8.0, None)
    rig.live(6)
    rig.write("allowedLoad", 1.0, 1)
    rig.live(100)
    assert [rig.ceiling(port) for port in (1, 2)] == [1.0, 4.0]
    assert [rig.read("commandedLoad", port) for port in (1, 2)] == [1.0, 4.0]
    rig.write("shedState", 0, 1)
    rig.live(100)
    assert [rig.ceiling(port) for port in (1, 2)] == [None, 4.0]
    assert rig.status(None) == "in force"
    assert rig.revert(None)
    rig.live(11)
    assert [rig.ceiling(port) for port in (1, 2)] == [None, None]


def test_a_port_is_shed_although_nothing_can_be_read(rig: Rig) -> None:
    rig.write("allowedLoad", 8.0, None)
    rig.live(6)
    rig.pass_(200)
    rig.sim.faults.set("getLoad", "http", status=503)
    rig.write("allowedLoad", 1.0, 1)
    rig.live(60)
    rig.sim.faults.clear()
    rig.live(40)
    assert [rig.ceiling(port) for port in (1, 2)] == [1.0, 4.0]


def test_a_station_s_command_takes_the_place_of_its_ports(rig: Rig) -> None:
    rig.write("allowedLoad", 1.0, 1)
    rig.write("allowedLoad", 2.0, 2)
    rig.write("allowedLoad", 9.0, None)
    rig.live(100)
    assert [rig.ceiling(port) for port in (1, 2)] == [4.5, 4.5]
    # A total does not limit one port: its status shows what it is under.
    assert [rig.read("commandedLoad", port) for port in (None, 1, 2)] == [9.0, None, None]
    assert rig.read("siteHeadroom", None) is not None
    assert rig.read("siteHeadroom", 1) is None
    assert "9 kW" in str(rig.read("shedReason", 1))
    assert [rig.status(port) for port in (None, 1, 2)] == ["in force"] * 3


def test_a_command_before_the_one_before_took_effect(rig: Rig) -> None:
    for kw in (5.0, 2.0, 4.0, 3.0):
        rig.write("allowedLoad", kw)
        rig.live(1)
    rig.write("shedState", 0)
    rig.live(1)
    rig.write("allowedLoad", 1.0)
    rig.live(15)
    assert (rig.ceiling(), rig.status(), rig.read("commandedLoad")) == (1.0, "in force", 1.0)


@pytest.mark.parametrize("seed", range(4))
def test_two_writes_in_flight_never_cross(make_rig: Callable[..., Rig], seed: int) -> None:
    """Slow replies, and writers of ports, station and clears at once: the last
    command to the service is what the driver goes on with."""
    rig = make_rig(shed_delay_s=0.0, clear_delay_s=0.0)
    rig.write("allowedLoad", 6.0, None)
    rig.sim.faults.set("shedLoad", "delay", seconds=0.03)
    jobs: list[tuple[str, float, int | None]] = [
        ("allowedLoad", 1.0 + number, (None, 1, 2)[(number + seed) % 3]) for number in range(9)
    ]
    jobs.insert(seed * 2, ("shedState", 0, (None, 1, 2)[seed % 3]))
    threads = [threading.Thread(target=rig.write, args=job) for job in jobs]
    looker = threading.Thread(target=rig.service.control.supervisor.run_due)
    for thread in (*threads[:5], looker, *threads[5:]):
        thread.start()
    for thread in (*threads, looker):
        thread.join(30.0)
        assert not thread.is_alive()
    rig.sim.faults.clear()
    assert contradictions(rig) == 0
    before = [rig.ceiling(port) for port in (1, 2)]
    rig.live(70)
    assert [rig.ceiling(port) for port in (1, 2)] == before
    assert rig.alerts == []


def test_a_write_under_way_does_not_keep_the_others_from_being_renewed(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.write("allowedLoad", 3.0, 1, OTHER)
    rig.live(31 - 0.5)
    sent = rig.sent()
    assert sent == 4
    turn = rig.service.control._commands.station_locks.of(STATION)
    with turn:
        started = time.monotonic()
        rig.pass_(31 * 60)
        rig.service.control.supervisor.run_due()
        assert time.monotonic() - started < 10.0
    assert rig.sent() == sent + 1
    rig.live(1)
    assert rig.sent() == sent + 2


def test_writers_wait_for_no_read_of_the_looker(rig: Rig) -> None:
    """The looker holds a turn only while it writes."""
    rig.write("allowedLoad", 3.0)
    rig.pass_(60)
    rig.sim.faults.set("getLoad", "delay", seconds=30, times=1)
    looker = threading.Thread(target=rig.service.control.supervisor.run_due)
    looker.start()
    pause = threading.Event()
    while rig.sim.calls.in_flight == 0:
        pause.wait(0.005)
    rig.service.control._commands.send_once = _Sent()  # type: ignore[method-assign]
    with rig.service.control._commands.station_locks.of(STATION, 1.0):
        assert looker.is_alive()
    rig.sim.stop()  # ends the delay
    looker.join(30.0)
    assert not looker.is_alive()


class _Sent:
    def __call__(self, *_: Any) -> None:
        """Nothing is sent any more."""


def test_a_turn_that_does_not_come_is_an_error_and_nothing_is_done() -> None:
    turns = StationLocks(0.05)
    with turns.of("a"), pytest.raises(TransientError, match="nothing was sent"), turns.of("a"):
        raise AssertionError("let in")
    with turns.of("a"):
        pass
    assert turns._queues == {}


def test_first_come_first_served() -> None:
    turns, order = StationLocks(10.0), []
    pause = threading.Event()

    def work(number: int) -> None:
        with turns.of("a"):
            order.append(number)

    threads = []
    with turns.of("a"):
        for number in range(8):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(turns._queues["a"]) < number + 2:
                pause.wait(0.001)
    for thread in threads:
        thread.join(60)
    assert order == list(range(8))


def test_a_bad_port_is_refused_before_anything_is_sent(rig: Rig) -> None:
    with pytest.raises(ChargePointError):
        rig.write("percentShed", 30, 9, options=AT_ONCE)
    assert rig.sent() == 0
