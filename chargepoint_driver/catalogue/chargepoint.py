"""The rows of ChargePoint's web services, 5.0 with what 5.1 brings.

Sources: the driver specification (names, registers, types), the service's description
(places in the replies), live use of 5.1 (rows marked `since="5.1"`; on 5.0 they are not
reported). To add a point, add a row and record a reply that holds it.
"""

from __future__ import annotations

from chargepoint_driver.catalogue.commanded import commanded
from chargepoint_driver.catalogue.model import (
    Attribute,
    Batch,
    Call,
    Data,
    Kind,
    Scope,
    StationValue,
    rows_of,
)

STRING, INTEGER, FLOAT = Kind.STRING, Kind.INTEGER, Kind.FLOAT
BOOLEAN, DATETIME, DICTIONARY = Kind.BOOLEAN, Kind.DATETIME, Kind.DICTIONARY
STATION, PORT, SESSION, ALARM = Scope.STATION, Scope.PORT, Scope.SESSION, Scope.ALARM

_DAY_S = 86_400

# The currency of live data is half of the default poll of 60 s. If both were equal, the reply of
# one poll would still be current at the next, and every second poll would repeat it.
CALLS = (
    Call("getStationStatus", (Data.STATUS,), "stationData", Batch.LIST, currency_s=30),
    Call("getLoad", (Data.LOAD,), "stationData", Batch.GROUP, currency_s=30),
    Call(
        "getAlarms",
        (Data.ALARMS,),
        "Alarms",
        Batch.ACCOUNT,
        currency_s=240,
        scrape_interval_s=300,
        absent_is_empty=True,
        page=100,
        time_field="alarmTime",
    ),
    Call(
        "getChargingSessionData",
        (Data.SESSIONS,),
        "ChargingSessionData",
        Batch.ACCOUNT,
        currency_s=240,
        scrape_interval_s=300,
        absent_is_empty=True,
        page=100,
        time_field="startTime",
    ),
    Call(
        "getStationRights",
        (Data.RIGHTS,),
        "rightsData",
        Batch.ACCOUNT,
        currency_s=_DAY_S,
        scrape_interval_s=_DAY_S,
        absent_is_empty=True,
    ),
    Call(
        "getStations",
        (Data.STATIONS,),
        "stationData",
        Batch.ACCOUNT,
        currency_s=_DAY_S,
        scrape_interval_s=_DAY_S,
    ),
)
NAMES = {Data.INTERVALS: "get15minChargingSessionData", Data.TRANSACTIONS: "getTransactionData"}
_CALLS = {call.name: call for call in CALLS}


def _rows(register: str, call: str, *rows: Attribute) -> tuple[Attribute, ...]:
    return rows_of(_CALLS[call], register, *rows)


def _row(
    name: str,
    kind: Kind,
    scope: Scope,
    *path: str,
    unit: str = "",
    write: str = "",
    whole: StationValue = StationValue.NOTHING,
    since: str = "5.0",
    notes: str = "",
    grouped: bool = False,
) -> Attribute:
    """One row; without a path the element is named like the attribute."""
    place = path or ((f"Port/{name}",) if scope is PORT else (name,))
    return Attribute(
        name,
        "",
        "",
        place,
        kind,
        scope,
        unit,
        write,
        whole,
        None,
        0.0,
        since,
        notes,
        False,
        grouped,
    )


_STATUS = _rows(
    "StationStatusRegister",
    "getStationStatus",
    _row("Status", STRING, PORT, notes="AVAILABLE, INUSE, UNREACHABLE, UNKNOWN"),
    _row("TimeStamp", DATETIME, PORT, notes="last communication of station and ChargePoint"),
    _row("faultReason", STRING, PORT, since="5.1", notes="NONE when all is well"),
    _row("networkStatus", STRING, STATION, since="5.1"),
)

