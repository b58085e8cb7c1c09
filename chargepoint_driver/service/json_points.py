"""Points and stations as JSON values, for RPC and the JSON API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from chargepoint_driver.catalogue import TABLES, Catalogue, Data
from chargepoint_driver.config import AgentAccountConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.records import StationRecord, Unreadable, Values
from chargepoint_driver.registry import Point, build
from chargepoint_driver.registry import columns as col
from chargepoint_driver.service.shed_control import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = ["DescribedPoints", "describe", "plain", "station_fields", "write_words"]

_log = get_logger(__name__)

_COLUMNS = {
    "attribute": col.ATTRIBUTE,
    "register": col.REGISTER,
    "port": col.PORT,
    "type": col.TYPE,
    "currency": col.CURRENCY,
}
_MAX_REMEMBERED = 200_000
_FIRST_WORDS = {
    "shed_duration",
    "shed_on_write",
    "shed_confirm_timeout",
    "floor_kw",
    "division",
}


def describe(point: Point) -> dict[str, Any]:
    """Return a point as the methods of `Accounts` take it."""
    return {
        "attribute": point.attribute.name,
        "register": point.attribute.register,
        "station": point.station_id,
        "port": point.port,
        "group": point.group,
        "type": point.kind.value,
        "currency": point.currency_s,
    }


def write_words(options: ShedOptions) -> dict[str, Any]:
    """Return the options of a write; what is as by default is left out, except what agents of the
    first version asked for: those do not know the others."""
    defaults = ShedOptions().config_values()
    words = {
        word: value
        for word, value in options.config_values().items()
        if word in _FIRST_WORDS or value != defaults[word]
    }
    if options.wanted_minutes:
        words["minutes"] = options.wanted_minutes
    if options.writer:
        words["writer"] = options.writer
    return words


class DescribedPoints:
    """Points by their descriptions: the same ones are asked for again and again."""

    def __init__(self) -> None:
        self._points: dict[tuple[Any, ...], Point] = {}

    def clear(self) -> None:
        """Forget them: accounts were configured."""
        self._points.clear()

    def of(self, name: str, settings: AgentAccountConfig, fields: Mapping[str, Any]) -> Point:
        """Return the point of a description, checked like a row of a registry. Raises
        ConfigurationError."""
        try:
            key = (name, *sorted((str(word), value) for word, value in fields.items()))
            known = self._points.get(key)
        except (AttributeError, TypeError):
            raise ConfigurationError(
                "a point is described by a dictionary of plain values"
            ) from None
        if known is not None:
            return known
        station, group = fields.get("station") or "", fields.get("group")
        unknown = sorted(set(fields) - {*_COLUMNS, "station", "group"})
        is_named = isinstance(station, str) and bool(station.strip()) != bool(group)
        if not is_named or unknown:
            wrong = f"unknown {', '.join(unknown)}" if unknown else "station is missing"
            raise ConfigurationError(
                f"point: {wrong}; write station (or group) and any of {', '.join(_COLUMNS)}"
            )
        row = {
            column: fields[word]
            for word, column in _COLUMNS.items()
            if fields.get(word) is not None
        }
        attribute = str(fields.get("attribute", ""))
        row[col.POINT_NAME] = attribute.replace("/", " ") or "point"
        group = None if not group else str(group)
        registry = build(
            [(1, row)],
            f"point of {station or group}",
            station,
            catalogue=TABLES[settings.backend],
            group=group,
        )
        registry.raise_faults()
        (point,) = registry.points.values()
        if attribute != point.attribute.name:
            for warning in registry.warnings:
                _log.warning("%s", warning)
        currency_s = point.currency_s
        if fields.get("currency") is None:
            currency_s = settings.currencies.get(point.attribute.call, currency_s)
        point = Point(
            point.name,
            point.attribute,
            station,
            point.port,
            point.kind,
            point.unit,
            point.attribute.writable,
            None,
            currency_s,
            group=group,
        )
        if len(self._points) >= _MAX_REMEMBERED:
            self._points.clear()
        self._points[key] = point
        return point


def station_fields(record: StationRecord, catalogue: Catalogue) -> dict[str, Any]:
    """Return one station as JSON: what the catalogue has of the station list, and no more of the
    record. A value stands under the former names of its attribute too."""
    rows = catalogue.of(Data.STATIONS)
    names = {row.name for row in rows}
    former = [(row.name, alias) for row in rows for alias in row.aliases]
    found: dict[str, Any] = {
        "station": record.station_id,
        "values": plain(record.values, names),
        "ports": {str(port): plain(values, names) for port, values in sorted(record.ports.items())},
    }
    for values in (found["values"], *found["ports"].values()):
        values.update({alias: values[name] for name, alias in former if name in values})
    return found


def plain(values: Values, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return values as JSON carries them, of these names (None: all). What cannot be read is left
    out."""
    return {
        name: value
        for name, value in values.items()
        if (names is None or name in names) and not isinstance(value, Unreadable)
    }
