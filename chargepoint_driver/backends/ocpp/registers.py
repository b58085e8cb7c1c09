"""Maps a charger's status to the paths used in catalogue/ocpp.py.

The views of `live` as plain dictionaries, and what the registers want in other words: kWh, the
limits in force, the newest session, the newest alarm. None: not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from chargepoint_driver.backends.ocpp.model.timestamps import parse
from chargepoint_driver.backends.ocpp.status import ChargerView, ConnectorView
from chargepoint_driver.catalogue import OCPP, Attribute, Kind, Scope
from chargepoint_driver.catalogue.measurands import MEASURANDS
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.records import StationRecord, Unreadable, Value, Values

__all__ = ["Sessions", "record_of"]

Sessions = Mapping[int, Mapping[str, Any]]
"""Connector to its newest session: a row of `questions.sessions`."""

# What is known of a connector that was never heard of.
_NO_CONNECTOR: dict[str, Any] = {
    "available_for_charging": -1,
    "composite_status": "down",
    "requires_maintenance": -1,
}
_SAID = ("ocpp_status", "error_code", "vendor_error_code", "info")


def record_of(view: ChargerView, config: OcppConfig, sessions: Sessions) -> StationRecord:
    """Return all that the catalogue has of one charger.

    What belongs to the whole charger is looked up when it is asked for: most devices are a
    connector."""
    station, ports = _facts(view, config, sessions)
    # Which connectors there are is not known before they were heard of.
    unknown = None
    if not ports:
        unknown = {**_NO_CONNECTOR, "status": view.status, "last_seen": view.last_seen}
    return StationRecord(
        view.id,
        _StationValues(station),
        {number: _values(facts) for number, facts in ports.items()},
        None if unknown is None else _values(unknown),
    )


_KINDS: dict[Kind, Callable[[Any], Value]] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.DATETIME: lambda text: str(text).replace("Z", "+00:00"),
    Kind.DICTIONARY: dict,
}


class _Row(NamedTuple):
    """An attribute: the steps of its path after the first one, and how it is converted."""

    name: str
    first: str
    rest: tuple[str, ...]
    convert: Callable[[Any], Value] | None

    def value_in(self, value: Any) -> Value:
        """Return the value in what stands at the first step."""
        for step in self.rest:
            if value is None:
                return None
            value = value.get(step)
        return value if value is None or self.convert is None else self.convert(value)


def _rows() -> Iterator[tuple[Attribute, _Row]]:
    for row in OCPP:
        if row.path[0] and not row.own:
            # A path like limit/accepted_kw.
            first, *rest = row.path[0].removeprefix("Port/").split("/")
            yield row, _Row(row.name, first, tuple(rest), _KINDS.get(row.kind))


_ROWS = {row.name: compiled for row, compiled in _rows()}


class _Group(NamedTuple):
    """The attributes of a connector whose paths have the same first step."""

    first: str
    nothing: dict[str, None]
    rows: tuple[_Row, ...]


def _groups() -> tuple[_Group, ...]:
    found: dict[str, list[_Row]] = {}
    for row, compiled in _rows():
        if row.scope is not Scope.STATION:
            found.setdefault(compiled.first, []).append(compiled)
    return tuple(
        _Group(first, dict.fromkeys(row.name for row in rows), tuple(rows))
        for first, rows in found.items()
    )


_GROUPS = _groups()


def _values(facts: Mapping[str, Any]) -> Values:
    """Return the values of a connector."""
    found: dict[str, Value | Unreadable] = {}
    for first, nothing, rows in _GROUPS:
        value = facts.get(first)
        if value is None:
            found.update(nothing)
            continue
        # As `value_in`; a call for each of them would cost as much as the rest.
        for name, _, rest, convert in rows:
            found_in: Any = value
            for step in rest:
                if found_in is None:
                    break
                found_in = found_in.get(step)
            found[name] = found_in if found_in is None or convert is None else convert(found_in)
    return found


class _StationValues(Mapping[str, Value | Unreadable]):
    """The values of a charger itself, each worked out when it is asked for."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def __getitem__(self, name: str) -> Value:
        row = _ROWS[name]
        return row.value_in(self._facts.get(row.first))

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


_OF_CONNECTOR = tuple(ConnectorView.__slots__)
_OF_CHARGE_POINT = tuple(ChargerView.__slots__)
_connector_fields = attrgetter(*_OF_CONNECTOR)
_charge_point_fields = attrgetter(*_OF_CHARGE_POINT)
_SHOWN = tuple((row.shown, row.field, row.shown_divisor) for row in MEASURANDS if row.shown)


