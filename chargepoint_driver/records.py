"""Records of stations from replies, frozen. No parsing, no calls, no ages here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from chargepoint_driver.errors import NotFoundError

__all__ = [
    "DAMAGED",
    "EnergyReading",
    "Event",
    "SessionQuery",
    "SessionRecord",
    "StationRecord",
    "Unreadable",
    "Value",
    "Values",
    "newest_by_port",
]

Value: TypeAlias = str | int | float | bool | dict[str, Any] | None
"""None means not reported; 0 is a measurement."""


@dataclass(frozen=True)
class Unreadable:
    """Stands where a reply holds text that is not of the attribute's kind.

    `is_damaged`: characters of the text are lost, so that it is not a value of any kind.
    """

    text: str
    is_damaged: bool = False


DAMAGED = Unreadable("", is_damaged=True)
"""Stands for each text that came damaged."""


Values: TypeAlias = Mapping[str, Value | Unreadable]
"""Attribute name to value. A name that is missing was not reported."""

_EMPTY: Values = MappingProxyType({})


class StationRecord(NamedTuple):
    """One station as one call tells of it.

    `ports` is keyed by port number. `other_ports` holds what any port not in `ports` has
    (an alarm of the whole station, or nothing); None where such a port does not exist.
    """

    station_id: str
    values: Values = _EMPTY
    ports: Mapping[int, Values] = MappingProxyType({})
    other_ports: Values | None = None

    def of_port(self, port: int) -> Values:
        """Return the values of one port. Raises NotFoundError when the station has no such port."""
        found = self.ports.get(port, self.other_ports)
        if found is None:
            there = ", ".join(map(str, sorted(self.ports))) or "none"
            raise NotFoundError(
                f"station {self.station_id} has no port {port} in the reply (there: {there}); "
                "correct Port # or portNumber"
            )
        return found


@dataclass(frozen=True)
class Event:
    """A session or an alarm. `port` is None when it concerns the whole station; `time` is
    ISO 8601 in UTC, '' when not reported."""

    station_id: str
    port: int | None
    time: str
    values: Values


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A charging session for lists and reports. None means not reported; times are seconds since
    1970, energy is Wh.

    `place_s` orders sessions; of those with the same one `session_id` does. `has_ended` False: it
    runs. `is_minimum`: more energy may have flowed, because a register was reset or the end has
    none. `charging_s` is the time with power, where the service reports it.
    """

    session_id: str
    station_id: str
    port: int | None
    id_tag: str | None
    start_s: float | None
    end_s: float | None
    has_ended: bool
    energy_wh: float | None
    is_minimum: bool
    place_s: float
    charging_s: float | None = None


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Sessions of a time. None stands for all.

    They touch the time from `since_s` to `until_s`, and their begin is the place in the order;
    `is_by_end`: they ended in it (`until_s` excluded), and their end is the place. `before`: only
    those behind this place: (place_s, session_id), or (place_s, None) for all at that place and
    behind, or (place_s, "") for all behind it.
    """

    since_s: float
    until_s: float | None = None
    station_id: str | None = None
    port: int | None = None
    id_tag: str | None = None
    is_by_end: bool = False
    before: tuple[float, str | None] | None = None
    limit: int = 100


class EnergyReading(NamedTuple):
    """A meter value within a session: its time (s since 1970), and the energy in Wh since the
    session began."""

    time_s: float
    energy_wh: float


def newest_by_port(events: Iterable[Event]) -> dict[str, StationRecord]:
    """Return the newest event of each port and station, chosen by time, whatever the order.

    An event without port counts for all ports. Of two with the same time the later one wins.
    """
    newest: dict[str, dict[int | None, Event]] = {}
    for event in events:
        ports = newest.setdefault(event.station_id, {})
        known = ports.get(event.port)
        if known is None or event.time >= known.time:
            ports[event.port] = event
    records = {}
    for station_id, ports in newest.items():
        everywhere = ports.get(None)
        records[station_id] = StationRecord(
            station_id,
            max(ports.values(), key=lambda event: event.time).values,
            {
                port: (
                    everywhere.values
                    if everywhere is not None and everywhere.time > event.time
                    else event.values
                )
                for port, event in ports.items()
                if port is not None
            },
            _EMPTY if everywhere is None else everywhere.values,
        )
    return records
