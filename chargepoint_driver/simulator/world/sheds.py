"""From a command to the limits of single ports: how sheds are divided.

An allowed load of a station is shared out in advance, in proportion to what the
ports are rated for and rounded down, so the sum can never exceed it whichever vehicle plugs
in later. A percentage is of what flows at the moment of the command: a port where
nothing flows then gets a ceiling of zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .ceilings import Hold, Limit
from .ports import Port, shed_by_percent_kw
from .site import Station

WATT_KW = 0.001


@dataclass(frozen=True)
class Disobeyed:
    """A shed that is accepted and shown, but not obeyed: at one station (None: at all that it
    is for), for that many simulated seconds (None: never)."""

    station_id: str | None = None
    seconds: float | None = None

    def ports(self, stations: Iterable[Station], start_s: float) -> dict[int, float]:
        """From when on each port that this concerns obeys, by the port's index."""
        from_s = math.inf if self.seconds is None else start_s + self.seconds
        return {
            port.index: from_s
            for station in stations
            if self.station_id in (None, station.station_id)
            for port in station.ports
        }


def check_limit(limit: Limit) -> str | None:
    """Return what is wrong with a limit, in words; None when it is sound."""
    if (limit.allowed_kw is None) == (limit.percent is None):
        return "Give exactly one of allowed load and percent shed."
    if limit.allowed_kw is not None and not 0 <= limit.allowed_kw < math.inf:
        return "The allowed load must not be negative."
    if limit.percent is not None and not 0 <= limit.percent <= 100:
        return "The percentage must lie between 0 and 100."
    return None


def divide(
    limit: Limit, ports: Sequence[Port], start_s: float, end_s: float
) -> Iterator[tuple[Port, Hold]]:
    """Yield the hold each port of one station gets; loads are read now."""
    rated_kw = sum(port.rated_kw for port in ports)
    for port in ports:
        if limit.percent is not None:
            ceiling_kw = shed_by_percent_kw(port.load_kw, limit.percent)
            yield port, Hold(limit, start_s, end_s, ceiling_kw)
        else:
            share_kw = _floor_to_watts((limit.allowed_kw or 0.0) * port.rated_kw / rated_kw)
            yield port, Hold(Limit(allowed_kw=share_kw), start_s, end_s, share_kw)


def announce(limit: Limit, port: Port, start_s: float, end_s: float) -> tuple[Port, Hold]:
    """A hold for later; a percentage is taken of what flows when it starts."""
    return port, Hold(limit, start_s, end_s, limit.allowed_kw)


def _floor_to_watts(power_kw: float) -> float:
    # The tolerance keeps 3.3 from becoming 3.299 for want of a binary digit.
    return math.floor(power_kw / WATT_KW + 1e-6) * WATT_KW
