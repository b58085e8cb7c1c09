"""Whatever is written, reverted, lost, refused or restarted: in the end the limit that the
driver reports is in force: the last one acknowledged, or none once nobody renews it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chargepoint_driver.errors import ChargePointError, OutcomeUnknownError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from .conftest import STATION, Rig

# A longer search: CONTROL_EXAMPLES=2000 make test PYTEST="-k test_controller_any_order"
EXAMPLES = int(os.environ.get("CONTROL_EXAMPLES", "0"))
MINUTES = 30
OPTIONS = ShedOptions(minutes=MINUTES, on_write=True)
# Until what nobody renews has run out, and what was sent last is in force and seen.
SETTLED_MINUTES = MINUTES + 35
FOREIGN_KW = 4.0
PORTS = (1, 2)
SHED = "in force", "adopted"
FREE = "none", "released", "expired", "failed"

FAULTS: dict[str, dict[str, Any]] = {
    "503": {"kind": "http", "status": 503},
    "429": {"kind": "http", "status": 429, "retry_after_s": 60},
    "502": {"kind": "http", "status": 502},
    "101": {"kind": "refused", "code": "101"},
    "126": {"kind": "refused", "code": "126"},
    "119": {"kind": "refused", "code": "119"},
    "soap": {"kind": "soap_fault"},
    "drop": {"kind": "drop"},
    "drop_reply": {"kind": "drop_reply"},
    "drop_middle": {"kind": "drop_middle"},
    "malformed": {"kind": "malformed_xml"},
}


@dataclass(frozen=True)
class Write:
    name: str
    value: float
    port: int | None
    fault: str | None
    minutes: int = 0  # until it is to be cleared
    lease_s: int = 0


@dataclass(frozen=True)
class Revert:
    port: int | None
    fault: str | None


@dataclass(frozen=True)
class Restart:
    minutes: float


@dataclass(frozen=True)
class Live:
    minutes: int
    call: str | None  # that fails meanwhile


_port = st.sampled_from((None, *PORTS))
_minutes = st.sampled_from((0, 0, 0, 7, 25))
_lease = st.sampled_from((0, 0, 0, 0, 600))
_fault = st.one_of(st.none(), st.sampled_from(sorted(FAULTS)))
_write = st.one_of(
    st.builds(
        Write,
        st.just("allowedLoad"),
        st.sampled_from((2.0, 3.0, 5.0)),
        _port,
        _fault,
        _minutes,
        _lease,
    ),
    st.builds(
        Write, st.just("percentShed"), st.sampled_from((50, 20)), _port, _fault, _minutes, _lease
    ),
    st.builds(Write, st.just("shedState"), st.sampled_from((0, 1)), _port, _fault),
)
ACTIONS = st.one_of(
    _write,
    _write,
    st.builds(Revert, _port, _fault),
    st.builds(Restart, st.sampled_from((0.0, 3.0, 12.0, 45.0))),
    st.builds(
        Live,
        st.sampled_from((1, 4, 6, 12, 20)),
        st.sampled_from((None, None, "getLoad", "shedLoad", "clearShedState")),
    ),
)


@dataclass
class Model:
    """What may be in force at each port: kW, `percent` for what a percentage came to, None."""

    before: float | None
    may: dict[int, set[float | str | None]] = field(default_factory=dict)
    dead: bool = False  # a time without renewals that was long enough for a shed to end
    gap_minutes: float = 0.0

    def __post_init__(self) -> None:
        self.may = {port: {self.before} for port in PORTS}

    def unattended(self, minutes: float) -> None:
        self.gap_minutes += minutes
        self.dead |= self.gap_minutes >= MINUTES / 2

    def write(self, ports: tuple[int, ...], now: float | str | None, *, sure: bool) -> None:
        for port in ports:
            self.may[port] = {now} if sure else {*self.may[port], now}

    def end(self, ports: tuple[int, ...], action: Write, *, sure: bool) -> None:
        """Deadline or lease end it before the check: nothing is in force then, or what was
        before."""
        if action.minutes or action.lease_s:
            self.write(ports, None, sure=sure)
            self.write(ports, self.before, sure=False)

    def allows(self, port: int, ceiling_kw: float | None) -> bool:
        if ceiling_kw is None and self.dead:
            return True
        return any(
            ceiling_kw is None
            if each is None
            else ceiling_kw is not None
            and (each == "percent" or abs(ceiling_kw - float(each)) < 0.07)
            for each in self.may[port]
        )


def of_ports(port: int | None) -> tuple[int, ...]:
    return PORTS if port is None else (port,)


def carry_out(rig: Rig, model: Model, action: Any) -> None:
    if isinstance(action, Restart):
        rig.restart(action.minutes * 60)
        model.unattended(action.minutes)
    elif isinstance(action, Live):
        if action.call is not None:
            rig.sim.faults.set(action.call, "http", status=503)
            model.unattended(action.minutes)
        else:
            model.gap_minutes = 0.0
        rig.live(action.minutes, step_s=60.0)
        rig.sim.faults.clear()
    elif isinstance(action, Revert):
        arm(rig, action.fault)
        try:
            sent = rig.revert(action.port)
        except ChargePointError:
            # It may have got through at one port and not at the other.
            model.write(of_ports(action.port), model.before, sure=False)
        else:
            if sent:
                model.write(of_ports(action.port), model.before, sure=not model.dead)
                model.write(of_ports(action.port), None, sure=False) if model.dead else None
        rig.sim.faults.clear()
    else:
        write(rig, model, action)


def write(rig: Rig, model: Model, action: Write) -> None:
    target = rig.point("shedState", action.port).target
    if action.name == "shedState" and action.value:
        staged = rig.service.control.staged(target)
        if staged is None:
            with pytest.raises(ChargePointError, match="no limit was ever written"):
                rig.write("shedState", 1, action.port, options=OPTIONS)
            return
        kw, percent = staged.allowed_load_kw, staged.percent_shed
    elif action.name == "shedState":
        kw = percent = None
    elif action.name == "allowedLoad":
        kw, percent = action.value, None
    else:
        kw, percent = None, int(action.value)
    now: float | str | None = "percent" if percent is not None else kw
    ports = of_ports(action.port)
    if kw is not None and action.port is None:
        now = kw / len(PORTS)
    arm(rig, action.fault)
    try:
        value = action.value if action.name == "allowedLoad" else int(action.value)
        options = replace(
            OPTIONS, wanted_minutes=action.minutes, lease_s=action.lease_s, writer="test"
        )
        rig.write(action.name, value, action.port, options=options)
    except OutcomeUnknownError:
        model.write(ports, now, sure=False)
        model.end(ports, action, sure=False)
    except ChargePointError:
        pass
    else:
        model.write(ports, now, sure=True)
        model.end(ports, action, sure=True)
    rig.sim.faults.clear()


def arm(rig: Rig, fault: str | None) -> None:
    """The next command goes wrong in this way."""
    if fault is not None:
        options = dict(FAULTS[fault])
        kind = options.pop("kind")
        for operation in ("shedLoad", "clearShedState"):
            rig.sim.faults.set(operation, kind, times=1, **options)


def check(rig: Rig, model: Model) -> None:
    for port in PORTS:
        ceiling = rig.actual(port)["ceiling_kw"]
        assert model.allows(port, ceiling), (port, ceiling, model.may[port])
        status, why = rig.status(port), rig.read("shedReason", port)
        kw, percent = rig.read("commandedLoad", port), rig.read("commandedPercent", port)
        said = FREE if ceiling is None else SHED
        total = rig.read("commandedLoad", None)
        if ceiling is not None and (kw, percent, total) == (None, None, None):
            said = "adopted", "failed"  # somebody else's, and ours came to nothing
        assert status in said, (port, ceiling, status, why)
        if ceiling is None:
            assert (kw, percent) == (None, None), (port, why)
        elif kw is not None:
            assert kw == pytest.approx(ceiling, abs=0.07), why
        elif total is not None:
            assert total / len(PORTS) == pytest.approx(ceiling, abs=0.07), why
        elif percent is None:
            # Nothing of ours: what was in force before anything was written.
            assert ceiling == model.before, why
    reported = [arguments for _, arguments in rig.commands]
    assert not [each for each in reported if "allowedLoadPerStation': 0.0" in str(each)]
    assert not [c for c in rig.sim.world.commands if c.response_code == "187"]


@pytest.mark.timeout(3_600 if EXAMPLES else 300)
@settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(
    actions=st.lists(ACTIONS, min_size=2, max_size=9),
    foreign=st.sampled_from((False, False, False, True)),
    delays=st.sampled_from(((0.0, 0.0), (300.0, 540.0), (60.0, 240.0))),
)
def test_what_is_in_force_at_the_end(
    actions: list[Any], foreign: bool, delays: tuple[float, float]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), stations=1, shed_delay_s=delays[0], clear_delay_s=delays[1])
        try:
            for number in PORTS:
                if not rig.actual(number)["plugged_in"]:
                    rig.sim.world.plug_in(STATION, number, stay_s=24 * 3_600, full_kwh=200)
            if foreign:
                rig.sim.world.shed(rig.sim.world.stations, Limit(allowed_kw=2 * FOREIGN_KW))
                rig.pass_(delays[0] + 1)
            model = Model(FOREIGN_KW if foreign else None)
            for action in actions:
                carry_out(rig, model, action)
            rig.live(SETTLED_MINUTES, step_s=150.0)
            check(rig, model)
        finally:
            rig.stop()
