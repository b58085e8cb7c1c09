"""Names of devices by a template: sanitised, and no two alike."""

from __future__ import annotations

import itertools
import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from chargepoint_driver.cli.discovery.site import Group, Station
from chargepoint_driver.errors import ConfigurationError

__all__ = [
    "DIRECT",
    "FIELDS",
    "PER_CHARGE_POINT",
    "PER_CONNECTOR",
    "PER_PORT",
    "PER_STATION",
    "check",
    "group_topic",
    "segment",
    "topics",
]

PER_PORT = "devices/{org}/{group}/{station}/port{port}"
PER_STATION = "devices/{org}/{group}/{station}"
PER_CONNECTOR = "devices/ocpp/{station}/connector{port}"
PER_CHARGE_POINT = "devices/ocpp/{station}"

DIRECT = ("station", "station_id", "port")
"""The fields that have a meaning for chargers that connect directly."""
FIELDS = ("org", "org_id", "group", "group_id", "station", "station_id", "port")
_OF_STATION = re.compile(r"\{(station|station_id|port)\W")
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_TEMPLATE = re.compile(r"devices(/[A-Za-z0-9_-]+)+")


def segment(text: str, otherwise: str) -> str:
    """Text as one part of a topic: letters, digits, _ and -. `otherwise` where none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _PLAIN.sub("_", plain).strip("_-") or _PLAIN.sub("-", otherwise)


def topics(
    template: str,
    devices: Sequence[tuple[Station, int | None]],
    fields: Sequence[str] = FIELDS,
) -> dict[tuple[str, int | None], str]:
    """Return (station id, port or None) to topic. Stations of one name get their id added to it.

    Raises ConfigurationError for a template that cannot be, or that names two devices alike.
    """
    check(template, any(port is not None for _, port in devices), fields)
    named = {
        (one.station_id, port): _fill(template, one, port, with_id=False) for one, port in devices
    }
    alike = _collisions(named)
    again = {
        (one.station_id, port): _fill(template, one, port, with_id=True)
        for one, port in devices
        if (one.station_id, port) in alike
    }
    # All ports of a station are renamed together: half a station would be hard to find.
    renamed = {station_id for station_id, _ in again}
    for one, port in devices:
        if one.station_id in renamed:
            named[one.station_id, port] = _fill(template, one, port, with_id=True)
    still = _collisions(named)
    if still:
        first = sorted(still, key=str)[0]
        others = [key for key, topic in named.items() if topic.lower() == named[first].lower()]
        raise ConfigurationError(
            f"--topic: {template!r} gives {len(others)} devices the one name {named[first]} "
            f"({', '.join(_words(key) for key in others[:4])}); add {{station}} or {{station_id}}"
            + (" and {port}" if first[1] is not None else "")
        )
    return named


def group_topic(template: str, station: Station, group: Group) -> str:
    """Return the topic of a station group: next to those of its stations, of which `station` is
    one."""
    parts = template.split("/")
    above = itertools.takewhile(lambda part: not _OF_STATION.search(part), parts)
    ours = replace(station, groups=(group,))
    return _fill("/".join([*above, "group_{group_id}"]), ours, None, with_id=False)


def check(template: str, per_port: bool, fields: Sequence[str] = FIELDS) -> None:
    """Raise ConfigurationError for a template that cannot name a device."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ConfigurationError(f"--topic: {template!r}: {error}") from None
    for name in names:
        if name not in fields:
            raise ConfigurationError(
                f"--topic: unknown field {{{name}}}; there is "
                + ", ".join(f"{{{one}}}" for one in fields)
            )
    if "port" in names and not per_port:
        raise ConfigurationError("--topic: {port} has no meaning with --per station; leave it out")
    if not _TEMPLATE.fullmatch(template.format(**dict.fromkeys(FIELDS, "x"))):
        raise ConfigurationError(
            f"--topic: {template!r} is not a topic of a device; write devices/… with letters, "
            "digits, _ and - between the slashes"
        )


def _fill(template: str, station: Station, port: int | None, with_id: bool) -> str:
    group_id, group = (
        (station.groups[0].group_id, station.groups[0].name)
        if station.groups
        else ("no_group", "no_group")
    )
    station_id = segment(station.station_id.replace(":", "-"), "station")
    name = segment(station.name.replace(":", "-"), station.station_id)
    return template.format(
        org=segment(station.org, station.org_id),
        org_id=segment(station.org_id, "org"),
        group=segment(group, group_id),
        group_id=segment(group_id, "group"),
        station=f"{name}_{station_id}" if with_id and name != station_id else name,
        station_id=station_id,
        port="" if port is None else port,
    )


def _collisions(named: dict[tuple[str, int | None], str]) -> set[tuple[str, int | None]]:
    """Devices that share a name; the config store does not tell capitals from small letters."""
    by_topic: dict[str, list[tuple[str, int | None]]] = {}
    for key, topic in named.items():
        by_topic.setdefault(topic.lower(), []).append(key)
    return {key for keys in by_topic.values() if len(keys) > 1 for key in keys}


def _words(key: tuple[str, int | None]) -> str:
    return key[0] if key[1] is None else f"{key[0]} port {key[1]}"
