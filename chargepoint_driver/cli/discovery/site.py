"""Organisations, groups, stations and ports, as the account sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.records import StationRecord, Unreadable, Values

__all__ = ["Group", "Port", "Station", "groups_of", "in_groups", "stations_of"]


@dataclass(frozen=True)
class Group:
    """A station group; `name` is its id where none is reported."""

    group_id: str
    name: str


@dataclass(frozen=True)
class Port:
    """One port. What is not reported is None."""

    number: int
    level: str | None
    connector: str | None
    power_kw: float | None


@dataclass(frozen=True)
class Station:
    """One station; names are ids where none is reported."""

    station_id: str
    name: str
    model: str | None
    org_id: str
    org: str
    groups: tuple[Group, ...]
    ports: tuple[Port, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def stations_of(records: Iterable[StationRecord]) -> list[Station]:
    """Return the stations of a station list, sorted by organisation, group and name."""
    found = [_station(record) for record in records]
    return sorted(
        found,
        key=lambda one: (one.org, [group.name for group in one.groups], one.name, one.station_id),
    )


def in_groups(stations: Iterable[Station], wanted: Iterable[str]) -> list[Station]:
    """Those in one of the groups, named by id or name. Raises ConfigurationError for a group
    that no station is in."""
    stations, names = list(stations), list(wanted)
    known = {group for station in stations for group in station.groups}
    for name in names:
        if not any(name in (group.group_id, group.name) for group in known):
            there = ", ".join(sorted(f"{group.name} ({group.group_id})" for group in known))
            raise ConfigurationError(f"--group: no group {name!r}; there is {there or 'none'}")
    return [
        station
        for station in stations
        if any({group.group_id, group.name} & set(names) for group in station.groups)
    ]


def groups_of(stations: Iterable[Station], wanted: Collection[str]) -> list[Group]:
    """Return the groups of the stations, by id; of those named only, where any is."""
    known = {group for station in stations for group in station.groups}
    return sorted(
        (group for group in known if not wanted or {group.group_id, group.name} & set(wanted)),
        key=lambda group: group.group_id,
    )


def _station(record: StationRecord) -> Station:
    values = record.values
    ports = tuple(
        Port(number, _text(port, "Level"), _text(port, "Connector"), _number(port, "Power"))
        for number, port in sorted(record.ports.items())
    )
    # Per port in version 5.0, per station in 5.1.
    names = [_text(one, "stationName") for one in (values, *record.ports.values())]
    org_id = _text(values, "orgID") or "unknown"
    return Station(
        record.station_id,
        next(filter(None, names), record.station_id),
        _text(values, "stationModel"),
        org_id,
        _text(values, "organizationName") or org_id,
        _groups(_text(values, "sgID"), _text(values, "sgName")),
        ports,
    )


def _groups(ids: str | None, names: str | None) -> tuple[Group, ...]:
    """Both are comma-separated where a station has several; a name may hold a comma too."""
    listed = [part.strip() for part in (ids or "").split(",") if part.strip()]
    if len(listed) == 1:
        return (Group(listed[0], names or listed[0]),)
    named = [part.strip() for part in (names or "").split(",")]
    if len(named) != len(listed):
        named = listed
    return tuple(Group(one, name or one) for one, name in zip(listed, named, strict=True))


def _text(values: Values, name: str) -> str | None:
    value = values.get(name)
    return str(value) if value is not None and not isinstance(value, Unreadable) else None


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) else None
