"""Driver configs and the registries they name, as files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chargepoint_driver.catalogue import TABLES
from chargepoint_driver.config import Device, read_device
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import Finding, Registry, RegistryFile, build, read_file
from chargepoint_driver.registry import columns as col

__all__ = [
    "DeviceFile",
    "as_boolean",
    "as_object",
    "is_agents",
    "is_nodes",
    "load_device",
    "load_object",
    "load_registry",
]

_CONFIG = "config://"
_NOTHING: Mapping[str, Sequence[Path]] = MappingProxyType({})
_TRUTHS = {
    **dict.fromkeys(("true", "1", "yes", "y", "t", "on"), True),
    **dict.fromkeys(("false", "0", "no", "n", "f", "off"), False),
}


@dataclass(frozen=True)
class DeviceFile:
    """A driver config file: its content as given and its validated `driver_config`."""

    path: Path
    content: Mapping[str, Any]
    device: Device

    def registry_path(self, candidates: Mapping[str, Sequence[Path]] = _NOTHING) -> Path:
        """Return the file of its `registry_config`: one of the candidates, by file name, or a file
        of that name next to the config or in a folder registry_configs near it. Raises
        ConfigurationError."""
        name = self.content.get("registry_config")
        if not isinstance(name, str) or not name.startswith(_CONFIG):
            raise ConfigurationError(
                f"{self.path}: registry_config: must be a text like config://chargepoint.csv"
            )
        name = name[len(_CONFIG) :]
        places = list(candidates.get(Path(name).name, ()))
        for folder in (self.path.parent, *self.path.parent.parents[:1]):
            places += [folder / name, folder / "registry_configs" / name]
        for path in places:
            if path.is_file():
                return path
        raise ConfigurationError(
            f"{self.path}: registry_config: no file {name!r} next to it or in registry_configs; "
            "name it with --registry, or give it among the files"
        )

    def registry(self, path: Path, file: RegistryFile | None = None) -> Registry:
        """Return the points of this device by that registry file; `file`: its content, where it was
        read before."""
        if file is None:
            file = read_file(path)
        return _with(file.warnings, self._build(file.rows, str(path)))

    def own_registry(self) -> Registry | None:
        """Return the points of this device where the config itself lists the rows, else None."""
        rows = self.content.get("registry_config")
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            return None
        return self._build(list(enumerate(rows, start=2)), f"{self.path}: registry_config")

    @property
    def heart_beat(self) -> str | None:
        """The point that the platform driver writes at each beat, as a topic or a bare name."""
        given = self.content.get("remote_config", self.content.get("driver_config")) or {}
        found = given.get("heart_beat_point", self.content.get("heart_beat_point"))
        return found if isinstance(found, str) and found else None

    def _build(self, rows: list[tuple[int, Any]], source: str) -> Registry:
        return build(
            rows,
            source,
            self.device.stationID,
            self.device.portNumber,
            self.device.cacheExpiration,
            TABLES[self.device.catalogue_name],
            group=self.device.stationGroup,
        )


def load_device(path: Path, content: dict[str, Any] | None = None) -> DeviceFile:
    """Return a driver config file; `content`: what it holds, where it was read before. Raises
    ConfigurationError with all that is wrong with it."""
    if content is None:
        content = load_object(path)
    faults = []
    given = content.get("remote_config", content.get("driver_config"))
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"{path}: driver_config: is missing; add account and station there"
        )
    driver_type = given.get("driver_type", content.get("driver_type"))
    if driver_type != "chargepoint":
        faults.append(f'{path}: driver_type: is {driver_type!r}; write "chargepoint"')
    faults += [f"{path}: {fault}" for fault in _host_faults(content)]
    try:
        device = read_device(given, f"{path}: driver_config")
    except ConfigurationError as error:
        faults.append(str(error))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return DeviceFile(path, content, device)


def _host_faults(content: Mapping[str, Any]) -> list[str]:
    """Return what the platform driver would not take among its own keys. It takes texts for numbers
    and truth values, and an empty text for nothing."""
    faults = []
    for key in ("interval", "polling_interval"):
        value = content.get(key)
        if value not in (None, "") and not ((number := _number(value)) >= 1 and number % 1 == 0):
            faults.append(f"{key}: {value!r} is not an interval; write whole seconds, 1 or more")
    value = content.get("all_publish_interval")
    if value not in (None, "") and not _number(value) >= 0:
        faults.append(f"all_publish_interval: {value!r} is not an interval; write seconds")
    faults += [
        f"{key}: {value!r} is not true or false; write true or false"
        for key, value in content.items()
        if key.startswith("publish_") and as_boolean(value) is None
    ]
    return faults


def _number(value: object) -> float:
    """Return the number that the platform driver takes a value for; NaN for none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def as_boolean(value: object) -> bool | None:
    """Return the truth value that the platform driver takes a value for; None for what it
    refuses."""
    if value is None or value == "":
        return False
    if isinstance(value, (bool, int, float)):
        return bool(value) if value in (0, 1) else None
    return _TRUTHS.get(value.lower()) if isinstance(value, str) else None


def is_agents(content: Mapping[str, Any]) -> bool:
    """Return True if it is a caching agent's config, not a driver's or a node's."""
    return "accounts" in content and not is_nodes(content)


def is_nodes(content: Mapping[str, Any]) -> bool:
    """Return True if it is the config of a node of a fleet."""
    return "postgres" in content and "central_system" in content


def load_object(path: Path) -> dict[str, Any]:
    """Return a JSON object in a file. Raises ConfigurationError when it holds anything else."""
    return as_object(path, read_json(path).content)


def as_object(path: Path, content: Any) -> dict[str, Any]:
    """Return the content of a JSON file, which must be an object. Raises ConfigurationError."""
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{path}: must be a JSON object with a driver_config; begin with {{ and end with }}"
        )
    return content


def load_registry(path: Path) -> Registry:
    """Return a registry file on its own: as of a whole station where any row names a port, else as
    of a device that is a port; of the backend whose table it has fewer faults by."""
    file = read_file(path)
    port = None if any(row.get(col.PORT) for _, row in file.rows) else 1
    built = [
        build(file.rows, str(path), "(any station)", port, catalogue=table)
        for table in TABLES.values()
    ]
    best = min(built, key=lambda registry: (len(registry.faults), len(registry.warnings)))
    return _with(file.warnings, best)


def _with(warnings: list[Finding], registry: Registry) -> Registry:
    registry.warnings[:0] = warnings
    return registry
