"""getStations and getStationStatus: what stands there, and whether it is in use."""

from __future__ import annotations

from ...world.ports import Port
from ...world.site import Station
from ..call import Call, page_size
from ..reply import Element, kw, nest, put, response
from .select import (
    AREA_FIELDS,
    CONNECTOR,
    EQUIPMENT_FIELDS,
    LEVEL,
    MODE,
    OWNER_FIELDS,
    search,
)

STATIONS_A_PAGE = 500

STATUS_NUMBERS = {"AVAILABLE": 1, "INUSE": 2, "UNREACHABLE": 3}


def get_stations(call: Call) -> Element:
    """Descriptions of all stations the filters leave."""
    query = call.query.need("searchQuery").allow(
        AREA_FIELDS
        | EQUIPMENT_FIELDS
        | OWNER_FIELDS
        | {"serialNumber", "stationActivationDate", "startRecord", "numStations"}
    )
    stations = search(call.world, query)
    call.world.advance(stations)
    size = page_size(query.integer("numStations"), STATIONS_A_PAGE)
    page = call.page(query, stations, size)
    reply = response(call.operation)
    for number, station in page.numbered():
        _describe(call, nest(reply, "stationData"), station, number)
    put(reply, "moreFlag", page.more_flag)
    return reply


def get_station_status(call: Call) -> Element:
    """Status of every port of the stations the filters leave."""
    query = call.query.need("searchQuery").allow(
        AREA_FIELDS
        | EQUIPMENT_FIELDS
        | {"stationIDs", "portDetails", "Status", "startRecord", "numStations"}
    )
    stations = search(call.world, query)
    call.world.advance(stations)
    wanted = query.integer("Status")
    if wanted is not None:
        stations = [
            station
            for station in stations
            if any(STATUS_NUMBERS[status_of(station, port)] == wanted for port in station.ports)
        ]
    details = bool(query.boolean("portDetails"))
    size = page_size(query.integer("numStations"), STATIONS_A_PAGE)
    page = call.page(query, stations, size)
    reply = response(call.operation)
    for _, station in page.numbered():
        data = nest(reply, "stationData")
        put(data, "stationID", station.station_id)
        for port in call.ordered(station.ports):
            element = nest(data, "Port")
            put(element, "portNumber", port.number)
            put(element, "Status", status_of(station, port))
            put(element, "TimeStamp", call.stamp(station.last_contact_s))
            if details:
                put(element, "Connector", CONNECTOR)
                put(element, "Power", kw(port.rated_kw))
            if call.is_5_1:
                put(element, "faultReason", "NONE")
        if call.is_5_1:
            put(data, "networkStatus", _network_status(station))
    put(reply, "moreFlag", page.more_flag)
    return reply


def status_of(station: Station, port: Port) -> str:
    """Return a port's status as the service words it; in use while a vehicle is plugged in."""
    if not station.reachable:
        return "UNREACHABLE"
    return "AVAILABLE" if port.visit is None else "INUSE"


def _network_status(station: Station) -> str:
    return "Reachable" if station.reachable else "Unreachable"


def _describe(call: Call, data: Element, station: Station, record_number: int) -> None:
    nameplate, place = station.nameplate, station.place
    groups = call.world.groups_of(station.station_id)
    put(data, "stationID", station.station_id)
    put(data, "stationManufacturer", nameplate.manufacturer)
    put(data, "stationModel", nameplate.model)
    put(data, "stationMacAddr", nameplate.mac_address)
    put(data, "stationSerialNum", nameplate.serial_number)
    put(data, "stationActivationDate", call.stamp(station.activated_s))
    put(data, "Address", place.address)
    put(data, "City", place.city)
    put(data, "State", place.state)
    put(data, "Country", place.country)
    put(data, "postalCode", place.postal_code)
    for port in call.ordered(station.ports):
        _describe_port(call, nest(data, "Port"), station, port)
    _describe_tariff(nest(data, "Pricing"), station)
    put(data, "numPorts", len(station.ports))
    put(data, "mainPhone", "1-888-555-0100")
    put(data, "modTimeStamp", call.stamp(station.activated_s))
    put(data, "timezoneOffset", "-08:00")
    put(data, "currencyCode", "USD")
    put(data, "orgID", station.organisation.org_id)
    put(data, "organizationName", station.organisation.name)
    put(data, "sgID", ", ".join(str(group.group_id) for group in groups))
    put(data, "sgName", ", ".join(group.name for group in groups))
    if call.is_5_1:
        put(data, "stationName", station.name)
        put(data, "Description", station.description)
        put(data, "networkStatus", _network_status(station))
        put(data, "recordNumber", record_number)


def _describe_port(call: Call, element: Element, station: Station, port: Port) -> None:
    put(element, "portNumber", port.number)
    if not call.is_5_1:
        put(element, "stationName", station.name)
    place = nest(element, "Geo")
    put(place, "Lat", f"{station.place.latitude:.6f}")
    put(place, "Long", f"{station.place.longitude:.6f}")
    if not call.is_5_1:
        put(element, "Description", station.description)
    put(element, "Reservable", 0)
    if call.is_5_1:
        put(element, "Status", status_of(station, port))
    put(element, "Level", LEVEL)
    if call.is_5_1:
        put(element, "timeStamp", call.stamp(station.last_contact_s))
    put(element, "Mode", MODE)
    put(element, "Connector", CONNECTOR)
    put(element, "Voltage", str(port.voltage_v))
    put(element, "Current", str(port.current_a))
    put(element, "Power", f"{port.rated_kw:.1f}")
    if call.is_5_1:
        put(nest(element, "Connectors"), "Connector", CONNECTOR)


def _describe_tariff(element: Element, station: Station) -> None:
    tariff = station.tariff
    put(element, "Type", "Session")
    put(element, "startTime", "00:00:00")
    put(element, "endTime", "23:59:59")
    put(element, "minPrice", f"{tariff.min_price:.2f}")
    put(element, "maxPrice", f"{tariff.max_price:.2f}")
    put(element, "unitPricePerHour", f"{tariff.per_hour:.2f}")
    put(element, "unitPricePerHourThereafter", f"{tariff.per_hour:.2f}")
    put(element, "unitPricePerSession", f"{tariff.per_session:.2f}")
    put(element, "unitPricePerKWh", f"{tariff.per_kwh:.2f}")
    put(element, "sessionTime", "08:00:00")
