"""getChargingSessionData and get15minChargingSessionData: sessions, and their quarter hours."""

from __future__ import annotations

from ...world.intervals import intervals
from ...world.world import StationSession
from ..call import Call
from ..codes import NO_SESSIONS, RefusalError, SoapFaultError
from ..reply import Element, kw, kwh, nest, put, response, span
from .select import AREA_FIELDS, full_address, search

SESSIONS_A_PAGE = 100

FIELDS = AREA_FIELDS | {
    "fromTimeStamp",
    "sessionID",
    "startRecord",
    "stationID",
    "stationName",
    "toTimeStamp",
}
FIELDS_ADDED_BY_5_1 = frozenset({"activeSessionsOnly", "stationIDs", "userID"})


def get_charging_session_data(call: Call) -> Element:
    """Sessions that overlap the window, of the stations the filters leave."""
    allowed = FIELDS | FIELDS_ADDED_BY_5_1 if call.is_5_1 else FIELDS
    query = call.query.need("searchQuery").allow(allowed)
    stations = search(call.world, query)
    session_id, user_id = query.integer("sessionID"), query.text("userID")
    active_only = bool(query.boolean("activeSessionsOnly"))
    found = [
        entry
        for entry in call.world.sessions(
            stations, query.time_s("fromTimeStamp"), query.time_s("toTimeStamp")
        )
        if session_id in (None, entry.session.visit.session_id)
        and user_id in (None, entry.session.visit.driver.user_id)
        and not (active_only and entry.session.end_s is not None)
    ]
    if not found:
        raise RefusalError(NO_SESSIONS)
    page = call.page(query, found, SESSIONS_A_PAGE)
    now_s = call.world.now_s()
    reply = response(call.operation)
    for number, entry in page.numbered():
        _describe(call, nest(reply, "ChargingSessionData"), entry, number, now_s)
    put(reply, "MoreFlag", page.more_flag)
    return reply


def get_15min_charging_session_data(call: Call) -> Element:
    """Return the quarter hours of one session. `energyConsumed` counts from the session's begin, or
    with `energyConsumedInterval` from the begin of each interval."""
    query = call.query.allow({"energyConsumedInterval", "sessionID"})
    session_id = query.integer("sessionID")
    if session_id is None:
        raise SoapFaultError("soapenv:Client", f"{call.operation} needs an element sessionID.")
    entry = call.world.session(session_id)
    if entry is None:
        raise RefusalError(NO_SESSIONS)
    session = entry.session
    within = bool(query.boolean("energyConsumedInterval"))
    end_s = call.world.now_s() if session.end_s is None else session.end_s
    reply = response(call.operation)
    put(reply, "sessionID", session_id)
    put(reply, "stationID", entry.station.station_id)
    put(reply, "portNumber", entry.port.number)
    rows = intervals(session.visit.curve, session.spans, session.start_s, end_s)
    for row in call.ordered(rows):
        data = nest(reply, "fifteenminData")
        put(data, "stationTime", call.stamp(row.end_s))
        put(data, "energyConsumed", kwh(row.energy_kwh if within else row.total_kwh))
        put(data, "peakPower", kw(row.peak_kw))
        put(data, "rollingPowerAvg", kw(row.average_kw))
    return reply


def _describe(call: Call, data: Element, entry: StationSession, number: int, now_s: float) -> None:
    station, session = entry.station, entry.session
    visit, place = session.visit, station.place
    put(data, "stationID", station.station_id)
    put(data, "stationName", station.name)
    put(data, "portNumber", entry.port.number)
    put(data, "Address", full_address(station))
    put(data, "City", place.city)
    put(data, "State", place.state)
    put(data, "Country", place.country)
    put(data, "postalCode", place.postal_code)
    put(data, "sessionID", visit.session_id)
    put(data, "Energy", kwh(session.energy_kwh))
    put(data, "startTime", call.stamp(session.start_s))
    put(data, "endTime", None if session.end_s is None else call.stamp(session.end_s))
    put(data, "userID", visit.driver.user_id)
    put(data, "recordNumber", number)
    put(data, "credentialID", visit.driver.credential_id)
    if not call.is_5_1:
        return
    until_s = now_s if session.end_s is None else session.end_s
    put(data, "totalChargingDuration", span(session.charging_s))
    put(data, "totalSessionDuration", span(until_s - session.start_s))
    put(data, "startBatteryPercentage", visit.charge_percent(0.0))
    put(data, "stopBatteryPercentage", visit.charge_percent(session.energy_kwh))
    put(data, "endedBy", session.ended_by)
    put(data, "vehicleMake", visit.vehicle.make)
    put(data, "vehicleModel", visit.vehicle.model)
    put(data, "vehicleModelYear", visit.vehicle.model_year)
