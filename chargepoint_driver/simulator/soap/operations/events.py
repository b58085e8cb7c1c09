"""createLoadShedEvent and removeLoadShedEvent: sheds announced for later."""

from __future__ import annotations

from ...world.ceilings import Limit
from ..call import Call
from ..codes import BAD_SHED, RESTORE_FAILED, RefusalError
from ..reply import Element, put, response
from .select import one_group, refuse_group_and_station, station_to_command


def create_load_shed_event(call: Call) -> Element:
    """Announce a shed with a start and a duration in minutes; the limit is per port."""
    query = call.query.need("shedEvent").allow(
        {
            "stationID",
            "sgID",
            "eventStartTime",
            "eventDuration",
            "allowOptOut",
            "allowedLoadPerPort",
            "percentShedPerStation",
        }
    )
    refuse_group_and_station(query, "sgID", "stationID")
    if query.has("sgID"):
        call.arguments["sgID"] = query.integer("sgID")
        stations = call.world.members(one_group(call.world, call.arguments["sgID"]))
    else:
        call.arguments["stationID"] = query.text("stationID")
        stations = [station_to_command(call.world, call.arguments["stationID"])]
    start_s = query.time_s("eventStartTime")
    duration_min = query.integer("eventDuration")
    allowed_kw = query.decimal("allowedLoadPerPort")
    percent = query.decimal("percentShedPerStation")
    if start_s is None or duration_min is None or (percent is not None and percent % 1):
        raise RefusalError(BAD_SHED)
    limit = Limit(allowed_kw, None if percent is None else int(percent))
    call.arguments.update(
        eventStartTime=call.stamp(start_s),
        eventDuration=duration_min,
        allowedLoadPerPort=limit.allowed_kw,
        percentShedPerStation=limit.percent,
    )
    try:
        event_id = call.world.create_event(stations, limit, start_s, duration_min)
    except ValueError as error:
        raise RefusalError(BAD_SHED, str(error)) from None
    reply = response(call.operation)
    put(reply, "eventId", event_id)
    return reply


def remove_load_shed_event(call: Call) -> Element:
    """End or forget an event."""
    event_id = call.query.allow({"eventId"}).integer("eventId")
    call.arguments["eventId"] = event_id
    if event_id is None or not call.world.remove_event(event_id):
        raise RefusalError(RESTORE_FAILED, "No such event.")
    reply = response(call.operation)
    put(reply, "response", "The event was removed.")
    return reply
