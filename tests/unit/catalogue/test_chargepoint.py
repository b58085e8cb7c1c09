"""Every row of the specification's tables is in the catalogue, as the specification has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from chargepoint_driver.catalogue import CHARGEPOINT, Kind, Scope

DATA = Path(__file__).parents[2] / "data"
# Register: (call, {attribute: (type, by port, writable)}), from the specification's tables.
SPECIFIED = {
    "StationStatusRegister": (
        "getStationStatus",
        {"Status": ("string", True, False), "TimeStamp": ("datetime", True, False)},
    ),
    "LoadRegister": (
        "getLoad",
        {
            "shedState": ("integer", True, True),
            "portLoad": ("float", True, False),
            "allowedLoad": ("float", True, True),
            "percentShed": ("integer", True, True),
        },
    ),
    "AlarmRegister": (
        "getAlarms",
        {
            "alarmType": ("string", False, False),
            "alarmTime": ("datetime", False, False),
            "clearAlarms": ("integer", False, True),
        },
    ),
    "StationRightsRegister": (
        "getStationRights",
        {"stationRightsProfile": ("dictionary", False, False)},
    ),
    "ChargingSessionRegister": (
        "getChargingSessionData",
        {
            "sessionID": ("string", True, False),
            "startTime": ("datetime", True, False),
            "endTime": ("datetime", True, False),
            "Energy": ("float", True, False),
            "rfidSerialNumber": ("string", True, False),
            "driverAccountNumber": ("string", True, False),
            "driverName": ("string", True, False),
        },
    ),
}
ROWS = [
    (register, call, name, *row)
    for register, (call, rows) in SPECIFIED.items()
    for name, row in rows.items()
]
# The list of getStations; the specification writes the fourth as portNUmber.
STATION_LIST = """
    stationID, stationManufacturer, stationModel, portNumber, stationName, stationMacAddr,
    stationSerialNum, Address, City, State, Country, postalCode, Lat, Long, Reservable, Level,
    Mode, Connector, Voltage, Current, Power, numPorts, Type, startTime, endTime, minPrice,
    maxPrice, unitPricePerHour, unitPricePerSession, unitPricePerKWh, unitPricePerHourThereafter,
    sessionTime, Description, mainPhone, orgID, organizationName, sgID, sgName, currencyCode
""".replace(",", " ").split()
NEW_IN_5_1 = {
    "StationStatusRegister": {"networkStatus", "faultReason"},
    "LoadRegister": {"sessionID", "lastBatteryPercent"},
    "StationRegister": {"networkStatus", "recordNumber", "Connectors"},
    "ChargingSessionRegister": {
        "totalChargingDuration",
        "totalSessionDuration",
        "startBatteryPercentage",
        "stopBatteryPercentage",
        "endedBy",
        "vehicleMake",
        "vehicleModel",
        "vehicleModelYear",
        "vehicleType",
        "vehiclePortMAC",
        "driverOptedOut",
        "driverOptOutTimestamp",
        "paymentTerminalInfo",
    },
}


@pytest.mark.parametrize(("register", "call", "name", "kind", "of_port", "writable"), ROWS)
def test_a_row_of_the_tables(register, call, name, kind, of_port, writable):
    row = CHARGEPOINT.find(register, name)
    assert row is not None
    assert (row.call, row.kind.value, row.writable) == (call, kind, writable)
    assert (row.scope in {Scope.PORT, Scope.SESSION}) == of_port
    assert row.since == "5.0"


@pytest.mark.parametrize("name", STATION_LIST)
def test_a_name_of_the_station_list(name):
    row = CHARGEPOINT.find("StationRegister", name)
    assert row is not None
    assert (row.call, row.writable, row.since) == ("getStations", False, "5.0")
    # "essentially static": asked for once a day unless a row has another currency
    assert row.scrape_interval_s == 86_400


def held_by_replies(call: str) -> set[str]:
    """Every element in the recorded replies of the later versions to a call."""
    replies = sorted(DATA.glob(f"{call}-5.1*.xml"))
    return {etree.QName(each).localname for path in replies for each in etree.parse(path).iter("*")}


@pytest.mark.parametrize("register", CHARGEPOINT.registers)
def test_what_version_5_1_brings(register):
    new = {row.name: row for row in CHARGEPOINT if (row.register, row.since) == (register, "5.1")}
    guide = NEW_IN_5_1.get(register, set())
    assert guide <= set(new)
    # What the guide does not name has been seen: a recorded reply holds it.
    for name in set(new) - guide:
        places = {path.rpartition("/")[2] or name for path in new[name].path}
        assert places & held_by_replies(new[name].call), f"no recorded 5.1 reply holds {name}"


def test_one_row_reads_the_name_of_both_versions():
    for name in ("stationName", "Description"):
        row = CHARGEPOINT.find("StationRegister", name)
        assert row.path == (f"Port/{name}", name)


def test_exactly_these_may_be_written():
    writes = {row.name: row.write for row in CHARGEPOINT if row.writable}
    assert writes == {
        "shedState": "shedLoad, clearShedState",
        "allowedLoad": "shedLoad",
        "limit": "shedLoad, clearShedState",
        "percentShed": "shedLoad",
        "clearAlarms": "clearAlarms",
        "commandLease": "lease",  # kept here; nothing is sent for it
    }


def test_types_are_those_of_the_specification():
    assert {kind.value for kind in Kind} == {
        "string",
        "integer",
        "float",
        "boolean",
        "datetime",
        "dictionary",
    }
