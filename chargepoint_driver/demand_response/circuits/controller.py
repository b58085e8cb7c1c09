"""Circuits over time: meters, failsafe, turns, and lowering before raising."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chargepoint_driver.demand_response.circuits.allocation import (
    Network,
    PortState,
    Room,
    allocate,
)
from chargepoint_driver.demand_response.circuits.config import CircuitConfig

__all__ = ["Circuits", "Command"]

_TINY = 1e-6
# A current from which a phase counts as used, and one below which it does not, A.
_USED_A = 2.0
_UNUSED_A = 0.5
# Another load counts for this time after it was measured: meters do not measure at one time.
_MEMORY_S = 30.0
# A raise below this, or within this time of the last limit, is not worth a write to a charger.
_MIN_RAISE_A = 1.0
_RAISE_S = 60.0
# An idle port is not raised sooner than this after its last limit.
_IDLE_S = 300.0
# A port that does not follow for so long counts as another load.
_STUCK_S = 30.0


@dataclass(frozen=True)
class Command:
    """A limit to send to a port: A per phase, and the same in kW on all its phases."""

    port: str
    amps: float
    kw: float


@dataclass
class _Port:
    """State of one port. `pending`: sent, oldest first; each may be in force."""

    state: PortState = field(default_factory=PortState)
    bound_a: float = 0.0
    sent_a: float | None = None
    sent_s: float = -math.inf
    is_confirmed: bool = False
    failing_s: float | None = None
    loads_a: dict[int, float] = field(default_factory=dict)
    load_kw: float | None = None
    # The lower ones of the last two reports: what it surely drew when a meter was read.
    sure_a: dict[int, float] = field(default_factory=dict)
    sure_kw: float = 0.0
    on_since_s: float | None = None
    off_since_s: float = 0.0


@dataclass
class _Meter:
    """The loads of a circuit that are not ours: (time, kW, A of each phase), oldest first."""

    read_s: float = -math.inf
    others: deque[tuple[float, float, tuple[float, ...]]] = field(default_factory=deque)


class Circuits:
    """Limits of ports, so that no circuit is ever above its own.

    A port's bound is the highest current that it may draw now: of all limits that were sent and
    may be in force. A lower limit counts once it is confirmed and `effect_s` has passed. A port
    is raised only by what the bounds of all leave.
    """

    def __init__(self, circuits: Mapping[str, CircuitConfig], now_s: float) -> None:
        self._network = Network(circuits)
        self._ports = {
            name: _Port(bound_a=config.max_a, off_since_s=now_s)
            for name, config in self._network.ports.items()
        }
        self._meters = {name: _Meter() for name, circuit in circuits.items() if circuit.meter_topic}

    # ---- what is seen --------------------------------------------------------------------

    @property
    def ports(self) -> tuple[str, ...]:
        """The names of all ports."""
        return tuple(self._ports)

    def seen(
        self,
        port: str,
        *,
        is_active: bool,
        currents: Mapping[int, float] | None = None,
        load_kw: float | None = None,
    ) -> None:
        """Take what a port reports. `currents`: measured A by phase of the circuit; `load_kw`:
        its load. None: not reported.

        Phases are learned from currents, of a vehicle that charges. They are forgotten when it
        leaves, and all phases of the port count until then.
        """
        known, config = self._ports[port], self._network.ports[port]
        phases = known.state.phases if is_active else None
        before_a, before_kw = known.loads_a, known.load_kw
        known.loads_a = {p: a for p, a in (currents or {}).items() if math.isfinite(a)}
        known.load_kw = load_kw if load_kw is not None and math.isfinite(load_kw) else None
        known.sure_a = {p: max(0.0, min(a, before_a.get(p, 0.0))) for p, a in known.loads_a.items()}
        known.sure_kw = max(0.0, min(known.load_kw or 0.0, before_kw or 0.0))
        if config.learn_phases and is_active and set(config.phases) <= known.loads_a.keys():
            used = tuple(p for p in config.phases if known.loads_a[p] >= _USED_A)
            unused = [p for p in config.phases if known.loads_a[p] <= _UNUSED_A]
            if used and len(used) + len(unused) == len(config.phases):
                phases = used
            elif phases is not None and any(p not in phases for p in used):
                phases = None
        known.state = PortState(is_active, phases)

    def meter(
        self,
        circuit: str,
        now_s: float,
        kw: float | None = None,
        amps: tuple[float, ...] | None = None,
    ) -> bool:
        """Take a reading of a circuit's meter. False where it lacks what the limits need."""
        config = self._network.circuits[circuit]
        if config.kw is not None and (kw is None or not math.isfinite(kw)):
            return False
        if config.amps is not None and (
            amps is None or len(amps) != 3 or not all(map(math.isfinite, amps))
        ):
            return False
        below = [
            known for name, known in self._ports.items() if circuit in self._network.paths[name]
        ]
        other_kw = max(0.0, (kw or 0.0) - sum(each.sure_kw for each in below))
        other_a = tuple(
            max(0.0, a - sum(each.sure_a.get(phase, 0.0) for each in below))
            for phase, a in enumerate(amps or (0.0, 0.0, 0.0), 1)
        )
        meter = self._meters[circuit]
        meter.read_s = now_s
        meter.others.append((now_s, other_kw, other_a))
        while now_s - meter.others[0][0] > _MEMORY_S:
            meter.others.popleft()
        return True

    def confirmed(self, port: str, amps: float) -> None:
        """Record that the charger took the limit (or reports it): it counts `effect_s` after it was
        sent."""
        known = self._ports[port]
        if known.sent_a is not None and amps <= known.sent_a + _TINY:
            known.is_confirmed, known.failing_s = True, None

    def reported(self, port: str, kw: float, now_s: float) -> bool:
        """Take the limit in kW that is reported in force; infinity: none is. False where that is
        above what was sent, long enough ago: then nothing is known any more (`forget`)."""
        known, config = self._ports[port], self._network.ports[port]
        if known.sent_a is None or not known.is_confirmed:
            return True
        if now_s - known.sent_s < config.effect_s + _STUCK_S:
            return True
        # What is sent is rounded, and converted from A and back.
        if kw <= known.sent_a * self._kw_per_a(port) * 1.02 + 0.05:
            return True
        self.forget(port)
        return False

    def failed(self, port: str, now_s: float) -> None:
        """Record that the last limit was refused, or got no answer: it may be in force, and is sent
        again. While that goes on, the others are lowered by what the port may draw."""
        known = self._ports[port]
        if known.failing_s is None:
            known.failing_s = now_s
        known.sent_a, known.is_confirmed = None, False

    def forget(self, port: str) -> None:
        """Forget the port's limit, as after a restart of the charger."""
        known = self._ports[port]
        known.sent_a, known.is_confirmed = None, False
        known.bound_a = self._network.ports[port].max_a

    # ---- what follows --------------------------------------------------------------------

    def silent(self, now_s: float) -> list[str]:
        """Return the circuits whose meter is silent."""
        return [
            name
            for name, meter in self._meters.items()
            if now_s - meter.read_s > self._network.circuits[name].meter_timeout_seconds
        ]

    def step(self, now_s: float, limits_kw: Mapping[str, float] | None = None) -> list[Command]:
        """Return the limits to send now; the lower ones first.

        `limits_kw`: further limits of circuits in kW, like those of a schedule.
        """
        self._settle(now_s)
        room = self._room(now_s, limits_kw or {})
        states = {name: known.state for name, known in self._ports.items()}
        order = self._order(now_s)
        wanted = allocate(self._network, room, states, order)
        stuck = {n for n in wanted if self._is_stuck(n, wanted[n], now_s)}
        if stuck:
            rest = self._left(room, stuck)
            rest = {key: max(0.0, left) for key, left in rest.items()}
            others = allocate(self._network, rest, states, order, without=stuck)
            wanted = {n: wanted[n] if n in stuck else a for n, a in others.items()}
        lower, higher = [], []
        for name, amps in wanted.items():
            known = self._ports[name]
            sent_a = known.bound_a + 1 if known.sent_a is None else known.sent_a
            if amps < sent_a - _TINY and amps <= known.bound_a + _TINY:
                lower.append(name)
            elif amps > (known.sent_a or 0.0) + _TINY:
                higher.append(name)
        commands = [self._send(name, wanted[name], now_s) for name in lower]
        left = self._left(room)
        # Those that charge with nothing first: they wait for the longest.
        for name in sorted(higher, key=lambda each: (self._ports[each].sent_a or 0.0, each)):
            command = self._raise(name, wanted[name], left, now_s)
            commands += [command] if command else []
        return commands

    def used(self) -> dict[tuple[str, int], float]:
        """Return what the ports may draw at most now, by circuit: A of phases 1 to 3, kW as 0."""
        room: Room = {
            (name, phase): 0.0 for name in self._network.circuits for phase in (0, 1, 2, 3)
        }
        return {key: -left for key, left in self._left(room).items()}

    # ---- inside --------------------------------------------------------------------------

    def _settle(self, now_s: float) -> None:
        """Lower the bound of ports whose limit has taken effect."""
        for name, known in self._ports.items():
            effect_s = self._network.ports[name].effect_s
            has_effect = known.is_confirmed and now_s - known.sent_s >= effect_s
            if known.sent_a is not None and has_effect:
                known.bound_a = known.sent_a
            is_on = bool(known.sent_a) and known.state.is_active
            if not is_on:
                known.on_since_s = None
                if not known.state.is_active:
                    known.off_since_s = now_s
            elif known.on_since_s is None:
                known.on_since_s = now_s

    def _order(self, now_s: float) -> list[str]:
        """Return active ports, those first whose turn it is: within their turn, then those that
        have waited half a turn, the longest first, then those whose turn is over."""

        def key(name: str) -> tuple[int, float, str]:
            known = self._ports[name]
            turn_s = 60 * min(
                self._network.circuits[each].rotation_minutes for each in self._network.paths[name]
            )
            if known.on_since_s is None:
                # One that was just turned off does not take the place of the next.
                has_waited = now_s - known.off_since_s >= turn_s / 2
                return (1 if has_waited else 3), known.off_since_s, name
            if now_s - known.on_since_s >= turn_s:
                return 2, -known.on_since_s, name
            return 0, known.on_since_s, name

        return sorted((n for n, k in self._ports.items() if k.state.is_active), key=key)

    def _room(self, now_s: float, limits_kw: Mapping[str, float]) -> Room:
        """Return what the ports may take of each circuit: its limit without its other loads."""
        silent = self.silent(now_s)
        kw: dict[str, float] = {}
        amps: dict[tuple[str, int], float] = {}
        for name, circuit in self._network.circuits.items():
            meter = self._meters.get(name)
            if circuit.kw is not None:
                kw[name] = circuit.kw
            for phase in (1, 2, 3) if circuit.amps is not None else ():
                amps[name, phase] = circuit.amps or 0.0
            if name in silent:
                if circuit.failsafe_kw is not None:
                    kw[name] = min(kw.get(name, math.inf), circuit.failsafe_kw)
                for key in [k for k in amps if k[0] == name and circuit.failsafe_amps is not None]:
                    amps[key] = min(amps[key], circuit.failsafe_amps or 0.0)
            elif meter is not None:
                if name in kw:
                    kw[name] -= max(each[1] for each in meter.others)
                for phase in (1, 2, 3) if circuit.amps is not None else ():
                    amps[name, phase] -= max(each[2][phase - 1] for each in meter.others)
            if name in limits_kw:
                kw[name] = min(kw.get(name, math.inf), limits_kw[name])
        return {key: max(0.0, each) for key, each in self._network.room(kw, amps).items()}

    def _is_stuck(self, name: str, wanted_a: float, now_s: float) -> bool:
        """Return whether a port may draw more than it should, and has not followed for long."""
        known, config = self._ports[name], self._network.ports[name]
        if known.bound_a <= wanted_a + _TINY:
            return False
        if known.failing_s is not None:
            return now_s - known.failing_s >= _STUCK_S
        is_late = now_s - known.sent_s >= config.effect_s + _STUCK_S
        return known.sent_a is not None and not known.is_confirmed and is_late

    def _left(self, room: Room, ports: Iterable[str] | None = None) -> Room:
        """Return what the bounds of ports (None: of all) leave of the room."""
        left = dict(room)
        for name in self._ports if ports is None else ports:
            known = self._ports[name]
            for key, cost in self._network.costs(name, known.state.phases, room).items():
                left[key] -= cost * known.bound_a
        return left

    def _send(self, name: str, amps: float, now_s: float) -> Command:
        known = self._ports[name]
        if known.sent_a is not None and known.sent_a > 0 and amps == 0:
            known.off_since_s = now_s
        known.sent_a, known.sent_s, known.is_confirmed = amps, now_s, False
        known.bound_a = max(known.bound_a, amps)
        return Command(name, amps, round(amps * self._kw_per_a(name), 6))

    def _kw_per_a(self, name: str) -> float:
        """Return kW of a limit for each ampere on a phase."""
        config, phases = self._network.ports[name], self._ports[name].state.phases
        if config.limit_unit == "A" or not self._network.has_amps(name):
            return config.kw_per_a
        return config.voltage * (1 if phases is None else len(phases)) / 1000

    def _raise(self, name: str, wanted_a: float, left: Room, now_s: float) -> Command | None:
        """Raise a port as far as there is room; None where that is not above what it has."""
        known, config = self._ports[name], self._network.ports[name]
        costs = self._network.costs(name, known.state.phases, left)
        more_a = min((left[key] / cost for key, cost in costs.items()), default=math.inf)
        amps = min(wanted_a, math.floor((known.bound_a + max(0.0, more_a)) * 10 + _TINY) / 10)
        if more_a < -_TINY:
            amps = min(amps, known.sent_a or 0.0)
        sent_a = known.sent_a or 0.0
        if amps < config.min_a - _TINY or amps <= sent_a + _TINY:
            return None
        is_small = amps - sent_a < _MIN_RAISE_A and amps < config.max_a
        if sent_a > 0 and (is_small or now_s - known.sent_s < _RAISE_S):
            return None
        if not known.state.is_active and now_s - known.sent_s < _IDLE_S:
            return None
        grown = max(0.0, amps - known.bound_a)
        for key, cost in costs.items():
            left[key] -= cost * grown
        return self._send(name, amps, now_s)
