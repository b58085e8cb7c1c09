"""Every row of the catalogue is read from a recorded reply, as the value that stands there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Kind
from chargepoint_driver.records import StationRecord, Value
from chargepoint_driver.registry import build

from .service import DATA, Service, recorded

NAMES = sorted(path.stem for path in DATA.glob("get*.xml"))
NOT_IN_5_0 = {"rfidSerialNumber", "driverAccountNumber", "unitPriceForFirst"}


def of(backend: SoapBackend, service: Service, name: str) -> Mapping[str, StationRecord]:
    call = name.split("-", maxsplit=1)[0]
    service.answers(recorded(name))
    stations = () if call.startswith(("getAl", "getCh", "getStationR", "getStations")) else ("1:1",)
    return backend.fetch(Request(call, stations)).records


def point(attribute: Attribute, record: StationRecord, port: int, kind: str = "") -> Value:
    row = {
        "Volttron Point Name": "x",
        "Attribute Name": attribute.name,
        "Register Name": attribute.register,
        "Port #": "" if attribute.scope.value == "station" else port,
        "Type": kind,
    }
    registry = build([(2, row)], "rows", record.station_id)
    assert registry.faults == []
    return registry.points["x"].value_of(record)


@pytest.mark.parametrize(
    "attribute",
    [row for row in CHARGEPOINT if not row.own],
    ids=lambda row: f"{row.call}.{row.name}",
)
def test_every_row_is_read_from_some_recorded_reply(attribute, backend, service):
    found = []
    for name in NAMES:
        if name.split("-", maxsplit=1)[0] == attribute.call:
            for record in of(backend, service, name).values():
                found += [point(attribute, record, port) for port in (1, 2)]
    assert [value for value in found if value is not None], f"no recorded reply holds {attribute}"
    carried = {
        Kind.STRING: str,
        Kind.DATETIME: str,
        Kind.INTEGER: int,
        Kind.FLOAT: float,
        Kind.BOOLEAN: bool,
        Kind.DICTIONARY: dict,
    }[attribute.kind]
    assert {type(value) for value in found} <= {carried, type(None)}


@pytest.mark.parametrize("call", list(CHARGEPOINT.calls))
def test_5_0_reports_the_rows_of_5_0_and_no_others(call, backend, service):
    (record, *_) = of(backend, service, f"{call}-5.0").values()
    ports = (1, 2)
    reported = {
        row.name
        for row in CHARGEPOINT.of_call(call)
        if any(point(row, record, port) is not None for port in ports)
    }
    promised = {row.name for row in CHARGEPOINT.of_call(call) if row.since == "5.0"} - NOT_IN_5_0
    if call == "getChargingSessionData":
        promised.discard("driverName")
    assert reported == promised


def _values(backend, service, name, port, *names):
    (record,) = of(backend, service, name).values()
    call = name.split("-", maxsplit=1)[0]
    rows = {row.name: row for row in CHARGEPOINT.of_call(call)}
    return [point(rows[wanted], record, port) for wanted in names]


def test_the_specifications_station_status(backend, service):
    when = "2016-11-07T19:19:19+00:00"
    name = "getStationStatus-5.0"
    wanted = ("Status", "TimeStamp", "faultReason", "networkStatus")
    assert _values(backend, service, name, 1, *wanted) == ["AVAILABLE", when, None, None]
    assert _values(backend, service, name, 2, *wanted) == ["INUSE", when, None, None]


def test_the_specifications_load(backend, service):
    wanted = ("shedState", "portLoad", "allowedLoad", "percentShed", "stationLoad", "sessionID")
    assert _values(backend, service, "getLoad-5.0", 1, *wanted) == [0, 0.0, 0.0, 0, 3.314, None]
    assert _values(backend, service, "getLoad-5.0", 2, *wanted) == [0, 3.314, 0.0, 0, 3.314, None]


def test_load_of_5_1(backend, service):
    wanted = ("shedState", "allowedLoad", "sessionID", "lastBatteryPercent")
    assert _values(backend, service, "getLoad-5.1", 1, *wanted) == [0, 0.0, "0", None]
    assert _values(backend, service, "getLoad-5.1", 2, *wanted) == [1, 7.2, "53068029", 61.5]


@pytest.mark.parametrize("port", [1, 2, 7])
def test_the_specifications_alarm_without_port_is_every_ports(port, backend, service):
    assert _values(backend, service, "getAlarms-5.0", port, "alarmType", "alarmTime") == [
        "Reachable",
        "2016-09-26T12:19:16+00:00",
    ]


def test_the_specifications_rights_are_a_dictionary_by_group(backend, service):
    assert _values(backend, service, "getStationRights-5.0", 1, "stationRightsProfile") == [
        {"39491": "network_manager", "58279": "network_manager"}
    ]


def test_the_specifications_session_is_port_2s(backend, service):
    name, wanted = "getChargingSessionData-5.0", ("sessionID", "startTime", "endTime", "Energy")
    assert _values(backend, service, name, 1, *wanted) == [None] * 4
    assert _values(backend, service, name, 2, *wanted) == [
        "53068029",
        "2016-10-25T15:53:35+00:00",
        "2016-10-25T20:14:46+00:00",
        12.120572,
    ]


def test_station_description_of_both_versions(backend, service):
    wanted = ("stationName", "Description", "Lat", "Long", "Voltage", "Reservable", "Connectors")
    place = [37.8022, -122.2682, 208.0, False]
    old = _values(backend, service, "getStations-5.0", 2, *wanted)
    new = _values(backend, service, "getStations-5.1", 2, *wanted)
    assert old == ["ALCOGARSTATIONS / ALCOPARK 8 -004", "Ground floor", *place, None]
    sockets = [{"Type": "J1772", "Power": "6.240"}, {"Type": "CHAdeMO", "Power": "25.0"}]
    assert new == ["ALCOPARK 8 -004", "Ground floor", *place, {"Connector": sockets}]


def test_of_two_price_lists_the_first_counts_whole(backend, service):
    wanted = ("Type", "startTime", "unitPricePerHour", "minPrice", "sessionTime", "currencyCode")
    assert _values(backend, service, "getStations-5.0", 1, *wanted) == [
        "Time of Use",
        "08:00:00",
        1.25,
        0.5,
        "4 hours",
        "USD",
    ]


ADD_A_ROW = """
import chargepoint_driver.catalogue as catalogue
from dataclasses import replace
like = catalogue.CHARGEPOINT.find("LoadRegister", "portLoad")
row = replace(like, name="reactiveLoad", path=("Port/Meter/reactiveLoad",), unit="kvar")
catalogue.CHARGEPOINT = catalogue.Catalogue(
    (*catalogue.ATTRIBUTES, row), catalogue.CALLS, catalogue.NAMES
)

from lxml import etree
from chargepoint_driver.backends.soap import parser
from chargepoint_driver.catalogue.page import page
from chargepoint_driver.registry import build
answer = etree.fromstring(
    "<r><stationData><stationID>1:1</stationID><Port><portNumber>1</portNumber>"
    "<Meter><reactiveLoad>0.25</reactiveLoad></Meter></Port></stationData></r>"
)
(record,) = parser.stations(answer, catalogue.CHARGEPOINT.calls["getLoad"])
rows = [(2, {"Attribute Name": "reactiveLoad", "Register Name": "LoadRegister", "Port #": 1})]
point = build(rows, "rows", "1:1").points["reactiveLoad"]
print(point.value_of(record), point.unit, "`reactiveLoad`" in page())
"""


def test_a_new_point_is_a_row_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", ADD_A_ROW], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["0.25", "kvar", "True"]
