"""Attributes that an account may read: each is read once, as a driver would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Scope, StationValue
from chargepoint_driver.cli.discovery.site import Station
from chargepoint_driver.errors import ChargePointError, InvalidReplyError, TransientError
from chargepoint_driver.registry import Selection, build
from chargepoint_driver.registry import columns as col
from chargepoint_driver.service import Reader, Reading

__all__ = ["DEFAULT_POINTS", "Available", "is_personal", "ports_of", "read_available"]

DEFAULT_POINTS = frozenset(
    {
        ("StationStatusRegister", "Status"),
        ("StationStatusRegister", "TimeStamp"),
        ("StationStatusRegister", "faultReason"),
        ("StationStatusRegister", "networkStatus"),
        ("LoadRegister", "shedState"),
        ("LoadRegister", "portLoad"),
        ("LoadRegister", "allowedLoad"),
        ("LoadRegister", "limit"),
        ("LoadRegister", "percentShed"),
        ("LoadRegister", "stationLoad"),
        ("LoadRegister", "commandedLoad"),
        ("LoadRegister", "commandedPercent"),
        ("LoadRegister", "shedStatus"),
        ("LoadRegister", "shedReason"),
        ("LoadRegister", "lastBatteryPercent"),
        ("AlarmRegister", "alarmType"),
        ("AlarmRegister", "alarmTime"),
        ("AlarmRegister", "clearAlarms"),
        ("ChargingSessionRegister", "sessionID"),
        ("ChargingSessionRegister", "startTime"),
        ("ChargingSessionRegister", "endTime"),
        ("ChargingSessionRegister", "Energy"),
        ("StationRegister", "stationName"),
        ("StationRegister", "Power"),
    }
)
"""(register, attribute) of what is of use every minute, not once."""

# Kept although nobody has it just now: there may be no alarm, and no session that has ended.
_COMES_AND_GOES = frozenset({Scope.ALARM, Scope.SESSION})


@dataclass
class Available:
    """Result of trying every attribute. `refused` and `unclear` map (call, station) to the
    error."""

    reported: set[tuple[str, str]] = field(default_factory=set)
    refused: dict[tuple[str, str], ChargePointError] = field(default_factory=dict)
    unclear: dict[tuple[str, str], ChargePointError] = field(default_factory=dict)

    def attributes(self, station: Station, everything: bool) -> list[Attribute]:
        """Return what is worth a row for this station: permitted, and reported for any station of
        the account. Without `everything` only the default ones; personal data never."""
        return [
            row
            for row in CHARGEPOINT
            if (row.call, station.station_id) not in self.refused
            and (everything or (row.register, row.name) in DEFAULT_POINTS)
            and not is_personal(row)
            and self._is_there(row)
        ]

    def of_group(self, members: Iterable[Station]) -> list[Attribute]:
        """Return what can be said of a station group, where it is permitted for every member."""
        ids = [station.station_id for station in members]
        return [
            row
            for row in CHARGEPOINT
            if row.grouped and ids and not any((row.call, one) in self.refused for one in ids)
        ]

    def _is_there(self, row: Attribute) -> bool:
        key = row.register, row.name
        # What the driver answers itself is there as soon as something is commanded.
        return key in self.reported or (
            (row.own or row.scope in _COMES_AND_GOES) and key in DEFAULT_POINTS
        )

    def notes(self) -> list[str]:
        """Return what is left out and why, one sentence for each error."""
        stations: dict[str, list[str]] = {}
        for (_, station_id), error in {**self.refused, **self.unclear}.items():
            stations.setdefault(str(error), []).append(station_id)
        return [f"{_few(found)}: {message}" for message, found in stations.items()]


def is_personal(row: Attribute) -> bool:
    """Return True if the attribute tells who somebody is."""
    return "personal data" in row.notes or row.name in {"driverAccountNumber", "rfidSerialNumber"}


def ports_of(row: Attribute, numbers: Sequence[int]) -> list[int | None]:
    """Return the `Port #` of an attribute's rows in a registry of a whole station; None: no
    port."""
    if row.scope in (Scope.STATION, Scope.ALARM):
        return [None]
    if row.scope is Scope.PORT and row.whole is not StationValue.NOTHING:
        # A limit can be set for the station and for each port; a name is the same for all.
        each = row.writable or row.own or row.whole is StationValue.OWN
        return [None, *numbers] if each else [None]
    return list(numbers)


def read_available(service: Reader, stations: Iterable[Station]) -> Available:
    """Read every attribute of every port once, with the fewest calls."""
    wanted = Selection()
    for station in stations:
        rows = [
            {
                col.POINT_NAME: f"{station.station_id} {row.register} {row.name} {port or ''}",
                col.ATTRIBUTE: row.name,
                col.REGISTER: row.register,
                col.PORT: "" if port is None else str(port),
            }
            for row in CHARGEPOINT
            if not row.own
            for port in ports_of(row, [port.number for port in station.ports])
        ]
        wanted.update(build(enumerate(rows, start=1), "discovery", station.station_id).points)
    return _sum_up(wanted, service.read(wanted))


def _sum_up(wanted: Selection, reading: Reading) -> Available:
    found = Available()
    for (call, station_id), group in wanted.groups.items():
        errors = [reading.errors.get(name) for name, *_ in group.members]
        first = errors[0]
        if first is not None and all(error is not None for error in errors):
            doubtful = (
                isinstance(first, (TransientError, InvalidReplyError))
                or type(first) is ChargePointError
            )
            (found.unclear if doubtful else found.refused)[call, station_id] = first
            continue
        found.reported.update(
            (point.attribute.register, point.attribute.name)
            for name, _, _, point in group.members
            if reading.values.get(name) is not None
        )
    return found


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
