"""Totals of a site: load, most allowed, headroom, alarms, maintenance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chargepoint_driver.web.api.schemas import Alarm, Group, Maintenance, Port, Site, Station

__all__ = [
    "alarms",
    "alarms_unknown",
    "allowed_of",
    "load_kw",
    "maintenance",
    "readable",
    "site",
    "unknown",
]

# Reported as alarms by the service, but the end of one.
_ALL_WELL = {"Reachable"}
_NO_FAULT = {None, "", "NONE", "NoError"}


def site(stations: Sequence[Station], groups: Sequence[Group], accounts_unknown: int = 0) -> Site:
    """All ports together; see `shapes.Site`. Where the stations of an account are not known, a
    total of all is not known either."""
    ports = [port for station in stations for port in station.ports]
    loads = [load_kw(port) for port in ports]
    known = [load for load in loads if load is not None]
    sheds = [port.values.get("shedState") for port in ports]
    is_empty = not ports and not accounts_unknown
    headroom_kw, unlimited = _headroom(stations, groups)
    return Site(
        load=round(sum(known), 3) if known else None,
        allowed=None if accounts_unknown else _allowed(stations, groups),
        ports=len(ports),
        portsUnknown=len(ports) - len(known),
        portsCharging=sum(load > 0 for load in known) if known or is_empty else None,
        portsShed=sheds.count(1) if set(sheds) - {None} or is_empty else None,
        portsShedUnknown=sheds.count(None),
        headroom=None if accounts_unknown else headroom_kw,
        portsUnlimited=unlimited,
        accountsUnknown=accounts_unknown,
    )


def load_kw(port: Port) -> float | None:
    """The load in kW. Of a port that is out of reach the service repeats an old one: unknown."""
    return None if port.values.get("Status") == "UNREACHABLE" else port.values.get("portLoad")


def _headroom(stations: Iterable[Station], groups: Iterable[Group]) -> tuple[float | None, int]:
    """(sum of `siteHeadroom` in kW, ports that no commanded limit covers).

    A group's total covers its stations, a station's its ports. None where there is no port, or
    one that is not covered.
    """
    rooms: list[float] = []
    unlimited = 0
    covered: set[tuple[str, str]] = set()
    for group in groups:
        if (room_kw := group.values.get("siteHeadroom")) is not None:
            rooms.append(room_kw)
            covered |= {(group.account, cpid) for cpid in group.stations}
    for station in stations:
        if (station.account, station.cpid) in covered:
            continue
        own_kw = station.values.get("siteHeadroom")
        parts = [port.values.get("siteHeadroom") for port in station.ports]
        if own_kw is not None:
            parts = [own_kw]
        rooms += [kw for kw in parts if kw is not None]
        unlimited += parts.count(None)
    return (round(sum(rooms), 3) if rooms and not unlimited else None), unlimited


def _allowed(stations: Iterable[Station], groups: Iterable[Group]) -> float | None:
    """The most that may be drawn, in kW: totals of groups and stations that are held, limits
    of ports, and ratings where there is none; None where one of them is not known."""
    total_kw = 0.0
    covered: set[tuple[str, str]] = set()
    for group in groups:
        held_kw = _held_kw(group.values)
        if held_kw is not None:
            total_kw += held_kw
            covered |= {(group.account, cpid) for cpid in group.stations}
    for station in stations:
        if (station.account, station.cpid) in covered:
            continue
        held_kw = _held_kw(station.values)
        parts = [allowed_of(port) for port in station.ports] if held_kw is None else [held_kw]
        for most_kw in parts:
            if most_kw is None:
                return None
            total_kw += most_kw
    return round(total_kw, 3)


def _held_kw(values: dict[str, Any]) -> float | None:
    """Return the kW of a command in force, also of one in per cent; None if there is none of
    ours."""
    headroom_kw, load_kw = values.get("siteHeadroom"), values.get("siteLoad")
    if values.get("shedStatus") != "in force" or headroom_kw is None or load_kw is None:
        return None
    return float(load_kw + headroom_kw)


def allowed_of(port: Port) -> float | None:
    values = port.values
    rated_kw: float | None = port.station.get("Power")
    if values.get("shedState") == 0:
        return rated_kw
    limit_kw = _held_kw(values)
    if limit_kw is None and values.get("shedState") == 1 and not values.get("percentShed"):
        limit_kw = values.get("allowedLoad")
    # What a percentage of somebody else's came to is not reported.
    if limit_kw is None or rated_kw is None:
        return limit_kw
    return min(limit_kw, rated_kw)


def alarms(stations: Iterable[Station]) -> list[Alarm]:
    """The newest alarm of each port that nobody has cleared, newest first. One that all ports
    of a station have is the station's. Of a port that cannot be asked, the one known last."""
    found: dict[tuple[Any, ...], Alarm] = {}
    for station in stations:
        each = [alarm for port in station.ports if (alarm := _alarm_of(port)) is not None]
        for kind, time, as_of, number in each:
            shared = len(each) > 1 and len({alarm[:2] for alarm in each}) == 1
            where = None if shared else number
            found[station.account, station.cpid, where, kind, time] = Alarm(
                station.account, station.cpid, station.name, where, kind, time, as_of
            )
    return sorted(found.values(), key=lambda alarm: alarm.alarmTime or "", reverse=True)


