"""One cell: a charge point does not answer a request as it should, and then does again.

A cell that finds something wrong raises AssertionError with what it found.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from chargepoint_driver.errors import ChargePointError

from ..table import FINE, UNKNOWN
from .peer import LOAD_W, Peer
from .rig import CONNECTORS, LIMITS, Door, Rig, commands_of, eventually, points_of
from .table import CALL_LIMIT_S, OTHERWISE, READS, Fault, expected, operation

LIMIT_KW, PERCENT = 2.0, 40
# Forms of a limit that are tried one after the other, each within its limit, and what a busy
# machine takes to compute.
LIMITS_OF_A_WRITE, SLACK_S = 4, 10.0

SHEDS = ("allowedLoad", "percentShed", "shedState 1")
DOWN = {
    "Status": "UNREACHABLE",
    "available_for_charging": -1,
    "composite_status": "down",
    "ocppStatus": None,
    "errorCode": None,
    "portLoad": None,
    "connected": 0,
    "stationLoad": None,
    "siteLoad": None,
}


class Cell(NamedTuple):
    """Which fault, which call, which door, which version of OCPP."""

    fault: Fault
    call: str
    door: str
    version: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.fault.name, self.call, self.door, self.version

    @property
    def name(self) -> str:
        return " / ".join(self.key)

    def run(self, rig: Rig) -> None:
        """Raises AssertionError when the driver does not do what the table asks for."""
        peer, other = rig.peer(self.version), rig.peer(self.version)
        try:
            _run(self, rig, peer, other)
        finally:
            rig.lock_database(False)
            peer.strike = None
            peer.close()
            other.close()


def _run(cell: Cell, rig: Rig, peer: Peer, other: Peer) -> None:
    fault, call, door = cell.fault, cell.call, rig.door
    station, neighbour = peer.station_id, other.station_id
    points, others = points_of(station), points_of(neighbour)
    good, good_of_other = _read(door, points), _read(door, others)
    _is_worth_reading(good, peer)
    do = _write_of(call, door, station)
    if call == "shedState 0":
        _write_of("allowedLoad", door, station)()
        good = _read(door, points)
    action = operation(call, cell.version)
    before = len(peer.sent(action))

    _begin(fault, rig, peer, action)
    found = _Attempt(do)
    if fault.strike is not None:
        assert peer.struck_now.wait(60), "never asked"
    # While it is out, the others are read and written as ever.
    assert _read(door, others) == good_of_other, "another charge point is not what it was"
    began = time.monotonic()
    if not fault.database:
        assert door.write(commands_of(neighbour)["availability 1"], 1) == "Accepted"
        assert time.monotonic() - began < SLACK_S, "another charge point had to wait"
    code = expected(fault, call)
    found.ends_with(code)

    if fault.loses(call):
        eventually(lambda: _read(door, points)["Status 1"] == "UNREACHABLE", "still there")
    values = _read(door, points)
    _judge(cell, good, values)
    if code:
        _judge_limits(cell, code, good, values)
    assert _read(door, others) == good_of_other, "another charge point is not what it was"
    reported = peer.sent(action)[before:]
    assert len({json.dumps(each, sort_keys=True) for each in reported}) == len(reported), (
        "sent twice"
    )
    assert bool(reported) == (fault.name != "not connected"), f"{len(reported)} requests"

    _end(fault, rig, peer)
    if fault.loses(call):
        peer.close()
        peer.open()
    peer.introduce()
    assert len(peer.sent(action)) - before == len(reported) or not code, "sent again unasked"
    _judge_again(good, _read(door, points))
    if code == UNKNOWN and call in SHEDS:
        # When the charger is back it is asked for the limit, and the limit is found.
        eventually(lambda: _read(door, points)["shedState 1"] == 1, "the limit was not found")
    if code or (fault.name, call) in OTHERWISE:
        do()
    _is_done(call, peer)
    if call in READS or "Load" in call or "hed" in call:
        _shows(call, _read(door, points))


class _Attempt:
    """A write on a thread of its own."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._do = do
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._do()
        except BaseException as error:  # judged by the thread that waits
            self._error = error

    def ends_with(self, code: str) -> None:
        limit_s = LIMITS_OF_A_WRITE * CALL_LIMIT_S + SLACK_S
        self._thread.join(max(0.0, self._began + limit_s - time.monotonic()))
        assert not self._thread.is_alive(), f"not done within {limit_s:g} s"
        error = self._error
        assert error is None or isinstance(error, ChargePointError), repr(error)
        ended = FINE if error is None else error.code
        assert ended or not code, f"passed for done, not {code}"
        assert ended == code, f"failed with {ended}, not {code or 'passed'}: {error}"


