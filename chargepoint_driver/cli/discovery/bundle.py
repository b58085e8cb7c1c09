"""The configs of a site: registries, devices and the caching agent's, as entries of a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute
from chargepoint_driver.cli.discovery.available import DEFAULT_POINTS, Available, ports_of
from chargepoint_driver.cli.discovery.site import Group, Station
from chargepoint_driver.cli.discovery.topics import group_topic, topics
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import columns as col
from chargepoint_driver.text import csv_text

__all__ = [
    "AGENT",
    "DRIVER",
    "Bundle",
    "BundleOptions",
    "Device",
    "Entry",
    "assemble",
    "bundle",
    "registry",
]

DRIVER = "platform.driver"
AGENT = "platform.chargepoint"

_COLUMNS = tuple(col.FIELDS)
# Names that the specification gives, where they are not the attribute's own.
_NAMES = {("StationStatusRegister", "TimeStamp"): "Status.TimeStamp"}


@dataclass(frozen=True)
class BundleOptions:
    """Options of `discover` for the configs."""

    per_port: bool
    template: str
    interval_s: int
    everything: bool
    cache_agent: str | None


@dataclass(frozen=True)
class Entry:
    """One entry of the config store of the agent `identity`; `file` is its place in a folder."""

    identity: str
    name: str
    text: str
    file: str

    @property
    def kind(self) -> str:
        return "csv" if self.name.endswith(".csv") else "json"

    @property
    def is_device(self) -> bool:
        return self.name.startswith("devices/")


@dataclass(frozen=True)
class Bundle:
    """Entries in the order in which they are to be stored, and stations that are left out."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()

    @property
    def devices(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_device]

    def write(self, folder: Path, force: bool) -> list[Path]:
        """The entries as files. Raises ConfigurationError, before anything is written, when a
        file of other content is there and `force` is not."""
        there = {folder / entry.file: entry.text for entry in self.entries}
        differ = [path for path, text in there.items() if _differs(path, text)]
        if differ and not force:
            raise ConfigurationError(
                f"{differ[0]}: is there already and differs"
                + (f", and {len(differ) - 1} more" if len(differ) > 1 else "")
                + "; give --force to replace what was there, or another folder. Nothing was written"
            )
        try:
            for path, text in there.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{folder}: cannot be written ({error})") from None
        return list(there)


@dataclass(frozen=True)
class Device:
    """One device to be: its topic, the keys that are its own, and its registry, which is named
    for `stem`."""

    topic: str
    own: Mapping[str, Any]
    stem: str
    registry: str


def bundle(
    stations: Sequence[Station],
    available: Available,
    account: Mapping[str, Any],
    bundle_options: BundleOptions,
    groups: Sequence[Group] = (),
) -> Bundle:
    """Return the configs of the stations, and of these groups of theirs. `account` names the
    account; it holds no password."""
    devices: list[tuple[Station, int | None]] = []
    left_out = []
    for station in stations:
        if not station.ports:
            left_out.append(f"{station.station_id} ({station.name}): has no ports, like a gateway")
        elif bundle_options.per_port:
            devices += [(station, port.number) for port in station.ports]
        else:
            devices.append((station, None))
    named = topics(bundle_options.template, devices)
    name = str(account.get("username") or account["account"])
    access = (
        {"cache_agent": bundle_options.cache_agent, "account": name}
        if bundle_options.cache_agent
        else account
    )
    made = []
    for station, port in devices:
        numbers = [one.number for one in station.ports]
        kind = "port" if port is not None else f"station-{len(numbers)}-ports"
        made.append(
            Device(
                named[station.station_id, port],
                {"stationID": station.station_id} | ({} if port is None else {"portNumber": port}),
                f"chargepoint-{kind}",
                registry(
                    available.attributes(station, bundle_options.everything),
                    None if port is not None else numbers,
                ),
            )
        )
    taken = {topic.lower() for topic in named.values()}
    for group in groups:
        members = [station for station in stations if group in station.groups and station.ports]
        rows = available.of_group(members)
        if not rows:
            left_out.append(f"station group {group.group_id} ({group.name}): no load is permitted")
            continue
        topic = group_topic(bundle_options.template, members[0], group)
        if topic.lower() in taken:
            raise ConfigurationError(
                f"--topic: {bundle_options.template!r} gives a station the name {topic} "
                "of its group; add something before {station}"
            )
        text = registry(rows, None)
        made.append(Device(topic, {"stationGroup": group.group_id}, "chargepoint-group", text))
    return assemble(made, access, {name: dict(account)}, bundle_options, left_out)