def _alarm_of(port: Port) -> tuple[str, str | None, str | None, int] | None:
    """(type, time, when it was read where that is not now, port)."""
    kind, time, as_of = port.values.get("alarmType"), port.values.get("alarmTime"), None
    last = port.lastKnown.get("alarmType")
    if last is not None:
        kind, as_of = last.value, last.readAt
        time = port.lastKnown["alarmTime"].value if "alarmTime" in port.lastKnown else time
    return None if kind is None or kind in _ALL_WELL else (kind, time, as_of, port.connectorId)


def alarms_unknown(stations: Iterable[Station]) -> int:
    """The number of ports whose alarms are not known: they cannot be read, or their charger
    connects to us and is not connected."""
    return sum(
        "alarmType" in port.errors or station.values.get("connected") == 0
        for station in stations
        for port in station.ports
    )


def unknown(stations: Iterable[Station], attribute: str) -> int:
    """The number of ports of which an attribute cannot be read at present."""
    return sum(attribute in port.errors for station in stations for port in station.ports)


def readable(stations: Iterable[Station]) -> set[tuple[str, str]]:
    """The (account, station) of which alarms and status can be read at present."""
    return {
        (station.account, station.cpid)
        for station in stations
        if station.values.get("connected") != 0
        and not any({"alarmType", "Status"} & port.errors.keys() for port in station.ports)
    }


def maintenance(stations: Iterable[Station]) -> list[Maintenance]:
    """Every reason to go and look, of ports and stations."""
    found = []
    for station in stations:
        reasons = {port.connectorId: _reason(port.values) for port in station.ports}
        whole = _of_station(station, set(reasons.values()))
        if whole is not None:
            reasons = {None: whole}  # type: ignore[dict-item]
        found += [
            Maintenance(station.account, station.cpid, station.name, number, reason)
            for number, reason in reasons.items()
            if reason is not None
        ]
    return found


def _of_station(station: Station, reasons: set[str | None]) -> str | None:
    """The one reason that concerns the station as a whole."""
    if len(station.ports) > 1 and len(reasons) == 1 and None not in reasons:
        return reasons.pop()
    if station.values.get("networkStatus") not in (None, "", "Reachable"):
        return f"out of reach ({station.values['networkStatus']})"
    if station.values.get("Connected") == 0:
        return "not connected"
    return None


def _reason(values: dict[str, Any]) -> str | None:
    if values.get("Status") == "UNREACHABLE":
        return "out of reach"
    fault = values.get("faultReason")
    if fault not in _NO_FAULT:
        return str(fault)
    if values.get("requiresMaintenance") != 1:
        return None
    codes = [
        values.get(name)
        for name in ("errorCode", "vendorErrorCode", "errorInfo")
        if values.get(name) not in _NO_FAULT
    ]
    if codes:
        return ", ".join(map(str, codes))
    return "faulted" if values.get("ocppStatus") == "Faulted" else "errors in the last hour"
