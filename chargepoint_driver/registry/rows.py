"""Checking registry rows and completing them from the catalogue, all faults at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from chargepoint_driver.catalogue import (
    CHARGEPOINT,
    Catalogue,
)
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import columns as col
from chargepoint_driver.registry.point import Point
from chargepoint_driver.registry.row_checks import Finding, RowChecks

__all__ = ["Registry", "build"]

# Registries of different devices that are kept: one for each port number of a few files.
_MAX_TEMPLATES = 32


@dataclass
class Registry:
    """Parsed rows of one device. `rows` maps a point's name to its row as given, which devices with
    one registry share."""

    points: dict[str, Point] = field(default_factory=dict)
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def raise_faults(self) -> None:
        """Raise ConfigurationError with every fault, a line each, when there is any."""
        if self.faults:
            raise ConfigurationError("\n".join(map(str, self.faults)))


def build(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    source: str,
    station_id: str,
    port_number: int | None = None,
    cache_expiration_s: float | None = None,
    catalogue: Catalogue = CHARGEPOINT,
    group: str | None = None,
) -> Registry:
    """Return the points of one device from (row number, row) pairs. `group` makes the device a
    station group, and `station_id` is '' then.

    Faults and warnings are collected in the registry, nothing is raised. Blank rows are passed
    over. Of a point name used twice the later row counts, as it did in the classic driver, with a
    warning.
    """
    given = list(rows)
    template = _templates.of(given, port_number, cache_expiration_s, catalogue, group is not None)
    return _at(template, source, station_id, group)


class _Templates:
    """Registries that were built last, without their device: the devices of an account share one
    registry, and it is read and checked once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Registry] = OrderedDict()

    def of(
        self,
        rows: list[tuple[int, Mapping[str, Any]]],
        port_number: int | None,
        cache_expiration_s: float | None,
        catalogue: Catalogue,
        is_group: bool,
    ) -> Registry:
        """Return the registry of the rows, whose sources and stations are ''."""
        # The text tells 1 from 1.0, True and "1".
        key = (repr(rows), repr(port_number), repr(cache_expiration_s), id(catalogue), is_group)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        built = _build(rows, port_number, cache_expiration_s, catalogue, "" if is_group else None)
        with self._lock:
            # The catalogue stays alive with the points; an empty registry has none.
            if built.points:
                self._known[key] = built
            while len(self._known) > _MAX_TEMPLATES:
                self._known.popitem(last=False)
        return built


_templates = _Templates()


def _at(template: Registry, source: str, station_id: str, group: str | None) -> Registry:
    """Return the registry as that of a device."""
    return Registry(
        {name: point.at(station_id, group) for name, point in template.points.items()},
        dict(template.rows),
        dict(template.lines),
        [replace(fault, source=source) for fault in template.faults],
        [replace(warning, source=source) for warning in template.warnings],
    )


def _build(
    rows: list[tuple[int, Mapping[str, Any]]],
    port_number: int | None,
    cache_expiration_s: float | None,
    catalogue: Catalogue,
    group: str | None,
) -> Registry:
    """Return the registry of a device without station and source."""
    source, station_id = "", ""
    registry = Registry()
    given_rows = [(number, given) for number, given in rows if not col.is_blank(given)]
    if not given_rows:
        # A platform without any point fails to start its publishes.
        registry.faults.append(
            Finding(source, 1, "file", "holds no row, so that the device has no point", "add rows")
        )
    else:
        _check_columns(registry, source, [given for _, given in given_rows])
    if registry.faults:
        return registry
    for number, given in given_rows:
        row = col.normal(given)
        before = len(registry.faults)
        checks = RowChecks(registry.faults, registry.warnings, source, number, row, catalogue)
        checks.check_length(col.beyond(given))
        point = checks.point(station_id, port_number, cache_expiration_s, group)
        if point is None or len(registry.faults) > before:
            continue
        if point.name in registry.points:
            registry.warnings.append(
                Finding(
                    source,
                    number,
                    col.POINT_NAME,
                    f"{point.name!r} is used by row {registry.lines[point.name]} too and now means "
                    f"{point.attribute.register}.{point.attribute.name}",
                    "give one of the two rows another name",
                )
            )
        registry.points[point.name] = point
        registry.rows[point.name] = MappingProxyType(row)
        registry.lines[point.name] = number
    _check_case(registry, source)
    return registry


def _check_columns(registry: Registry, source: str, rows: list[Mapping[str, Any]]) -> None:
    """Check that the columns are named. Rows of JSON may have different ones."""
    names = {col.canonical(column) for row in rows for column in row}
    if col.ATTRIBUTE not in names:
        wrong = col.misread([key for key, cell in rows[0].items() if not isinstance(cell, list)])
        if wrong is not None:
            registry.faults.append(Finding(source, 1, "file", *wrong))
        return
    for given, meant in col.misspelt(names).items():
        registry.warnings.append(
            Finding(source, 1, given, "is not a column of a registry", f"did you mean {meant!r}?")
        )
    if col.POINT_NAME not in names:
        registry.warnings.append(
            Finding(
                source,
                1,
                col.POINT_NAME,
                "there is no such column; the points are named like their attributes",
                "add it",
            )
        )


def _check_case(registry: Registry, source: str) -> None:
    """Warn of names that differ by case only."""
    folded: dict[str, str] = {}
    for name in registry.points:
        other = folded.setdefault(name.lower(), name)
        if other != name:
            registry.warnings.append(
                Finding(
                    source,
                    registry.lines[name],
                    col.POINT_NAME,
                    f"{name!r} differs from {other!r} of row {registry.lines[other]} by case only; "
                    "SQL historians take both for one topic",
                    "give one of the two rows another name",
                )
            )