def _facts(
    view: ChargerView, config: OcppConfig, sessions: Sessions
) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return (of the charge point, of each of its connectors)."""
    main, cleared = view.connectors.get(0), view.alarms_cleared
    up = view.status != "UNREACHABLE"
    settings = config.of(view.id)
    rated = {
        "nominal_v": (settings and settings.voltage) or config.voltage,
        "phase_count": (settings and settings.phases) or config.phases,
        "rated_kw": settings.rated_kw if settings else None,
    }
    ports: dict[int, dict[str, Any]] = {}
    for number, each in view.connectors.items():
        if not number:
            continue
        session = _session(each, sessions.get(number))
        known = [each] if main is None else [each, main]
        ports[number] = {
            **rated,
            **_live(each, up),
            "last_seen": view.last_seen,
            **_limits(each.limit, view.limit),
            "session": session,
            "alarm": _alarm(known, cleared),
        }
    station: dict[str, Any] = {
        **({} if main is None else _live(main, up)),
        **dict(zip(_OF_CHARGE_POINT, _charge_point_fields(view), strict=True)),
        **_limits(view.limit, None),
        "session": _newest([facts["session"] for facts in ports.values()], "start"),
        "alarm": _alarm(list(view.connectors.values()), cleared),
        "connector_count": len(ports) or None,
        "station_groups": ",".join(config.groups_of(view.id)) or None,
        "configuration": view.configuration or None,
        **rated,
    }
    return station, ports


def _live(view: ConnectorView, up: bool) -> dict[str, Any]:
    """Return a connector; what it last said of itself counts only while it is there."""
    facts = dict(zip(_OF_CONNECTOR, _connector_fields(view), strict=True))
    if not up:
        facts |= dict.fromkeys(_SAID)
    for shown, field, divisor in _SHOWN:
        if facts[field] is not None:
            facts[shown] = facts[field] / divisor
    if view.load_kw is None:
        facts["load_estimated"] = None
    if facts["ocpp_status"] is not None:
        facts["availability"] = int(view.ocpp_status != "Unavailable")
    return facts


def _limits(own: Mapping[str, Any] | None, above: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the limit in force: its own or the one above it, whichever is lower. Whether there is
    one is not reported where all that is known is that one was sent."""
    known = [limit for limit in (own, above) if limit is not None]
    active = [limit for limit in known if limit["active"]]
    in_doubt = any(limit["in_doubt"] for limit in known)
    percents = [limit["percent_shed"] for limit in active if limit["percent_shed"] is not None]
    return {
        "limit": own,
        "shed": 1 if active else None if in_doubt else 0,
        "allowed_kw": min(map(_kept, active), default=None),
        "percent_shed": max(percents, default=None),
    }


def _kept(limit: Mapping[str, Any]) -> float:
    """Return what was asked for where no more is in force: charge points round down, to 0 below
    what can be delivered. Else what is in force."""
    requested, stated = float(limit["requested_kw"]), float(limit["stated_kw"])
    return requested if stated <= requested * 1.01 + 0.01 else stated


def _session(view: ConnectorView, newest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the session that runs, else the newest one in the record."""
    running = view.transaction
    if running is not None:
        energy_wh = running.energy_wh
        return {
            "id": running.transaction_id,
            "start": running.start_time,
            "energy_kwh": None if energy_wh is None else energy_wh / 1000,
            "id_tag": running.id_tag or None,
        }
    if newest is None:
        return None
    energy_wh = newest["energy_wh"]
    return {
        "id": newest["id"],
        "start": newest["start"],
        "end": newest["stop"],
        "energy_kwh": None if energy_wh is None else energy_wh / 1000,
        "id_tag": newest["id_tag"] or None,
        "reason": newest["reason"],
    }


def _alarm(views: list[ConnectorView], cleared: str | None) -> dict[str, Any] | None:
    """The newest error that was received after the alarms were last cleared."""
    found: dict[str, Any] | None = _newest(
        [
            {"type": view.last_error, "time": view.last_error_time}
            for view in views
            if view.last_error_time is not None
            and (cleared is None or _moment(view.last_error_time) > _moment(cleared))
        ],
        "time",
    )
    return found


def _newest(found: list[Any], by: str) -> Any:
    known = [each for each in found if each is not None]
    return max(known, key=lambda each: _moment(each[by]), default=None)


def _moment(text: str | None) -> float:
    return parse(text) or 0.0
