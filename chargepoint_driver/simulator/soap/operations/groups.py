"""getStationGroups, getOrgsAndStationGroups and getStationRights: who belongs where."""

from __future__ import annotations

from itertools import groupby

from ..call import Call
from ..codes import NOT_FOUND, RefusalError
from ..reply import Element, nest, put, response
from .select import AREA_FIELDS, EQUIPMENT_FIELDS, NOT_SIMULATED, OWNER_FIELDS, search

RIGHTS_A_PAGE = 500
RIGHTS_PROFILE = "network_manager"


def get_station_groups(call: Call) -> Element:
    """Return the groups of an organisation and the stations in them."""
    org_id = call.query.allow({"orgID"}).text("orgID")
    groups = [group for group in call.world.groups if group.organisation.org_id == org_id]
    if not groups:
        raise RefusalError(NOT_FOUND, "No matching organization.")
    reply = response(call.operation)
    for group in call.ordered(groups):
        data = nest(reply, "groupData")
        put(data, "sgID", group.group_id)
        put(data, "orgID", group.organisation.org_id)
        put(data, "sgName", group.name)
        put(data, "organizationName", group.organisation.name)
        for station in call.ordered(call.world.members(group)):
            element = nest(data, "stationData")
            put(element, "stationID", station.station_id)
            place = nest(element, "Geo")
            put(place, "Lat", f"{station.place.latitude:.6f}")
            put(place, "Long", f"{station.place.longitude:.6f}")
    return reply


def get_orgs_and_station_groups(call: Call) -> Element:
    """Organisations with their groups."""
    query = call.query.need("searchQuery").allow(OWNER_FIELDS)
    org_id, org_name = query.text("orgID"), query.text("organizationName")
    group_id, group_name = query.integer("sgID"), query.text("sgName")
    groups = [
        group
        for group in call.world.groups
        if org_id in (None, group.organisation.org_id)
        and org_name in (None, group.organisation.name)
        and group_id in (None, group.group_id)
        and group_name in (None, group.name)
    ]
    if not groups:
        raise RefusalError(NOT_FOUND, "No matching organization or group.")
    reply = response(call.operation)
    for organisation in call.ordered(call.world.organisations):
        own = [group for group in groups if group.organisation == organisation]
        if not own:
            continue
        data = nest(reply, "orgData")
        put(data, "orgID", organisation.org_id)
        put(data, "organizationName", organisation.name)
        for group in call.ordered(own):
            element = nest(data, "sgData")
            put(element, "sgID", group.group_id)
            put(element, "sgName", group.name)
            put(element, "parentGroupID", "0")
    return reply


def get_station_rights(call: Call) -> Element:
    """Return the rights profile of every station in every group it belongs to."""
    query = call.query.need("searchQuery").allow(
        AREA_FIELDS
        | EQUIPMENT_FIELDS
        | OWNER_FIELDS
        | NOT_SIMULATED
        | {"serialNumber", "startRecord"}
    )
    stations = {station.station_id: station for station in search(call.world, query)}
    sg_id, sg_name = query.text("sgID"), query.text("sgName")
    rows = [
        (group, stations[station_id])
        for group in call.world.groups
        if sg_id in (None, str(group.group_id)) and sg_name in (None, group.name)
        for station_id in group.station_ids
        if station_id in stations
    ]
    page = call.page(query, rows, RIGHTS_A_PAGE)
    reply = response(call.operation)
    for _, members in groupby(page.rows, key=lambda row: row[0].group_id):
        listed = list(members)
        group = listed[0][0]
        data = nest(reply, "rightsData")
        put(data, "sgID", str(group.group_id))
        put(data, "sgName", group.name)
        put(data, "stationRightsProfile", RIGHTS_PROFILE)
        for _, station in listed:
            element = nest(data, "stationData")
            put(element, "stationID", station.station_id)
            put(element, "stationName", station.name)
            put(element, "stationSerialNum", station.nameplate.serial_number)
            put(element, "stationMacAddr", station.nameplate.mac_address)
    put(reply, "moreFlag", page.more_flag)
    return reply
