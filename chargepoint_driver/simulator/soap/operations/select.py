"""Selection of stations by a search query. One row per filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...world.site import Group, Station
from ...world.world import World
from ..codes import GROUP_AND_STATION, INVALID_STATION, NOT_FOUND, RefusalError, SoapFaultError
from ..query import Query

CONNECTOR = "J1772"
LEVEL = "L2"
MODE = "1"

# Filter -> the values a station matches it with.
FILTERS: Mapping[str, Callable[[World, Station], set[str]]] = {
    "stationID": lambda _, station: {station.station_id},
    "stationManufacturer": lambda _, station: {station.nameplate.manufacturer},
    "stationModel": lambda _, station: {station.nameplate.model},
    "stationName": lambda _, station: {station.name},
    "stationMacAddr": lambda _, station: {station.nameplate.mac_address},
    "serialNumber": lambda _, station: {station.nameplate.serial_number},
    "Address": lambda _, station: {station.place.address, full_address(station)},
    "City": lambda _, station: {station.place.city},
    "State": lambda _, station: {station.place.state},
    "Country": lambda _, station: {station.place.country},
    "postalCode": lambda _, station: {station.place.postal_code},
    "Connector": lambda *_: {CONNECTOR},
    "Voltage": lambda _, station: {str(port.voltage_v) for port in station.ports},
    "Current": lambda _, station: {str(port.current_a) for port in station.ports},
    "Power": lambda _, station: {f"{port.rated_kw:.1f}" for port in station.ports},
    "Level": lambda *_: {LEVEL},
    "Mode": lambda *_: {MODE},
    "orgID": lambda _, station: {station.organisation.org_id},
    "organizationName": lambda _, station: {station.organisation.name},
    "sgID": lambda world, station: {
        str(group.group_id) for group in world.groups_of(station.station_id)
    },
    "sgName": lambda world, station: {group.name for group in world.groups_of(station.station_id)},
}

# In the schema, but without a counterpart in this world: refused rather than ignored.
NOT_SIMULATED = frozenset(
    {
        "Geo",
        "Pricing",
        "Proximity",
        "Reservable",
        "adminStatus",
        "currentFault",
        "demoSerialNumber",
        "networkStatus",
        "portStatus",
        "provisionDateRange",
        "provisionStatus",
        "proximityUnit",
        "stationActivationDate",
    }
)

PLACE_FIELDS = frozenset({"Address", "City", "State", "Country", "postalCode"})
AREA_FIELDS = PLACE_FIELDS | {"Geo", "Proximity", "proximityUnit"}
EQUIPMENT_FIELDS = frozenset(
    {
        "Connector",
        "Current",
        "Level",
        "Mode",
        "Power",
        "Pricing",
        "Reservable",
        "Voltage",
        "demoSerialNumber",
        "stationID",
        "stationManufacturer",
        "stationModel",
        "stationName",
    }
)
OWNER_FIELDS = frozenset({"orgID", "organizationName", "sgID", "sgName"})


def search(world: World, query: Query) -> list[Station]:
    """Return the stations that match every filter given; none is a refusal (102)."""
    for name in NOT_SIMULATED - {"proximityUnit"}:
        if query.has(name):
            raise SoapFaultError("soapenv:Server", f"The simulator cannot search by {name}.")
    wanted = {name: text for name in FILTERS if (text := query.text(name)) is not None}
    found = world.stations
    if "stationID" in wanted:
        station = world.station(wanted.pop("stationID"))
        found = [station] if station else []
    for name, text in wanted.items():
        found = [station for station in found if text in FILTERS[name](world, station)]
    ids_list = query.child("stationIDs")
    if ids_list is not None:
        ids = set(ids_list.allow({"stationID"}).texts("stationID"))
        found = [station for station in found if station.station_id in ids]
    if not found:
        raise RefusalError(NOT_FOUND)
    return found


def one_group(world: World, group_id: int | None) -> Group:
    """Return the group with that id, or a refusal (102)."""
    group = None if group_id is None else world.group(group_id)
    if group is None:
        raise RefusalError(NOT_FOUND, "No matching station group.")
    return group


def station_to_command(world: World, station_id: str | None) -> Station:
    """Return the station a command is for, or a refusal (119)."""
    station = world.station(station_id or "")
    if station is None:
        raise RefusalError(INVALID_STATION)
    return station


def refuse_group_and_station(query: Query, group_name: str, station_name: str) -> None:
    """Refuse (187) when both elements are there, be they empty."""
    if query.has(group_name) and query.has(station_name):
        raise RefusalError(GROUP_AND_STATION)


def full_address(station: Station) -> str:
    """Return the address in one line, as load and session replies have it."""
    place = station.place
    return f"{place.address}, {place.city}, {place.state}, {place.postal_code}, {place.country}"
