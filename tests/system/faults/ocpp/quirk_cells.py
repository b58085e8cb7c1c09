"""One cell: a twin with quirks charges next to a twin without, and both are read alike.

What the twins say of themselves is the truth. A cell that finds something wrong raises
AssertionError with what it found.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import Twins

from .peer import LIMIT_S
from .quirk_table import QuirkRow
from .rig import Rig, commands_of, eventually, meters_of, points_of

# A session of this kind lies behind us, so that nothing comes from the future.
AGO_S, SAMPLE_S, SAMPLES = 170.0, 15, 3
VEHICLE = {"battery_kwh": 80, "soc_percent": 30, "max_ac_kw": 11, "max_dc_kw": 11}
LIMIT_KW = 7.0
# As much less as tenths of an ampere at the default voltage of 240 V make it.
LOWEST_KW = 6.6
_SETTING = {
    "1.6": "MeterValueSampleInterval",
    "2.0.1": "SampledDataCtrlr.TxUpdatedInterval",
}
# Points that are of a twin's own, and not compared.
_OWN = ("sessionID", "configuration", "siteLoad", "stationLoad")
# How long nothing happens when a set-up is over.
QUIET_S = 1.5
_number = itertools.count(1)


class QuirkCell(NamedTuple):
    """Which row, which door, which version of OCPP."""

    row: QuirkRow
    door: str
    version: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.row.name, self.door, self.version

    @property
    def name(self) -> str:
        return " / ".join(self.key)

    def run(self, rig: Rig) -> None:
        """Raises AssertionError when the driver does not do what the table asks for."""
        odd, plain = f"Q{next(_number)}", f"Q{next(_number)}"
        start = datetime.fromtimestamp(time.time() - AGO_S, timezone.utc)
        points = [{"id": odd, "quirks": self.row.quirks}, {"id": plain}]
        with Twins(
            rig.ocpp_url,
            points,
            self.version,
            connectors=self.row.connectors,
            clock=ManualClock(start),
            configuration={_SETTING[self.version]: str(SAMPLE_S)},
            backoff_s=0.05,
            reboot_s=0.02,
        ) as twins:
            twins.wait_connected()
            try:
                if self.row.max_boots:
                    _settle(self.row.max_boots, twins, odd)
                _run(self.row, rig, twins, odd, plain)
            except TimeoutError as error:
                raise AssertionError(f"the twin is never answered: {error}") from None
            assert twins.errors == []


def _run(row: QuirkRow, rig: Rig, twins: Twins, odd: str, plain: str) -> None:
    for session in range(row.sessions):
        if session and row.boots:
            for identity in (odd, plain):
                twins.act(identity, "reboot")
            twins.wait_connected()
        for identity in (odd, plain):
            _start(row, rig, twins, identity)
        for _ in range(SAMPLES):
            twins.advance(SAMPLE_S)
        for identity in (odd, plain):
            _all_told(twins, identity)
        _judge(row.shows, rig, twins, odd, plain)
        if "portLoad 1" not in row.shows:
            _judge_limit(row, rig, twins, odd, plain)
        for identity in (odd, plain):
            twins.stop_charging(identity)
            _all_told(twins, identity)
        _judge_idle(rig, odd, plain, row.shows)
    connections = twins.state(odd)["connections"]
    assert not row.max_boots or connections <= row.max_boots, "made to restart again"
    _judge_records(row, rig, twins, odd)
    _judge_records(QuirkRow("no quirk", {}, sessions=row.sessions), rig, twins, plain)
    counted = rig.forgiven(odd)
    assert row.counted is None or row.counted in counted, f"not counted: {counted}"
    assert not rig.forgiven(plain), "counted for the neighbour"
    if row.unlock is not None:
        _judge_unlock(row.unlock, rig, twins, odd)


def _start(row: QuirkRow, rig: Rig, twins: Twins, identity: str) -> None:
    if row.remote:
        twins.act(identity, "plug_on_remote_start", vehicle=VEHICLE)
        rig.door.write(commands_of(identity)["remoteStart 1"], "TAG")
        twins.wait(identity, lambda actual: actual["connectors"][0]["transaction_id"] is not None)
    else:
        twins.start_charging(identity, id_tag="TAG", **VEHICLE)
    _all_told(twins, identity)


def _judge_limit(row: QuirkRow, rig: Rig, twins: Twins, odd: str, plain: str) -> None:
    """A limit is obeyed, confirmed and ended as at the neighbour, and never at the neighbour."""
    for identity, power_kw in ((odd, 11), (plain, LIMIT_KW)):
        rig.door.write(points_of(identity)["allowedLoad 1"], LIMIT_KW)
        held_kw = twins.state(identity)["power_kw"]
        assert LOWEST_KW < held_kw <= LIMIT_KW, f"{held_kw} kW under a limit of {LIMIT_KW}"
        other_kw = twins.state(plain)["power_kw"]
        assert LOWEST_KW < other_kw <= power_kw, f"{other_kw} kW at the neighbour"
    good = _read(rig, plain)
    assert good["shedState 1"] == 1
    loads = {name: value for name, value in good.items() if "Load" in name or "hed" in name}
    values = _read(rig, odd)
    # A charge point whose settings could not be read gets its limit in amperes.
    near = LIMIT_KW - LOWEST_KW if row.max_boots else 0.01
    for name, load in loads.items():
        if name != "portLoad 1" and name.partition(" ")[0] not in _OWN:
            _is_like(values[name], row.shows.get(name, load), f"{name} under a limit", near)
    for identity in (odd, plain):
        rig.door.write(points_of(identity)["shedState 1"], 0)
        assert twins.state(identity)["power_kw"] > 7.1, "a limit was not ended"


def _settle(max_boots: int, twins: Twins, identity: str) -> None:
    """Wait until the central system has stopped to make it restart."""
    end = time.monotonic() + LIMIT_S * 2
    boots, quiet_since = 0, time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        assert time.monotonic() < end, "never left alone"
        actual = twins.state(identity)
        if actual["connections"] != boots or not actual["accepted"]:
            boots, quiet_since = actual["connections"], time.monotonic()
        assert boots <= max_boots, f"made to restart {boots - 1} times"
        time.sleep(0.02)  # what is waited for is that nothing happens


def _all_told(twins: Twins, identity: str) -> None:
    twins.wait(identity, lambda actual: not actual["queued"] and actual["accepted"])


def _read(rig: Rig, station: str) -> dict[str, Any]:
    values, errors = rig.door.read(points_of(station))
    assert not errors, f"errors of reads: {errors}"
    return values


def _judge(shows: Mapping[str, Any], rig: Rig, twins: Twins, odd: str, plain: str) -> None:
    good = _read(rig, plain)
    power_kw = twins.state(plain)["power_kw"]
    assert power_kw == 11, power_kw
    _is_like(good["portLoad 1"], power_kw, "portLoad of the neighbour")
    assert (good["Status 1"], good["connected"]) == ("INUSE", 1), good
    values = _read(rig, odd)
    wanted = {**good, "portLoad 1": twins.state(odd)["power_kw"], **shows}
    _compare(values, wanted)
    assert values["sessionID 1"] is not None, "no session runs"
    meters = [rig.door.read(meters_of(identity))[0] for identity in (odd, plain)]
    registers = [twins.state(one)["connectors"][0]["register_wh"] / 1000 for one in (odd, plain)]
    _is_like(meters[1]["energyRegister 1"], registers[1], "energyRegister of the neighbour")
    own = {"portLoad 1": wanted["portLoad 1"], "energyRegister 1": registers[0], **shows}
    _compare(meters[0], {name: own.get(name, value) for name, value in meters[1].items()})


def _judge_idle(rig: Rig, odd: str, plain: str, shows: Mapping[str, Any]) -> None:
    good = _read(rig, plain)
    assert good["portLoad 1"] == 0, good["portLoad 1"]
    words = {name: value for name, value in shows.items() if name != "portLoad 1"}
    _compare(_read(rig, odd), {**good, **words})


def _compare(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if name.partition(" ")[0] in _OWN or name not in values or value is ...:
            continue
        _is_like(values[name], value, name)


def _is_like(value: Any, wanted: Any, name: str, near: float = 0.01) -> None:
    if isinstance(value, float) and isinstance(wanted, (int, float)):
        assert abs(value - wanted) < near, f"{name} is {value!r}, not {wanted!r}"
    else:
        assert value == wanted, f"{name} is {value!r}, not {wanted!r}"


def _judge_records(row: QuirkRow, rig: Rig, twins: Twins, identity: str) -> None:
    """Each session is there exactly once, with what flowed."""
    reported = twins.state(identity)["transactions"]
    assert len(reported) == row.sessions
    found = eventually(lambda: rig.sessions(identity), f"no session of {identity}")
    assert len(found) == len(reported), f"{len(found)} sessions, not {len(reported)}: {found}"
    for record, actual in zip(found, reported, strict=True):
        assert record["energy_wh"] is None or record["energy_wh"] >= 0, record
        if row.energy:
            flowed_wh = actual["meter_stop_wh"] - actual["meter_start_wh"]
            assert record["state"] == "completed", record
            assert record["energy_wh"] is not None, record
            assert abs(record["energy_wh"] - flowed_wh) <= 1, f"{flowed_wh} Wh flowed: {record}"
        default = {"id_tag": "TAG", "register_resets": 0, "energy_is_minimum": False}
        recorded = {**default, **row.recorded} if row.energy else row.recorded
        for name, value in recorded.items():
            assert record.get(name) == value, f"{name} is {record.get(name)!r}: {record}"


def _judge_unlock(code: str, rig: Rig, twins: Twins, odd: str) -> None:
    connections = twins.state(odd)["connections"]
    ended = words = ""
    try:
        rig.door.write(commands_of(odd)["unlock 1"], 1)
    except ChargePointError as error:
        ended, words = error.code, str(error)
    assert ended == code, f"ended with {ended!r}, not {code!r}"
    assert "no answer" not in words, "it was waited for until the limit"
    state = twins.state(odd)
    assert (state["connected"], state["connections"]) == (True, connections), "was hung up on"
    assert _read(rig, odd)["connected"] == 1
