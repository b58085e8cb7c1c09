"""The reading operations over the wire: filters, pages, versions, credentials."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from chargepoint_driver.simulator import ManualClock

from ..conftest import ENVELOPE, SERVICE_NS, Client

GROUP = 39491


def test_children_carry_no_namespace(client: Client) -> None:
    reply = client.search("getLoad", sgID=GROUP)
    assert reply.element.tag == f"{{{SERVICE_NS}}}getLoadResponse"
    assert all("{" not in str(element.tag) for element in reply.element.iterdescendants())


def test_names_are_escaped(client: Client) -> None:
    reply = client.search("getStations", stationID="1:34001")
    assert reply.texts("stationData/Port/stationName") == ["R&D CAMPUS / GARAGE 1 -001"] * 2
    assert "R&amp;D" in reply.text


def test_get_stations_filters(client: Client) -> None:
    ids = [station.station_id for station in client.simulator.world.stations]
    client.simulator.world.add_group("Roof", ids[1:3])
    assert client.search("getStations").texts("stationData/stationID") == ids
    for field, value, expected in [
        ("stationID", ids[2], ids[2:3]),
        ("sgID", GROUP, ids),
        ("sgID", GROUP + 1, ids[1:3]),
        ("sgName", "Roof", ids[1:3]),
        ("orgID", "1:ORG00001", ids),
        ("City", "Oakland", ids),
        ("Level", "L2", ids),
    ]:
        reply = client.search("getStations", **{field: value})
        assert reply.texts("stationData/stationID") == expected, field
    assert client.search("getStations", stationID=ids[1]).texts("stationData/sgID") == [
        f"{GROUP}, {GROUP + 1}"
    ]
    for field in ("stationID", "sgID", "orgID", "City"):
        assert client.search("getStations", **{field: "nowhere"}).code == "102"
    assert client.search("getStations", Proximity=3).fault == "soapenv:Server"


def test_pages_of_stations(start: Callable[..., Client]) -> None:
    client = start(stations=1001, ports_per_station=1)
    seen: list[str | None] = []
    sizes = []
    while True:
        reply = client.search("getStations", startRecord=len(seen) + 1)
        rows = reply.texts("stationData/stationID")
        seen += rows
        sizes.append(len(rows))
        if reply.texts("moreFlag") == ["0"]:
            break
    assert sizes == [500, 500, 1]
    assert len(set(seen)) == 1001
    reply = client.search("getStations", startRecord=11, numStations=3)
    assert reply.texts("stationData/stationID") == seen[10:13]
    assert len(client.search("getStations", numStations=900).rows("stationData")) == 500
    assert client.search("getStations", startRecord=2000).rows("stationData") == []
    assert client.search("getStations", startRecord=0).code == "102"
    sums = [group.group_id for group in client.simulator.world.groups]
    assert len(sums) == 11


def test_status_of_a_list(client: Client) -> None:
    wanted = "".join(f"<stationID>{i}</stationID>" for i in ("1:34003", "1:34001", "1:9"))
    reply = client.call(
        "getStationStatus", f"<searchQuery><stationIDs>{wanted}</stationIDs></searchQuery>"
    )
    assert reply.texts("stationData/stationID") == ["1:34001", "1:34003"]
    assert set(reply.texts("stationData/Port/Status")) <= {"AVAILABLE", "INUSE"}
    nobody = "<searchQuery><stationIDs><stationID>1:9</stationID></stationIDs></searchQuery>"
    assert client.call("getStationStatus", nobody).code == "102"


def test_unreachable_station_keeps_its_last_time(client: Client, clock: ManualClock) -> None:
    world = client.simulator.world
    world.set_reachable("1:34002", False)
    clock.advance(3600)
    reply = client.search("getStationStatus", "5.1")
    by_id = {row.findtext("stationID"): row for row in reply.rows("stationData")}
    assert by_id["1:34002"].findtext("Port/Status") == "UNREACHABLE"
    assert by_id["1:34002"].findtext("networkStatus") == "Unreachable"
    assert by_id["1:34002"].findtext("Port/TimeStamp") == "2026-03-03T18:00:00Z"
    assert by_id["1:34001"].findtext("Port/TimeStamp") == "2026-03-03T19:00:00Z"
    world.set_reachable("1:34002", True)
    reply = client.search("getStationStatus", stationID="1:34002")
    assert reply.texts("stationData/Port/TimeStamp") == ["2026-03-03T19:00:00Z"] * 2


def test_wire_agrees_with_the_world(client: Client, clock: ManualClock) -> None:
    clock.advance(1234.5)
    _, actual = client.control("GET", "/world")
    loads = client.loads(sgID=GROUP)
    for station in actual["stations"]:
        for port in station["ports"]:
            wire = loads[station["stationID"], str(port["portNumber"])]
            assert wire["portLoad"] == f"{port['load_kw']:.3f}"
            assert wire["userID"] == (port["session"]["userID"] if port["session"] else "")


def test_sessions_in_progress_have_no_end(client: Client, clock: ManualClock) -> None:
    clock.advance(60)
    reply = client.search("getChargingSessionData", stationID="1:34001")
    rows = [row for row in reply.rows("ChargingSessionData") if row.findtext("portNumber") == "1"]
    running = client.simulator.world.stations[0].ports[0].session
    assert running is not None
    assert rows[-1].find("endTime") is None
    assert rows[-1].findtext("Energy") == f"{running.energy_kwh:.6f}"
    assert rows[-1].findtext("sessionID") == str(running.visit.session_id)
    client.simulator.world.unplug("1:34001", 1)
    again = client.search("getChargingSessionData", sessionID=running.visit.session_id)
    assert again.texts("ChargingSessionData/endTime") == ["2026-03-03T18:01:00Z"]


def test_session_window_and_pages(start: Callable[..., Client]) -> None:
    client = start(stations=100)
    window = {"fromTimeStamp": "2026-03-02T18:00:00Z", "toTimeStamp": "2026-03-03T18:00:00Z"}
    seen: list[str | None] = []
    pages = 0
    more = ["1"]
    while more == ["1"]:
        reply = client.search("getChargingSessionData", startRecord=len(seen) + 1, **window)
        seen += reply.texts("ChargingSessionData/sessionID")
        more = reply.texts("MoreFlag")
        pages += 1
    assert pages == -(-len(seen) // 100)
    assert len(set(seen)) == len(seen) > 100
    numbers = reply.texts("ChargingSessionData/recordNumber")
    assert numbers[-1] == str(len(seen))
    past = {"fromTimeStamp": "2020-01-01T00:00:00Z", "toTimeStamp": "2020-01-02T00:00:00Z"}
    assert client.search("getChargingSessionData", **past).code == "136"
    assert client.search("getChargingSessionData", stationID="1:9").code == "102"
    assert client.search("getChargingSessionData", fromTimeStamp="lately").fault == "soapenv:Client"


def test_alarms(client: Client, clock: ManualClock) -> None:
    client.search("clearAlarms")
    assert client.search("getAlarms").code == "153"
    assert client.search("clearAlarms").code == "153"
    world = client.simulator.world
    for number in (1, 2, None):
        clock.advance(60)
        world.raise_alarm("1:34003", "GFCI Trip", number)
    world.raise_alarm("1:34004", "Unreachable")
    reply = client.search("getAlarms", stationID="1:34003")
    assert reply.texts("Alarms/portNumber") == ["1", "2", None]
    assert reply.texts("Alarms/recordNumber") == ["1", "2", "3"]
    assert len(client.search("getAlarms", sgID=GROUP).rows("Alarms")) == 4
    assert client.search("getAlarms", portNumber=2).texts("Alarms/portNumber") == ["2"]
    reply = client.search("getAlarms", startTime="2026-03-03T18:02:00Z", numTransactions=2)
    assert reply.texts("Alarms/portNumber") == ["2", None]
    assert reply.texts("moreFlag") == ["1"]
    assert client.search("getAlarms", endTime="2026-03-03T18:00:30Z").code == "153"
    assert client.search("clearAlarms", stationID="1:34003", portNumber=1).code == "100"
    assert client.search("clearAlarms", alarmType="Unreachable").code == "100"
    assert client.search("getAlarms").texts("Alarms/portNumber") == ["2", None]
    assert client.search("getAlarms", stationID="1:9").code == "102"


def test_alarms_of_the_opening(start: Callable[..., Client]) -> None:
    client = start(stations=100)
    reply = client.search("getAlarms")
    assert len(reply.rows("Alarms")) > 4
    numbers = reply.texts("Alarms/portNumber")
    assert None in numbers
    assert any(numbers)


def test_rights_and_groups(start: Callable[..., Client]) -> None:
    client = start(stations=6, groups=2, organisations=2)
    ids = [station.station_id for station in client.simulator.world.stations]
    client.simulator.world.add_group("Roof", ids[:1])
    reply = client.search("getStationRights", stationID=ids[0])
    assert reply.texts("rightsData/sgName") == ["Garage 1", "Roof"]
    assert set(reply.texts("rightsData/stationRightsProfile")) == {"network_manager"}
    assert reply.texts("rightsData/stationData/stationID") == [ids[0], ids[0]]
    by_group = client.search("getStationRights", sgID=GROUP)
    assert by_group.texts("rightsData/stationData/stationID") == ids[:3]
    reply = client.call("getStationGroups", "<orgID>1:ORG00001</orgID>")
    assert reply.texts("groupData/sgName") == ["Garage 1", "Roof"]
    assert client.call("getStationGroups", "<orgID>1:ORG9</orgID>").code == "102"
    reply = client.search("getOrgsAndStationGroups")
    assert reply.texts("orgData/orgID") == ["1:ORG00001", "1:ORG00002"]
    assert client.search("getOrgsAndStationGroups", sgID=1).code == "102"
    assert client.search("getOrgsAndStationGroups", sgName="Roof").texts("orgData/sgData/sgID")


ADDED_BY_5_1 = {
    "getLoad": ({"sgID": GROUP}, ["Port/sessionID", "Port/lastBatteryPercent"]),
    "getStationStatus": ({}, ["networkStatus", "Port/faultReason"]),
    "getStations": (
        {},
        ["stationName", "Description", "networkStatus", "recordNumber", "Port/Connectors"],
    ),
}


@pytest.mark.parametrize("operation", ADDED_BY_5_1)
def test_5_1_adds_fields_and_5_0_never_shows_them(client: Client, operation: str) -> None:
    fields, added = ADDED_BY_5_1[operation]
    old = client.search(operation, "5.0", **fields)
    new = client.search(operation, "5.1", **fields)
    for path in added:
        assert not old.rows(f"stationData/{path}")
        assert new.rows(f"stationData/{path}")


def test_5_1_sessions(client: Client) -> None:
    session = client.simulator.world.stations[0].ports[0].session
    client.search("getLoad", sgID=GROUP)
    session = client.simulator.world.stations[0].ports[0].session
    assert session is not None
    number = session.visit.session_id
    reply = client.search("getLoad", "5.1", sessionID=number)
    assert reply.texts("stationData/stationID") == ["1:34001"]
    assert reply.texts("stationData/Port/sessionID")[0] == str(number)
    assert client.search("getLoad", "5.1", sessionID=5).code == "102"
    assert client.search("getLoad", "5.0", sessionID=number).fault == "soapenv:Client"
    active = client.search("getChargingSessionData", "5.1", activeSessionsOnly="true")
    assert active.rows("ChargingSessionData")
    assert not active.rows("ChargingSessionData/endTime")
    assert active.rows("ChargingSessionData/totalChargingDuration")
    assert not active.rows("ChargingSessionData/endedBy")
    several = "".join(f"<stationID>{i}</stationID>" for i in ("1:34001", "1:34003"))
    listed = client.search("getChargingSessionData", "5.1", stationIDs=several)
    assert set(listed.texts("ChargingSessionData/stationID")) == {"1:34001", "1:34003"}
    mine = client.search("getChargingSessionData", "5.1", userID=session.visit.driver.user_id)
    assert set(mine.texts("ChargingSessionData/userID")) == {session.visit.driver.user_id}
    old = client.search("getChargingSessionData", "5.0", activeSessionsOnly="true")
    assert old.fault == "soapenv:Client"


def test_credentials(client: Client) -> None:
    client.password = "wrong"
    reply = client.search("getLoad", sgID=GROUP)
    assert (reply.status, reply.fault) == (500, "wsse:FailedAuthentication")
    client.username = "nobody"
    assert client.search("getLoad", sgID=GROUP).fault == "wsse:FailedAuthentication"
    body = f'<n:getLoad xmlns:n="{SERVICE_NS}"><searchQuery/></n:getLoad>'
    reply = client.post(ENVELOPE.format(header="", body=body))
    assert (reply.status, reply.fault) == (500, "wsse:InvalidSecurity")
    client.simulator.accounts.add("second", "p&ss<", refused={"shedLoad"})
    client.username, client.password = "second", "p&ss<"
    assert client.search("getLoad", sgID=GROUP).code == "100"
    target = "<shedStation><stationID>1:34001</stationID></shedStation>"
    assert client.shed(target).code == "101"
    client.simulator.accounts["second"].refused.add("getLoad")
    reply = client.search("getLoad", sgID=GROUP)
    assert reply.code == "101"
    assert reply.texts("responseText")[0]


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>&b;</s:Body></s:Envelope>"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"\xff\xfe\x00",
        b"<a/>",
        BOMB.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/hostname"><x/>',
        ENVELOPE.format(header="", body="").encode(),
        ENVELOPE.format(header="", body="<a/>").encode(),
        ENVELOPE.format(header="", body=f'<a xmlns="{SERVICE_NS}"/>').encode(),
    ],
)
def test_strange_requests_get_a_fault(client: Client, body: bytes) -> None:
    reply = client.post(body)
    assert reply.status == 500
    assert reply.fault is not None
    assert client.search("getLoad", sgID=GROUP).code == "100", "and do no harm"


def test_document_type_is_refused_though_the_rest_is_sound(client: Client) -> None:
    sound = client.envelope("getLoad", f"<searchQuery><sgID>{GROUP}</sgID></searchQuery>")
    assert client.post(sound).code == "100"
    assert client.post('<!DOCTYPE x [<!ENTITY a "b">]>' + sound).fault == "soapenv:Client"


def test_unknown_and_qualified_elements_get_a_fault(client: Client) -> None:
    assert client.search("getLoad", nonsense=1).fault == "soapenv:Client"
    assert client.search("getLoad", sgID="many").fault == "soapenv:Client"
    assert client.call("getLoad", "").fault == "soapenv:Client"
    qualified = f'<searchQuery><sgID xmlns="{SERVICE_NS}">{GROUP}</sgID></searchQuery>'
    assert client.call("getLoad", qualified).fault == "soapenv:Client"


def test_every_reply_is_well_formed_however_often(client: Client, clock: ManualClock) -> None:
    for _ in range(20):
        clock.advance(1800)
        for operation in ("getStations", "getStationStatus", "getChargingSessionData"):
            assert etree.fromstring(client.search(operation).content) is not None