def _begin(fault: Fault, rig: Rig, peer: Peer, action: str) -> None:
    peer.struck_now.clear()
    peer.struck, peer.strike = action, fault.strike
    if fault.name == "not connected":
        peer.close()
        point = points_of(peer.station_id)["connected"]
        eventually(lambda: rig.door.read({"x": point})[0]["x"] == 0, "still connected")
    if fault.database:
        rig.lock_database(True)


def _end(fault: Fault, rig: Rig, peer: Peer) -> None:
    peer.strike = None
    if fault.database:
        rig.lock_database(False)


# ---- what is written ---------------------------------------------------------------------


def _write_of(call: str, door: Door, station: str) -> Callable[[], Any]:
    commands, points = commands_of(station), points_of(station)
    if call in READS or call == "allowedLoad":
        return lambda: door.write(points["allowedLoad 1"], LIMIT_KW)
    if call == "percentShed":
        return lambda: door.write(commands["percentShed 1"], PERCENT)
    if call == "shedState 1":
        return lambda: _shed(door, station)
    if call == "shedState 0":
        return lambda: door.write(points["shedState 1"], 0)
    value: Any = {"remoteStart": "TAG", "reset": "Soft"}.get(call, 1)
    place = "" if call == "reset" else " 1"
    return lambda: door.write(commands[call + place], value)


def _shed(door: Door, station: str) -> None:
    """A limit that is only staged, and then the shed."""
    door.stage(points_of(station)["allowedLoad 1"], LIMIT_KW)
    door.write(points_of(station)["shedState 1"], 1)


def _kw(call: str) -> float:
    return LOAD_W[1] / 1000 * (100 - PERCENT) / 100 if call == "percentShed" else LIMIT_KW


def _is_done(call: str, peer: Peer) -> None:
    """The charge point does now what was wanted of it."""
    if call == "shedState 0":
        assert peer.limit_kw(1) is None, "the limit is still in force"
    elif call in READS or "Load" in call or "hed" in call:
        kw = peer.limit_kw(1)
        assert kw is not None, "no limit in force"
        assert abs(kw - _kw(call)) < 0.01, f"held to {kw} kW"
    else:
        assert peer.sent(operation(call, peer.version)), "never asked"


# ---- what is read ------------------------------------------------------------------------


def _read(door: Door, points: dict[str, Any]) -> dict[str, Any]:
    values, errors = door.read(points)
    assert not errors, f"errors of reads: {errors}"
    assert values.keys() == points.keys()
    return values


def _is_worth_reading(good: dict[str, Any], peer: Peer) -> None:
    assert good["portLoad 1"] == LOAD_W[1] / 1000
    assert good["portLoad 2"] == 0
    assert (good["Status 1"], good["Status 2"], good["connected"]) == ("INUSE", "AVAILABLE", 1)
    assert good["sessionID 1"] is not None


def _judge(cell: Cell, good: dict[str, Any], values: dict[str, Any]) -> None:
    """Without a socket what only it could tell is not reported; else all is as it was."""
    lost = cell.fault.loses(cell.call)
    for name, value in values.items():
        attribute = name.partition(" ")[0]
        if attribute in (*LIMITS, "configuration"):
            continue
        wanted = DOWN[attribute] if lost and attribute in DOWN else good[name]
        assert value == wanted, f"{name} is {value!r}, not {wanted!r}"


def _judge_limits(cell: Cell, code: str, good: dict[str, Any], values: dict[str, Any]) -> None:
    """A limit that was not taken is not in force; whether one is, that got no answer, is not
    known, which is not 0."""
    sheds = cell.call in READS or cell.call in SHEDS
    for name in (f"{attribute} {place}" for attribute in LIMITS for place in CONNECTORS):
        attribute, _, place = name.partition(" ")
        value = values[name]
        if place == "2" or not sheds or attribute not in ("shedState", "limitRefused"):
            if attribute != "shedStatus":
                assert value == good[name], f"{name} is {value!r}, was {good[name]!r}"
        elif attribute == "shedState":
            wanted = None if code == UNKNOWN else 0
            assert value == wanted, f"{name} is {value!r}, not {wanted!r}"
    if code == UNKNOWN and (sheds or cell.call == "shedState 0"):
        assert values["shedStatus 1"] == "pending", values["shedStatus 1"]


def _judge_again(good: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        attribute = name.partition(" ")[0]
        if attribute not in (*LIMITS, "configuration"):
            assert value == good[name], f"{name} is {value!r} afterwards, was {good[name]!r}"


def _shows(call: str, values: dict[str, Any]) -> None:
    """Afterwards the registers show what the charge point does."""
    wanted = (0, None) if call == "shedState 0" else (1, _kw(call))
    found = values["shedState 1"], values["allowedLoad 1"]
    assert found[0] == wanted[0], f"shedState is {found[0]!r}"
    assert found[1] == wanted[1] or abs(found[1] - wanted[1]) < 0.01, f"allowedLoad {found[1]!r}"