def assemble(
    devices: Sequence[Device],
    access: Mapping[str, Any],
    accounts: Mapping[str, Any],
    bundle_options: BundleOptions,
    left_out: Sequence[str] = (),
) -> Bundle:
    """Return the entries of devices. `access` are the keys by which each of them finds its account,
    `accounts` the caching agent's; equal registries are one."""
    registries: dict[str, str] = {}
    configs = [
        _device(each, _name_of(registries, each.stem, each.registry), access, bundle_options)
        for each in devices
    ]
    return Bundle(
        (
            *(
                Entry(DRIVER, csv_name, text, f"registry_configs/{csv_name}")
                for text, csv_name in registries.items()
            ),
            _agent(accounts, bundle_options.cache_agent or AGENT),
            *configs,
        ),
        tuple(left_out),
    )


def _device(
    device: Device, csv_name: str, access: Mapping[str, Any], bundle_options: BundleOptions
) -> Entry:
    content = {
        "driver_config": {**access, **device.own},
        "driver_type": "chargepoint",
        "registry_config": f"config://{csv_name}",
        "interval": bundle_options.interval_s,
        # SQL historians store messages on /all, and /all is off by default.
        "publish_depth_first_all": True,
        "all_publish_interval": bundle_options.interval_s,
    }
    file = device.topic.removeprefix("devices/").replace("/", ".")
    return Entry(DRIVER, device.topic, _json(content), f"driver_configs/{file}.config")


def _agent(accounts: Mapping[str, Any], identity: str) -> Entry:
    return Entry(identity, "config", _json({"accounts": accounts}), "caching-agent.config")


def registry(rows: Iterable[Attribute], numbers: Sequence[int] | None) -> str:
    """Return the CSV of attributes: for a whole station with ports of these numbers, or with None
    for a device whose rows need no port."""
    found: list[Sequence[object]] = [_COLUMNS]
    for row in rows:
        for port in [None] if numbers is None else ports_of(row, numbers):
            cells = {
                col.POINT_NAME: _point_name(row) if port is None else f"{_point_name(row)}.{port}",
                col.ATTRIBUTE: row.name,
                col.REGISTER: row.register,
                col.PORT: "" if port is None else port,
                col.TYPE: row.kind.value,
                col.UNITS: row.unit,
                col.WRITABLE: "TRUE" if row.writable else "FALSE",
                col.NOTES: row.notes,
            }
            found.append([cells.get(column, "") for column in _COLUMNS])
    return csv_text(found)


def _point_name(row: Attribute) -> str:
    """Return the attribute's name, with its register's where several registers have it and this is
    not the one that is usually meant."""
    key = row.register, row.name
    if key in _NAMES:
        return _NAMES[key]
    if key in DEFAULT_POINTS or len(CHARGEPOINT.named(row.name)) <= 1:
        return row.name
    return f"{row.register.removesuffix('Register')}.{row.name}"


def _name_of(registries: dict[str, str], stem: str, text: str) -> str:
    """Return the name of the registry with this text; a new one gets a number where it needs
    one."""
    if text not in registries:
        alike = sum(1 for name in registries.values() if name.startswith(stem))
        registries[text] = f"{stem}{f'-{alike + 1}' if alike else ''}.csv"
    return registries[text]


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=4) + "\n"


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except FileNotFoundError:
        return False
    except (OSError, UnicodeError):
        return True
