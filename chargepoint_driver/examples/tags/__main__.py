"""Tags for a folder that `chargepoint-driver discover --write` made, as JSON for `add_tags`.

python -m chargepoint_driver.examples.tags FOLDER > tags.json

The tags are those that VOLTTRON's tagging service knows (Project Haystack 3 with `campus`,
`campusRef` and `volttronPointName`). The first part of a topic is the campus, the part above the
station the site, stations and ports are equipment, rows of the registry are points.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from chargepoint_driver.catalogue import Kind
from chargepoint_driver.cli.support.config_files import load_device
from chargepoint_driver.registry import Point

Tags: TypeAlias = dict[str, "str | bool"]

_KINDS = {Kind.INTEGER: "Number", Kind.FLOAT: "Number", Kind.BOOLEAN: "Bool"}
# Of a unit of ours: the unit's word there, and what is measured in it.
_UNITS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "kW": ("kW", ("elec", "power")),
    "kWh": ("kWh", ("elec", "energy")),
    "V": ("V", ("elec", "volt")),
    "A": ("A", ("elec", "current")),
    "percent": ("%", ()),
}
_ENUMS = {"Status": "AVAILABLE,INUSE,UNREACHABLE,UNKNOWN", "shedState": "off,on"}


def tags_of(topic: str, is_port: bool, points: Mapping[str, Point]) -> dict[str, Tags]:
    """Topic or part of one to its tags; `topic` is the device's, without `devices/`."""
    parts = topic.split("/")
    station = "/".join(parts[:-1]) if is_port else topic
    site, campus = station.rpartition("/")[0], parts[0]
    found: dict[str, Tags] = {}
    refs: Tags = {}
    if site and site != campus:
        found[campus] = {"campus": True, "dis": campus}
        refs["campusRef"] = campus
    if site:
        found[site] = {"site": True, "dis": site.rpartition("/")[2], "tz": "UTC", **refs}
        refs["siteRef"] = site
    found[station] = {"equip": True, "elec": True, "dis": station.rpartition("/")[2], **refs}
    if is_port:
        found[topic] = {
            "equip": True,
            "elec": True,
            "dis": f"{station.rpartition('/')[2]} {parts[-1]}",
            "equipRef": station,
            **refs,
        }
    for name, point in points.items():
        found[f"{topic}/{name}"] = {**_of_point(name, point), "equipRef": topic, **refs}
    return found


def of_folder(folder: Path) -> dict[str, Tags]:
    """Return the tags of all devices in a folder. Raises ValueError for a config that is faulty."""
    found: dict[str, Tags] = {}
    for path in sorted((folder / "driver_configs").glob("*.config")):
        file = load_device(path)
        registry = file.registry(file.registry_path())
        registry.raise_faults()
        # discover writes the topic as the name of the file, with . for /
        topic = path.stem.replace(".", "/")
        found |= tags_of(topic, file.device.portNumber is not None, registry.points)
    return found


def _of_point(name: str, point: Point) -> Tags:
    tags: Tags = {
        "point": True,
        "his": True,
        "dis": name,
        "volttronPointName": name,
        "kind": _KINDS.get(point.kind, "Str"),
        "tz": "UTC",
    }
    if point.attribute.writable:
        tags["cmd" if point.attribute.is_boolean else "sp"] = True
    else:
        tags["sensor"] = True
    if point.writable:
        tags["writable"] = True
    unit, measured = _UNITS.get(point.unit, ("", ()))
    if unit:
        tags["unit"] = unit
    tags |= dict.fromkeys(measured, True)
    if point.attribute.name in _ENUMS:
        tags["enum"] = _ENUMS[point.attribute.name]
    return tags


if __name__ == "__main__":
    json.dump(of_folder(Path(sys.argv[1])), sys.stdout, indent=2)
    sys.stdout.write("\n")
