"""getAlarms and clearAlarms."""

from __future__ import annotations

from collections.abc import Callable

from ...world.alarms import Alarm
from ...world.site import Station
from ..call import Call, page_size
from ..codes import NO_ALARMS, RefusalError
from ..query import Query
from ..reply import Element, nest, put, response
from .select import OWNER_FIELDS, search

ALARMS_A_PAGE = 100

FIELDS = OWNER_FIELDS | {"endTime", "portNumber", "startTime", "stationID", "stationName"}


def get_alarms(call: Call) -> Element:
    """Alarms not cleared, oldest first."""
    query = call.query.need("searchQuery").allow(FIELDS | {"startRecord", "numTransactions"})
    stations = {station.station_id: station for station in search(call.world, query)}
    alarms = call.world.select_alarms(_wanted(query, stations))
    if not alarms:
        raise RefusalError(NO_ALARMS)
    size = page_size(query.integer("numTransactions"), ALARMS_A_PAGE)
    page = call.page(query, alarms, size)
    reply = response(call.operation)
    for number, alarm in page.numbered():
        station = stations[alarm.station_id]
        element = nest(reply, "Alarms")
        put(element, "stationID", station.station_id)
        put(element, "stationName", station.name)
        put(element, "stationModel", station.nameplate.model)
        put(element, "orgID", station.organisation.org_id)
        put(element, "organizationName", station.organisation.name)
        put(element, "stationManufacturer", station.nameplate.manufacturer)
        put(element, "stationSerialNum", station.nameplate.serial_number)
        put(element, "portNumber", "" if alarm.port_number is None else alarm.port_number)
        put(element, "alarmType", alarm.alarm_type)
        put(element, "alarmTime", call.stamp(alarm.time_s))
        put(element, "recordNumber", number)
    put(reply, "moreFlag", page.more_flag)
    return reply


def clear_alarms(call: Call) -> Element:
    """Clear the alarms that match; none is a response code of its own (153)."""
    query = call.query.need("searchQuery").allow(FIELDS | {"alarmType", "clearReason"})
    for name in sorted(FIELDS | {"alarmType", "clearReason"}):
        if query.text(name) is not None:
            call.arguments[name] = query.text(name)
    stations = {station.station_id: station for station in search(call.world, query)}
    if not call.world.clear_alarms(_wanted(query, stations)):
        raise RefusalError(NO_ALARMS)
    return response(call.operation)


def _wanted(query: Query, stations: dict[str, Station]) -> Callable[[Alarm], bool]:
    port_number, alarm_type = query.text("portNumber"), query.text("alarmType")
    from_s, to_s = query.time_s("startTime"), query.time_s("endTime")

    def wanted(alarm: Alarm) -> bool:
        return (
            alarm.station_id in stations
            and (port_number is None or str(alarm.port_number) == port_number)
            and alarm_type in (None, alarm.alarm_type)
            and (from_s is None or alarm.time_s >= from_s)
            and (to_s is None or alarm.time_s <= to_s)
        )

    return wanted
