"""shedLoad and clearShedState: holding power down, and letting it go.

Rules of the service: exactly one of group and station, where an empty element
counts as given; ports only below a station; exactly one limit for each of them.
"""

from __future__ import annotations

import math

from ...world.ceilings import Limit
from ...world.ports import Port
from ...world.sheds import Disobeyed, check_limit
from ...world.site import Group, Station
from ..call import Call
from ..codes import BAD_SHED, GROUP_AND_STATION, RefusalError
from ..query import Query
from ..reply import Element, kw, nest, put, response
from .select import one_group, refuse_group_and_station, station_to_command

STATION_LIMIT = ("allowedLoadPerStation", "percentShedPerStation")
PORT_LIMIT = ("allowedLoadPerPort", "percentShedPerPort")


def shed_load(call: Call) -> Element:
    """Shed a group (each station alike), a station, or single ports of one station."""
    query = call.query.need("shedQuery").allow({"shedGroup", "shedStation", "timeInterval"})
    _refuse_unless_one_target(query)
    group_query = query.child("shedGroup")
    if group_query is not None:
        return _shed_group(call, query, group_query)
    return _shed_station(call, query, query.need("shedStation"))


def _shed_group(call: Call, query: Query, group_query: Query) -> Element:
    group = _group(call, group_query.allow({"sgID", *STATION_LIMIT}))
    limit = _limit(group_query, STATION_LIMIT, call.arguments)
    interval_min = _interval_min(call, query)
    call.world.shed(call.world.members(group), limit, interval_min, disobeyed=_disobeyed(call))
    reply = _success(call, group=group)
    _echo(reply, limit, STATION_LIMIT)
    return reply


def _shed_station(call: Call, query: Query, station_query: Query) -> Element:
    station = _station(call, station_query.allow({"stationID", "Ports", *STATION_LIMIT}))
    ports_query = station_query.child("Ports")
    if ports_query is None:
        limit = _limit(station_query, STATION_LIMIT, call.arguments)
        interval_min = _interval_min(call, query)
        call.world.shed([station], limit, interval_min, disobeyed=_disobeyed(call))
        reply = _success(call, station=station)
        _echo(reply, limit, STATION_LIMIT)
        return reply
    if any(station_query.has(name) for name in STATION_LIMIT):
        raise RefusalError(GROUP_AND_STATION, "Give a limit for the station or for its ports.")
    limits = _port_limits(call, station, ports_query)
    interval_min = _interval_min(call, query)
    call.world.shed([station], Limit(), interval_min, limits, _disobeyed(call))
    reply = _success(call, station=station)
    ports_element = nest(reply, "Ports")
    for port, limit in limits:
        element = nest(ports_element, "Port")
        put(element, "portNumber", port.number)
        _echo(element, limit, PORT_LIMIT)
    return reply


def clear_shed_state(call: Call) -> Element:
    """End the sheds of a group, a station, or single ports of one station."""
    query = call.query.need("shedQuery").allow({"shedGroup", "shedStation"})
    _refuse_unless_one_target(query)
    group_query = query.child("shedGroup")
    if group_query is not None:
        group = _group(call, group_query.allow({"sgID"}))
        call.world.clear_shed(call.world.members(group))
        return _success(call, group=group)
    station_query = query.need("shedStation")
    station = _station(call, station_query.allow({"stationID", "Ports"}))
    ports_query = station_query.child("Ports")
    ports: list[Port] = []
    if ports_query is not None:
        numbers = call.arguments.setdefault("ports", [])
        for port_query in ports_query.allow({"Port"}).children("Port"):
            ports.append(_port(station, port_query.allow({"portNumber"})))
            numbers.append(ports[-1].number)
        if not ports:
            raise RefusalError(BAD_SHED, "Ports needs at least one Port.")
    call.world.clear_shed([station], ports)
    return _success(call, station=station)


def _disobeyed(call: Call) -> Disobeyed | None:
    kind = "ignores_shed"
    if not call.faults.has(kind):
        return None
    return Disobeyed(call.faults.param(kind, "station"), call.faults.param(kind, "obeys_after_s"))


def _refuse_unless_one_target(query: Query) -> None:
    refuse_group_and_station(query, "shedGroup", "shedStation")
    if not query.has("shedGroup") and not query.has("shedStation"):
        raise RefusalError(BAD_SHED, "Give a group or a station.")


def _group(call: Call, query: Query) -> Group:
    call.arguments["sgID"] = query.integer("sgID")
    return one_group(call.world, call.arguments["sgID"])


def _station(call: Call, query: Query) -> Station:
    call.arguments["stationID"] = query.text("stationID")
    return station_to_command(call.world, call.arguments["stationID"])


def _port(station: Station, query: Query) -> Port:
    text = query.text("portNumber") or ""
    port = station.port(int(text)) if text.isascii() and text.isdigit() else None
    if port is None:
        raise RefusalError(BAD_SHED, f"{station.station_id} has no port {text[:20]!r}.")
    return port


def _port_limits(call: Call, station: Station, query: Query) -> list[tuple[Port, Limit]]:
    limits: list[tuple[Port, Limit]] = []
    listed = call.arguments.setdefault("ports", [])
    for port_query in query.allow({"Port"}).children("Port"):
        port = _port(station, port_query.allow({"portNumber", *PORT_LIMIT}))
        if any(port is other for other, _ in limits):
            raise RefusalError(BAD_SHED, f"Port {port.number} is given twice.")
        arguments: dict[str, object] = {"portNumber": port.number}
        listed.append(arguments)
        limits.append((port, _limit(port_query, PORT_LIMIT, arguments)))
    if not limits:
        raise RefusalError(BAD_SHED, "Ports needs at least one Port.")
    return limits


def _limit(query: Query, names: tuple[str, str], arguments: dict[str, object]) -> Limit:
    allowed_name, percent_name = names
    allowed_kw, percent = _number(query, allowed_name), _number(query, percent_name)
    if percent is not None and percent != int(percent):
        raise RefusalError(BAD_SHED, "The percentage must be a whole number.")
    if query.has(allowed_name) and query.has(percent_name):
        raise RefusalError(BAD_SHED, "Give exactly one of allowed load and percent shed.")
    limit = Limit(allowed_kw, None if percent is None else int(percent))
    if allowed_kw is not None:
        arguments[allowed_name] = allowed_kw
    if percent is not None:
        arguments[percent_name] = limit.percent
    wrong = check_limit(limit)
    if wrong:
        raise RefusalError(BAD_SHED, wrong)
    return limit


def _number(query: Query, name: str) -> float | None:
    text = query.text(name)
    try:
        value = None if text is None else float(text)
    except ValueError:
        value = math.nan
    if value is not None and not math.isfinite(value):
        raise RefusalError(BAD_SHED, f"{name} is not a number.")
    return value


def _interval_min(call: Call, query: Query) -> int:
    text = query.text("timeInterval") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RefusalError(BAD_SHED, "timeInterval must be a number of minutes, 0 for no end.")
    call.arguments["timeInterval"] = int(text)
    return int(text)


def _success(call: Call, group: Group | None = None, station: Station | None = None) -> Element:
    reply = response(call.operation)
    put(reply, "Success", 1)
    put(reply, "sgID", group.group_id if group else None)
    put(reply, "stationID", station.station_id if station else None)
    return reply


def _echo(element: Element, limit: Limit, names: tuple[str, str]) -> None:
    put(element, names[0], None if limit.allowed_kw is None else kw(limit.allowed_kw))
    put(element, names[1], limit.percent)
