"""Driver configs and the registries they name, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint_driver.catalogue import TABLES
from chargepoint_driver.config import Device, read_device
from chargepoint_driver.errors import BadConfiguration
from chargepoint_driver.registry import Registry, build, read_csv
from chargepoint_driver.registry import columns as col

__all__ = ["DeviceFile", "is_agents", "load_device", "load_object", "load_registry"]

_CONFIG = "config://"


@dataclass(frozen=True)
class DeviceFile:
    """A driver config file: its content as given and its validated `driver_config`."""

    path: Path
    content: Mapping[str, Any]
    device: Device

    def registry_path(self, candidates: Sequence[Path] = ()) -> Path:
        """The file of its `registry_config`: one of the candidates, or a file of that name
        beside the config or in a folder registry_configs near it. Raises BadConfiguration."""
        name = self.content.get("registry_config")
        if not isinstance(name, str) or not name.startswith(_CONFIG):
            raise BadConfiguration(
                f"{self.path}: registry_config: must be a text like config://chargepoint.csv"
            )
        name = name[len(_CONFIG) :]
        places = [path for path in candidates if path.name == Path(name).name]
        for folder in (self.path.parent, *self.path.parent.parents[:1]):
            places += [folder / name, folder / "registry_configs" / name]
        for path in places:
            if path.is_file():
                return path
        raise BadConfiguration(
            f"{self.path}: registry_config: no file {name!r} beside it or in registry_configs; "
            "name it with --registry, or give it among the files"
        )

    def registry(self, path: Path) -> Registry:
        """The points of this device by that registry file."""
        return build(
            read_csv(path),
            str(path),
            self.device.stationID,
            self.device.portNumber,
            self.device.cacheExpiration,
            TABLES[self.device.backend],
            group=self.device.stationGroup,
        )


def load_device(path: Path) -> DeviceFile:
    """A driver config file. Raises BadConfiguration with all that is wrong with it."""
    content = load_object(path)
    faults = []
    given = content.get("driver_config", content.get("remote_config"))
    if not isinstance(given, dict):
        raise BadConfiguration(f"{path}: driver_config: is missing; it names account and station")
    driver_type = content.get("driver_type", given.get("driver_type"))
    if driver_type != "chargepoint":
        faults.append(f'{path}: driver_type: is {driver_type!r}; write "chargepoint"')
    interval = content.get("interval")
    if interval is not None and not (
        isinstance(interval, (int, float)) and interval >= 1 and float(interval).is_integer()
    ):
        faults.append(f"{path}: interval: {interval!r} is no interval; write whole seconds")
    try:
        device = read_device(given, f"{path}: driver_config")
    except BadConfiguration as error:
        faults.append(str(error))
    if faults:
        raise BadConfiguration("\n".join(faults))
    return DeviceFile(path, content, device)


def is_agents(content: Mapping[str, Any]) -> bool:
    """Whether it is a caching agent's config, not a driver's."""
    return "accounts" in content


def load_object(path: Path) -> dict[str, Any]:
    """A JSON object in a file. Raises BadConfiguration when it holds anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeError) as error:
        raise BadConfiguration(f"{path}: cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise BadConfiguration(
            f"{path}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None
    except RecursionError:
        raise BadConfiguration(f"{path}: not a driver config, its brackets never end") from None
    if not isinstance(content, dict):
        raise BadConfiguration(f"{path}: must be a JSON object with a driver_config")
    return content


def load_registry(path: Path) -> Registry:
    """A registry file on its own: as of a whole station where any row names a port, else as
    of a device that is a port; of the backend whose table it has fewer faults by."""
    rows = read_csv(path)
    port = None if any(row.get(col.PORT) for _, row in rows) else 1
    built = (
        build(rows, str(path), "(any station)", port, catalogue=table) for table in TABLES.values()
    )
    return min(built, key=lambda registry: len(registry.faults))
