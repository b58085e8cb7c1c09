"""getLoad: what flows, and what holds it down."""

from __future__ import annotations

from ...world.ports import Port
from ...world.site import Group, Station
from ..call import Call
from ..codes import GROUP_AND_STATION, NOT_FOUND, RefusalError
from ..reply import Element, kw, nest, put, response
from .select import full_address, one_group


def get_load(call: Call) -> Element:
    """Loads of a group with its sum, of one station, or (5.1) of a session's station."""
    ways = ["sgID", "stationID", "sessionID"] if call.is_5_1 else ["sgID", "stationID"]
    query = call.query.need("searchQuery").allow(ways)
    if sum(query.has(way) for way in ways) != 1:
        raise RefusalError(GROUP_AND_STATION, f"Search by exactly one of {', '.join(ways)}.")
    group: Group | None = None
    if query.has("sgID"):
        group = one_group(call.world, query.integer("sgID"))
        stations = call.world.members(group)
    elif query.has("stationID"):
        station = call.world.station(query.text("stationID") or "")
        stations = [station] if station else []
    else:
        stations = _stations_with_session(call, query.integer("sessionID"))
    if not stations:
        raise RefusalError(NOT_FOUND)
    call.world.advance(stations)

    reply = response(call.operation)
    loads = {station.station_id: _loads_kw(station) for station in stations}
    if group is not None:
        put(reply, "sgID", group.group_id)
        put(reply, "numStations", len(stations))
        put(reply, "groupName", group.name)
        put(reply, "sgLoad", kw(sum(sum(ports.values()) for ports in loads.values())))
    for station in call.ordered(stations):
        data = nest(reply, "stationData")
        put(data, "stationID", station.station_id)
        put(data, "stationName", station.name)
        put(data, "Address", full_address(station))
        put(data, "stationLoad", kw(sum(loads[station.station_id].values())))
        for port in call.ordered(station.ports):
            _describe_port(call, nest(data, "Port"), port, loads[station.station_id][port.number])
    return reply


def _loads_kw(station: Station) -> dict[int, float]:
    # Rounded first, so that the sums in the reply agree with its addends.
    return {port.number: round(port.load_kw, 3) for port in station.ports}


def _describe_port(call: Call, element: Element, port: Port, load_kw: float) -> None:
    visit, hold = port.visit, port.hold
    put(element, "portNumber", port.number)
    put(element, "userID", visit.driver.user_id if visit else "")
    put(element, "credentialID", visit.driver.credential_id if visit else "")
    put(element, "shedState", int(hold is not None))
    put(element, "portLoad", kw(load_kw))
    # Zero both when shed by per cent and when not shed: that is how the service has it.
    put(element, "allowedLoad", kw(hold.limit.allowed_kw or 0.0 if hold else 0.0))
    put(element, "percentShed", hold.limit.percent or 0 if hold else 0)
    if call.is_5_1:
        session = port.session
        put(element, "sessionID", visit.session_id if visit else 0)
        put(
            element,
            "lastBatteryPercent",
            session.visit.charge_percent(session.energy_kwh) if session else 0,
        )


def _stations_with_session(call: Call, session_id: int | None) -> list[Station]:
    call.world.advance()
    return [
        station
        for station in call.world.stations
        if any(port.visit and port.visit.session_id == session_id for port in station.ports)
    ]