_LOAD = _rows(
    "LoadRegister",
    "getLoad",
    _row(
        "shedState",
        INTEGER,
        PORT,
        unit="0 or 1",
        write="shedLoad, clearShedState",
        whole=StationValue.ANY,
        notes="1 when load shed limits are in place",
        grouped=True,
    ),
    _row("portLoad", FLOAT, PORT, unit="kW"),
    _row(
        "allowedLoad",
        FLOAT,
        PORT,
        unit="kW",
        write="shedLoad",
        whole=StationValue.SAME,
        notes="ceiling while shedState is 1; 0 also when shed by per cent or not at all",
        grouped=True,
    ),
    _row(
        "percentShed",
        INTEGER,
        PORT,
        unit="percent",
        write="shedLoad",
        whole=StationValue.SAME,
        notes="shed share of the power at the time of the command",
        grouped=True,
    ),
    _row("stationLoad", FLOAT, STATION, unit="kW", notes="sum of the station's ports"),
    _row("sessionID", STRING, PORT, since="5.1", notes="0 when nobody charges"),
    _row("lastBatteryPercent", FLOAT, PORT, unit="percent", since="5.1"),
    *commanded(_CALLS["getLoad"], "shedLoad, clearShedState"),
)

_ALARMS = _rows(
    "AlarmRegister",
    "getAlarms",
    _row("alarmType", STRING, ALARM, notes="newest alarm, for example 'GFCI Trip'"),
    _row("alarmTime", DATETIME, ALARM),
    _row(
        "clearAlarms",
        INTEGER,
        ALARM,
        "",
        unit="0 or 1",
        write="clearAlarms",
        notes="writing 1 clears all alarms of the station; always reads 0",
    ),
)

_RIGHTS = _rows(
    "StationRightsRegister",
    "getStationRights",
    _row("stationRightsProfile", DICTIONARY, STATION, notes="station group id to profile name"),
)

_SESSIONS = _rows(
    "ChargingSessionRegister",
    "getChargingSessionData",
    _row("sessionID", STRING, SESSION),
    _row("startTime", DATETIME, SESSION),
    _row("endTime", DATETIME, SESSION, notes="not reported while the session lasts"),
    _row("Energy", FLOAT, SESSION, unit="kWh"),
    _row("userID", STRING, SESSION, notes="personal data"),
    _row("credentialID", STRING, SESSION, notes="personal data"),
    _row("rfidSerialNumber", STRING, SESSION, notes="not in replies of 5.0: see credentialID"),
    _row("driverAccountNumber", STRING, SESSION, notes="not in replies of 5.0: see userID"),
    _row("driverName", STRING, SESSION, notes="not in replies of 5.0; personal data"),
    _row("totalChargingDuration", STRING, SESSION, unit="hh:mm:ss", since="5.1"),
    _row("totalSessionDuration", STRING, SESSION, unit="hh:mm:ss", since="5.1"),
    _row("startBatteryPercentage", FLOAT, SESSION, unit="percent", since="5.1"),
    _row("stopBatteryPercentage", FLOAT, SESSION, unit="percent", since="5.1"),
    _row("endedBy", STRING, SESSION, since="5.1"),
    _row("vehicleMake", STRING, SESSION, since="5.1"),
    _row("vehicleModel", STRING, SESSION, since="5.1"),
    _row("vehicleModelYear", STRING, SESSION, since="5.1"),
    _row("vehicleType", STRING, SESSION, since="5.1"),
    _row("vehiclePortMAC", STRING, SESSION, since="5.1", notes="personal data"),
    _row("driverOptedOut", STRING, SESSION, since="5.1"),
    _row("driverOptOutTimestamp", DATETIME, SESSION, since="5.1"),
    _row("paymentTerminalInfo", STRING, SESSION, since="5.1"),
)

