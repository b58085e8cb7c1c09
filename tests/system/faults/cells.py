"""One cell of the matrix: a fault strikes a call behind a door, and is over again.

A cell that finds something wrong raises AssertionError with what it found. Time is the
driver's clock, but for the limits of waiting, which are real.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.registry import Point
from chargepoint_driver.simulator.world.state_json import world_json

from .rig import (
    FIRST,
    GROUP,
    HASTY_S,
    PATIENT_S,
    POINTS,
    PORTS,
    STATIONS,
    TARGET,
    Agent,
    Embedded,
    Rig,
    of_call,
)
from .table import FINE, INTERVAL_S, READS, RETRY_AFTER_S, Fault, Reach, expected, operation

OUTAGE_S = 300
POLL_S = 15
# A read may last three limits of one call, a write as long plus what it reads before and after;
# what is above that is time to compute, on a machine that does other things as well.
LIMITS, SLACK_S = 9, 15.0

# What back-off promises, written down here a second time: pauses from 5 s, doubled each time up
# to 45 s, shortened by a quarter at most.
FIRST_PAUSE_S, MAX_PAUSE_S, SHORTENED = 5.0, 45.0, 0.75

Door = Embedded | Agent


class Cell(NamedTuple):
    """Which fault, which call, which door."""

    fault: Fault
    call: str
    door: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault.name, self.call, self.door

    @property
    def name(self) -> str:
        return " / ".join(self.key)

    def run(self, rig: Rig) -> None:
        """Raises AssertionError when the driver does not do what the table asks for."""
        down_polls = 2 if self.fault.slow or self.fault.large else OUTAGE_S // POLL_S
        timeout_s = HASTY_S if self.fault.slow else PATIENT_S
        door = rig.open(self.door, timeout_s)
        try:
            if self.call in READS:
                _reading(self, rig, door, timeout_s, down_polls)
            else:
                _writing(self, rig, door, timeout_s)
        finally:
            rig.restore()
            rig.settle()
            door.close()
            rig.clock.now_s += 10_000


# ---- reading -----------------------------------------------------------------------------


def _reading(cell: Cell, rig: Rig, door: Door, timeout_s: float, down_polls: int) -> None:
    fault, call = cell.fault, cell.call
    good, errors = door.read(POINTS)
    assert not errors, f"errors before the fault: {_codes(errors)}"
    _is_worth_reading(good)

    rig.pass_(INTERVAL_S)
    rig.begin(fault, call)
    with _within(timeout_s):
        values, errors = door.read(POINTS)
    _judge(cell, good, values, errors)

    mine = of_call(call)
    rig.settle()
    rig.sim.calls.reset()
    for _ in range(down_polls):
        rig.pass_(POLL_S)
        with _within(timeout_s):
            values, errors = door.read(mine)
        _judge(cell, good, values, errors, mine)
    rig.settle()
    sent = rig.sim.calls.count(call)
    most = _most_calls(fault, down_polls)
    assert sent <= most, f"{sent} calls in {down_polls * POLL_S} s of outage, not {most} at most"
    # That the call is held back now holds no other one back.
    with _within(timeout_s):
        values, errors = door.read(POINTS)
    _judge(cell, good, values, errors)

    rig.end(fault)
    if fault.back_s is None:
        # An operator corrects what was wrong and configures again: another limit will do.
        door.configure(rig.account(timeout_s + 0.5))
    rig.pass_(INTERVAL_S if fault.back_s is None else fault.back_s)
    values, errors = door.read(POINTS)
    assert not errors, f"errors an interval after the fault: {_codes(errors)}"
    _same(good, values)


def _is_worth_reading(good: dict[str, Any]) -> None:
    """Of every call there is something that a failure could spoil."""
    assert good.keys() == POINTS.keys()
    for call in READS:
        assert any(good[name] not in (None, 0) for name in of_call(call)), call


def _judge(
    cell: Cell,
    good: dict[str, Any],
    values: dict[str, Any],
    errors: dict[str, ChargePointError],
    asked: dict[str, Point] = POINTS,
) -> None:
    """Each point is as the table asks: an error of that code, or the value of good times."""
    fault, code = cell.fault, expected(cell.fault, cell.call)
    assert values.keys() | errors.keys() == asked.keys(), "points that are neither"
    assert not values.keys() & errors.keys(), "points that are both"
    for name, point in asked.items():
        if code and _is_hit(fault, cell.call, point):
            assert name in errors, f"{name} is {values[name]!r}, not {code}"
            assert errors[name].code == code, f"{name}: {errors[name].code}, not {code}"
            assert str(errors[name]).strip(), f"{name}: an error without words"
            continue
        assert name in values, f"{name} is {errors[name].code}: {errors[name]}"
        of_the_call = point.attribute.call == cell.call
        if of_the_call and point.attribute.name in fault.unreported:
            assert values[name] in (None, good[name]), f"{name} is {values[name]!r}, not None"
        elif of_the_call and fault.skew_s and point.attribute.kind.value == "datetime":
            assert values[name] == _skewed(good[name], fault.skew_s), name
        else:
            assert values[name] == good[name], f"{name} is {values[name]!r}, was {good[name]!r}"


def _is_hit(fault: Fault, call: str, point: Point) -> bool:
    """Whether the point is one that the fault takes away."""
    if point.attribute.name.startswith("commanded"):
        return False  # what this driver did itself
    if fault.reach is Reach.ACCOUNT:
        return True
    if point.attribute.call != call or fault.reach is Reach.CALL:
        return point.attribute.call == call
    if point.group is not None or point.attribute.name == "siteLoad":
        return point.station_id in ("", FIRST)  # there is no sum without one of its ports
    of_port = fault.reach is Reach.PORTS or point.port == PORTS[-1]
    return point.station_id == FIRST and point.port is not None and of_port


def _skewed(text: str | None, skew_s: int) -> str | None:
    if text is None:
        return None
    return (datetime.fromisoformat(text) + timedelta(seconds=skew_s)).isoformat()


def _same(good: dict[str, Any], values: dict[str, Any]) -> None:
    wrong = {
        name: (good[name], values.get(name)) for name in good if values.get(name) != good[name]
    }
    assert not wrong, f"not what it was: {wrong}"


def _most_calls(fault: Fault, polls: int) -> int:
    """How often a call may be sent during that many polls, of which each wants it."""
    if fault.name == "connection refused":
        return 0  # nobody is there to count
    seconds = polls * POLL_S
    if fault.back_s is None or fault.by_file:
        return 0  # waits for the configuration, or for another password
    if not fault.held:
        # Each poll asks, with a page for the flag that goes up permanently.
        return polls * (2 if fault.name in {"endless more", "repeated page"} else 1)
    if fault.back_s > INTERVAL_S:
        return math.ceil(seconds / RETRY_AFTER_S)
    sent, at_s, pause_s = 0, 0.0, FIRST_PAUSE_S
    while (at_s := at_s + pause_s * SHORTENED) <= seconds:
        sent, pause_s = sent + 1, min(MAX_PAUSE_S, 2 * pause_s)
    return sent


# ---- writing -----------------------------------------------------------------------------


def _writing(cell: Cell, rig: Rig, door: Door, timeout_s: float) -> None:
    fault, call = cell.fault, cell.call
    write = _WRITES[call]
    code = expected(fault, call)
    name = operation(call)
    _clean(rig)
    do = write(rig, door)
    _, errors = door.read(POINTS)
    assert not errors, f"errors before the fault: {_codes(errors)}"
    rig.sim.calls.reset()

    rig.begin(fault, call)
    with _within(timeout_s):
        _ends_with(code, do)
    rig.settle()
    arrived = 0 if fault.name == "connection refused" else 1
    assert rig.sim.calls.count(name) == arrived, "not sent once"

    # Nothing is sent again unasked, and reading goes on.
    rig.pass_(INTERVAL_S)
    values, errors = door.read(POINTS)
    if fault.reach is not Reach.ACCOUNT:
        assert not errors, f"errors of reads: {_codes(errors)}"
        _as_in_the_world(rig, values)
    assert rig.sim.calls.count(name) == arrived, "sent again unasked"

    rig.end(fault)
    if fault.back_s is None:
        door.configure(rig.account(timeout_s + 0.5))
    if not fault.by_file:
        rig.pass_(INTERVAL_S)
    if code:
        if call == "removeLoadShedEvent":
            do = write(rig, door)  # the event may be gone
        do()
    rig.settle()
    values, errors = door.read(POINTS)
    assert not errors, f"errors after the fault: {_codes(errors)}"
    _as_in_the_world(rig, values)
    _DONE[call](rig)


def _ends_with(code: str, do: Callable[[], Any]) -> None:
    ended, words = FINE, ""
    try:
        do()
    except ChargePointError as error:
        ended, words = error.code, str(error)
    assert ended or not code, f"passed for done, not {code}"
    assert ended == code, f"failed with {ended}, not {code or 'passed'}: {words}"


def _clean(rig: Rig) -> None:
    world = rig.sim.world
    world.clear_shed(world.stations)
    if not world.select_alarms(lambda alarm: alarm.station_id == TARGET):
        world.raise_alarm(TARGET, "GFCI Trip", 1)


def _point(attribute: str, port: int | None = 1) -> Point:
    return POINTS[f"{attribute} of {TARGET} {port or ''}".strip()]


def _shed(rig: Rig, door: Door) -> Callable[[], Any]:
    door.write(_point("allowedLoad"), 3.0)
    return lambda: door.write(_point("shedState"), 1)


def _clear(rig: Rig, door: Door) -> Callable[[], Any]:
    door.write(_point("allowedLoad"), 3.0)
    door.write(_point("shedState"), 1)
    return lambda: door.write(_point("shedState"), 0)


def _clear_alarms(rig: Rig, door: Door) -> Callable[[], Any]:
    return lambda: door.write(_point("clearAlarms", None), 1)


def _create(rig: Rig, door: Door) -> Callable[[], Any]:
    start = rig.now() + timedelta(hours=5)
    return lambda: door.create(TARGET, start)


def _remove(rig: Rig, door: Door) -> Callable[[], Any]:
    event_id = _create(rig, door)()
    return lambda: door.remove(event_id)


def _of_group(attribute: str) -> Point:
    return POINTS[f"{attribute} of {GROUP}"]


def _shed_group(rig: Rig, door: Door) -> Callable[[], Any]:
    door.write(_of_group("allowedLoad"), 12.0)
    return lambda: door.write(_of_group("shedState"), 1)


def _clear_group(rig: Rig, door: Door) -> Callable[[], Any]:
    _shed_group(rig, door)()
    return lambda: door.write(_of_group("shedState"), 0)


_WRITES: dict[str, Callable[[Rig, Door], Callable[[], Any]]] = {
    "shedLoad": _shed,
    "clearShedState": _clear,
    "clearAlarms": _clear_alarms,
    "createLoadShedEvent": _create,
    "removeLoadShedEvent": _remove,
    "shedLoad of a group": _shed_group,
    "clearShedState of a group": _clear_group,
}


def _actual(rig: Rig) -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (station["stationID"], number): port
        for station in world_json(rig.sim.world)["stations"]
        for number, port in enumerate(station["ports"], 1)
    }


def _as_in_the_world(rig: Rig, values: dict[str, Any]) -> None:
    """Load and shed are what is so at the service, never what was wished."""
    ports = _actual(rig)
    for (station, port), actual in ports.items():
        assert values[f"shedState of {station} {port}"] == actual["shedState"]
        assert abs(values[f"portLoad of {station} {port}"] - actual["load_kw"]) < 0.001
    total_kw = sum(actual["load_kw"] for actual in ports.values())
    assert abs(values[f"siteLoad of {GROUP}"] - total_kw) < 0.01
    assert values[f"shedState of {GROUP}"] == max(actual["shedState"] for actual in ports.values())


def _is_shed(rig: Rig) -> None:
    assert _actual(rig)[TARGET, 1]["shedState"] == 1, "no shed in force"


def _is_clear(rig: Rig) -> None:
    assert _actual(rig)[TARGET, 1]["shedState"] == 0, "the shed is still in force"


def _is_group_shed(rig: Rig) -> None:
    ports = _actual(rig)
    assert {actual["shedState"] for actual in ports.values()} == {1}, "not all are shed"
    for station in STATIONS:
        kw = sum(ports[station, port]["allowed_kw"] for port in PORTS)
        assert abs(kw - 12.0 / len(STATIONS)) < 0.01, f"{station} is held to {kw} kW"


def _is_group_clear(rig: Rig) -> None:
    assert {actual["shedState"] for actual in _actual(rig).values()} == {0}, "some are still shed"


def _no_alarms(rig: Rig) -> None:
    assert not rig.sim.world.select_alarms(lambda alarm: alarm.station_id == TARGET)


def _last_command_is_done(rig: Rig) -> None:
    command = rig.sim.world.commands[-1]
    assert command.response_code == "100", f"{command.operation}: {command.response_code}"


_DONE: dict[str, Callable[[Rig], None]] = {
    "shedLoad": _is_shed,
    "clearShedState": _is_clear,
    "clearAlarms": _no_alarms,
    "createLoadShedEvent": _last_command_is_done,
    "removeLoadShedEvent": _last_command_is_done,
    "shedLoad of a group": _is_group_shed,
    "clearShedState of a group": _is_group_clear,
}


# ---- both --------------------------------------------------------------------------------


@contextmanager
def _within(timeout_s: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    took_s, limit_s = time.monotonic() - began, LIMITS * timeout_s + SLACK_S
    assert took_s < limit_s, f"took {took_s:.1f} s, more than {limit_s:g} s"


def _codes(errors: dict[str, ChargePointError]) -> dict[str, str]:
    return {name: f"{error.code}: {error}" for name, error in list(errors.items())[:3]}
