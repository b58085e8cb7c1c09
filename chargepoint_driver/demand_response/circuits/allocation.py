"""Currents of ports under nested circuits: minimum for all, then the rest alike by priority."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chargepoint_driver.demand_response.circuits.config import CircuitConfig, PortConfig, path_of
from chargepoint_driver.service.shed_control.groups.division import Member, divide

__all__ = ["Network", "PortState", "allocate"]

_TENTHS = 10
_TINY = 1e-6

Room = dict[tuple[str, int], float]
"""What is left: (circuit, phase 1 to 3) in A and (circuit, 0) in kW."""


@dataclass(frozen=True)
class PortState:
    """State of a port. `is_active`: a vehicle is there and may charge. `phases`: those that its
    vehicle uses; None: not known."""

    is_active: bool = False
    phases: tuple[int, ...] | None = None


class Network:
    """Circuits and their ports, and what a current at a port takes from each circuit."""

    def __init__(self, circuits: Mapping[str, CircuitConfig]) -> None:
        self.circuits = dict(circuits)
        self.ports: dict[str, PortConfig] = {}
        self.paths: dict[str, tuple[str, ...]] = {}
        for name, circuit in circuits.items():
            for port, config in circuit.ports.items():
                self.ports[port] = config
                self.paths[port] = path_of(name, circuits)

    def room(self, kw: Mapping[str, float], amps: Mapping[tuple[str, int], float]) -> Room:
        """Return the room of circuits with these limits in kW, and in A by circuit and phase."""
        return {**{(name, 0): limit for name, limit in kw.items()}, **amps}

    def has_amps(self, port: str) -> bool:
        """Return whether a circuit above a port has a limit in A."""
        return any(self.circuits[each].amps is not None for each in self.paths[port])

    def costs(
        self, port: str, phases: Iterable[int] | None, room: Room
    ) -> dict[tuple[str, int], float]:
        """Return what one ampere at a port takes of each limit."""
        config = self.ports[port]
        used = tuple(config.phases if phases is None else phases) or config.phases
        found = {}
        for circuit in self.paths[port]:
            if (circuit, 0) in room:
                found[circuit, 0] = config.voltage * len(used) / 1000
            for phase in used:
                if (circuit, phase) in room:
                    found[circuit, phase] = 1.0
        return found


def allocate(
    network: Network,
    room: Room,
    states: Mapping[str, PortState],
    order: Sequence[str] = (),
    without: Collection[str] = (),
) -> dict[str, float]:
    """Return the current of each port in A per phase; no limit in `room` is exceeded.

    `order`: active ports, those first whose turn it is; the others follow. Each active port
    gets its minimum while that fits, then each idle one, so that a vehicle that arrives can
    begin. The rest goes to active ports alike, those of the highest priority first. A port gets
    0 where its minimum does not fit, and where it is among `without`.
    """
    left = dict(room)
    costs = {
        name: network.costs(name, states.get(name, PortState()).phases, room)
        for name in network.ports
    }
    given = dict.fromkeys(network.ports, 0.0)
    place = {name: number for number, name in enumerate(order)}
    ranked = sorted(
        (name for name in network.ports if name not in without),
        key=lambda name: (
            not states.get(name, PortState()).is_active,
            -network.ports[name].priority,
            place.get(name, len(place)),
            name,
        ),
    )
    for name in ranked:
        least = network.ports[name].min_a
        if all(left[key] >= cost * least - _TINY for key, cost in costs[name].items()):
            _take(left, costs[name], least)
            given[name] = least
    active = [
        n for n in ranked if states.get(n, PortState()).is_active and _is_on(network, given, n)
    ]
    for priority in sorted({network.ports[name].priority for name in active}, reverse=True):
        same = [name for name in active if network.ports[name].priority == priority]
        _raise(network, same, given, costs, left)
    return {name: math.floor(a * _TENTHS + _TINY) / _TENTHS for name, a in given.items()}


def _is_on(network: Network, given: Mapping[str, float], name: str) -> bool:
    return given[name] > 0 or network.ports[name].min_a == 0


def _raise(
    network: Network,
    names: Sequence[str],
    given: dict[str, float],
    costs: Mapping[str, Mapping[tuple[str, int], float]],
    left: Room,
) -> None:
    """Raise ports by equal steps until each is at its maximum or at a limit of a circuit."""
    open_ = [name for name in names if network.ports[name].max_a - given[name] > _TINY]
    while open_:
        step = min(network.ports[name].max_a - given[name] for name in open_)
        for key in {key for name in open_ for key in costs[name]}:
            sharing = [name for name in open_ if key in costs[name]]
            dearest = max(costs[name][key] for name in sharing)
            members = [Member(name, 1) for name in sharing]
            # In A of the dearest port; one that takes less of the limit leaves some for later.
            shares = divide(max(left[key], 0.0) / dearest, members, "equal")
            step = min(step, *shares.values())
        for name in open_:
            given[name] += step
            _take(left, costs[name], step)
        # Below a tenth of an ampere nothing more can be written.
        open_ = (
            [
                name
                for name in open_
                if network.ports[name].max_a - given[name] > _TINY
                and all(left[key] > 0.05 * cost for key, cost in costs[name].items())
            ]
            if step > 0.001
            else []
        )


def _take(left: Room, costs: Mapping[tuple[str, int], float], amps: float) -> None:
    for key, cost in costs.items():
        left[key] -= cost * amps