_MONEY = "currencyCode"
_STATIONS = _rows(
    "StationRegister",
    "getStations",
    _row("stationID", STRING, STATION),
    _row("stationManufacturer", STRING, STATION),
    _row("stationModel", STRING, STATION),
    _row("portNumber", INTEGER, PORT),
    _row("stationName", STRING, PORT, "Port/stationName", "stationName", whole=StationValue.SAME),
    _row("stationMacAddr", STRING, STATION),
    _row("stationSerialNum", STRING, STATION),
    _row("stationActivationDate", DATETIME, STATION),
    _row("Address", STRING, STATION),
    _row("City", STRING, STATION),
    _row("State", STRING, STATION),
    _row("Country", STRING, STATION),
    _row("postalCode", STRING, STATION),
    _row("Lat", FLOAT, PORT, "Port/Geo/Lat", unit="degrees"),
    _row("Long", FLOAT, PORT, "Port/Geo/Long", unit="degrees"),
    _row("Reservable", BOOLEAN, PORT),
    _row("Status", STRING, PORT, notes="as in the station list; see StationStatusRegister"),
    _row("timeStamp", DATETIME, PORT),
    _row("Level", STRING, PORT, notes="L1, L2 or DC"),
    _row("Mode", INTEGER, PORT),
    _row("Connector", STRING, PORT, notes="for example J1772 or NEMA 5-20R"),
    _row("Connectors", DICTIONARY, PORT, since="5.1"),
    _row("Voltage", FLOAT, PORT, unit="V"),
    _row("Current", FLOAT, PORT, unit="A"),
    _row("Power", FLOAT, PORT, unit="kW"),
    _row("estimatedCost", FLOAT, PORT, unit=_MONEY),
    _row("numPorts", INTEGER, STATION),
    _row("Type", STRING, STATION, "Pricing/Type", notes="of the first pricing specification"),
    _row("startTime", STRING, STATION, "Pricing/startTime", unit="hh:mm:ss", notes="time of day"),
    _row("endTime", STRING, STATION, "Pricing/endTime", unit="hh:mm:ss", notes="time of day"),
    _row("minPrice", FLOAT, STATION, "Pricing/minPrice", unit=_MONEY),
    _row("maxPrice", FLOAT, STATION, "Pricing/maxPrice", unit=_MONEY),
    _row("initialUnitPriceDuration", INTEGER, STATION, "Pricing/initialUnitPriceDuration"),
    _row("unitPricePerHour", FLOAT, STATION, "Pricing/unitPricePerHour", unit=_MONEY),
    _row("unitPricePerSession", FLOAT, STATION, "Pricing/unitPricePerSession", unit=_MONEY),
    _row("unitPricePerKWh", FLOAT, STATION, "Pricing/unitPricePerKWh", unit=_MONEY),
    _row(
        "unitPriceForFirst",
        FLOAT,
        STATION,
        "Pricing/unitPriceForFirst",
        unit=_MONEY,
        notes="of older versions of the service",
    ),
    _row(
        "unitPricePerHourThereafter",
        FLOAT,
        STATION,
        "Pricing/unitPricePerHourThereafter",
        unit=_MONEY,
    ),
    _row("sessionTime", STRING, STATION, "Pricing/sessionTime"),
    _row("Description", STRING, PORT, "Port/Description", "Description", whole=StationValue.SAME),
    _row("mainPhone", STRING, STATION),
    _row("driverName", STRING, STATION, notes="personal data"),
    _row("driverAddress", STRING, STATION, notes="personal data"),
    _row("driverEmail", STRING, STATION, notes="personal data"),
    _row("driverPhoneNumber", STRING, STATION, notes="personal data"),
    _row("lastModifiedDate", DATETIME, STATION),
    _row("modTimeStamp", DATETIME, STATION),
    _row("timezoneOffset", STRING, STATION),
    _row("orgID", STRING, STATION),
    _row("organizationName", STRING, STATION),
    _row("sgID", STRING, STATION, notes="comma-separated where the station has several groups"),
    _row("sgName", STRING, STATION),
    _row("currencyCode", STRING, STATION),
    _row("networkStatus", STRING, STATION, since="5.1"),
    _row("recordNumber", INTEGER, STATION, since="5.1"),
)

ATTRIBUTES = (*_STATUS, *_LOAD, *_ALARMS, *_RIGHTS, *_SESSIONS, *_STATIONS)
