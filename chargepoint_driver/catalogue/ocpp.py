"""The rows of chargers that connect directly over OCPP.

Sources: the driver specification (names and registers that are shared with ChargePoint's table),
its live status (`composite_status` and its neighbours). A path is a place in the
facts that `backends/ocpp/registers.py` makes of a charger, `Port/…` of a connector. To add a
point, add a row.
"""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.catalogue.commanded import commanded
from chargepoint_driver.catalogue.measurands import LINES, MEASURANDS
from chargepoint_driver.catalogue.model import (
    COMMANDS,
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
DATETIME, DICTIONARY = Kind.DATETIME, Kind.DICTIONARY
STATION, PORT, SESSION, ALARM = Scope.STATION, Scope.PORT, Scope.SESSION, Scope.ALARM
OWN = StationValue.OWN

# More stations than one central system has: every question is one look at memory.
_ALL = 1_000_000
_HOUR_S = 3_600

# Nothing is kept: what is asked for is always as new as the last message. One look at a charger in
# memory reports all there is.
STATE = Call(
    "state",
    (Data.STATUS, Data.LOAD, Data.ALARMS, Data.SESSIONS, Data.STATIONS),
    "chargePoint",
    Batch.LIST,
    currency_s=0,
    most=_ALL,
)
CALLS = (STATE,)
# OCPP's names of what a limit is sent by, and taken back.
_SET, _CLEAR = "SetChargingProfile", "ClearChargingProfile"


def _row(
    name: str,
    kind: Kind,
    scope: Scope,
    path: str,
    unit: str = "",
    notes: str = "",
    *,
    write: str = "",
    whole: StationValue = StationValue.NOTHING,
    pushed: bool = True,
    grouped: bool = False,
    formerly: str = "",
) -> Attribute:
    """Return one row; `formerly` is the name that it had in the release before."""
    return Attribute(
        name,
        "",
        "",
        (path,),
        kind,
        scope,
        unit,
        write,
        whole,
        notes=notes,
        since="1.6",
        pushed=pushed,
        grouped=grouped,
        aliases=(formerly,) if formerly else (),
    )


def _own(
    name: str,
    kind: Kind,
    path: str,
    unit: str = "",
    notes: str = "",
    *,
    write: str = "",
    pushed: bool = True,
    grouped: bool = False,
    formerly: str = "",
) -> Attribute:
    """Return a row that a connector and the charge point itself each have their own value of."""
    return _row(
        name,
        kind,
        PORT,
        f"Port/{path}" if path else "",
        unit,
        notes,
        write=write,
        whole=OWN,
        pushed=pushed,
        grouped=grouped,
        formerly=formerly,
    )


_STATUS = rows_of(
    STATE,
    "StationStatusRegister",
    _own("Status", STRING, "status", notes="AVAILABLE, INUSE, UNREACHABLE, UNKNOWN"),
    _own(
        "TimeStamp",
        DATETIME,
        "last_seen",
        notes="last communication of charger and central system",
        pushed=False,
    ),
    _own("ocppStatus", STRING, "ocpp_status", notes="last status as the charger reports it"),
    _own("statusTime", DATETIME, "status_time", notes="of the last status, by the charger"),
    _own("errorCode", STRING, "error_code", notes="NoError when all is well"),
    _own("vendorErrorCode", STRING, "vendor_error_code"),
    _own("errorInfo", STRING, "info"),
    _own(
        "compositeStatus",
        STRING,
        "composite_status",
        notes="up; down when out of reach, inoperative, or with errors in the last hour",
        formerly="composite_status",
    ),
    _own(
        "availableForCharging",
        INTEGER,
        "available_for_charging",
        "1 or -1",
        formerly="available_for_charging",
    ),
    _own(
        "requiresMaintenance",
        INTEGER,
        "requires_maintenance",
        "1 or -1",
        "1 after errors in the last hour, and while Faulted",
        formerly="requires_maintenance",
    ),
    _own(
        "outOfService",
        INTEGER,
        "out_of_service",
        "1 or -1",
        "1 while Unavailable without an error, by a command or the charger's decision",
        formerly="out_of_service",
    ),
    _row("Connected", INTEGER, STATION, "connected", "0 or 1", formerly="connected"),
    _row("connectedSince", DATETIME, STATION, "connected_since"),
    _row("lastSeen", DATETIME, STATION, "last_seen", notes="last message or pong", pushed=False),
    _row("bootTime", DATETIME, STATION, "boot_time"),
    _row("ocppVersion", STRING, STATION, "ocpp_version"),
    data=Data.STATUS,
)

_MEASURED = tuple(
    _row(
        row.point,
        FLOAT,
        PORT,
        f"Port/{row.shown or row.field}",
        row.unit,
        ": ".join(filter(None, (row.name, row.notes))),
        formerly=row.formerly,
    )
    for row in MEASURANDS
    if row.point
)
_PHASES = tuple(
    _row(f"{row.line_point}{line}", FLOAT, PORT, f"Port/phases/{line}/{row.of_lines}", unit)
    for row in MEASURANDS
    if row.line_point
    for line in LINES
    for unit in (row.unit or "kW",)
)

_LOAD = rows_of(
    STATE,
    "LoadRegister",
    _row(
        "shedState",
        INTEGER,
        PORT,
        "Port/shed",
        "0 or 1",
        "1 while a limit of ours is in force, of the connector or of the charger; None while "
        "one was sent, got no answer, and may be",
        write=f"{_SET}, {_CLEAR}",
        whole=StationValue.ANY,
        grouped=True,
    ),
    _row(
        "portLoad",
        FLOAT,
        PORT,
        "Port/load_kw",
        "kW",
        "negative while the vehicle feeds back",
    ),
    _row(
        "energyNeeded",
        FLOAT,
        PORT,
        "Port/needs/energy_kwh",
        "kWh",
        "energy that the vehicle asks for (2.x NotifyEVChargingNeeds)",
    ),
    _row(
        "departureTime",
        DATETIME,
        PORT,
        "Port/needs/departure",
        notes="planned departure of the vehicle (2.x NotifyEVChargingNeeds)",
    ),
    _row(
        "portLoadEstimated",
        INTEGER,
        PORT,
        "Port/load_estimated",
        "0 or 1",
        "1 when the load is calculated from voltage and current, or from the register",
    ),
    _row(
        "portLoadSuspect",
        INTEGER,
        PORT,
        "Port/load_suspect",
        "0 or 1",
        "1 when portLoad is more than 1.5 times the rated power; None without a rated power",
    ),
    _own(
        "allowedLoad",
        FLOAT,
        "allowed_kw",
        "kW",
        "limit in force, as requested, while the charger obeys it; None without",
        write=_SET,
        grouped=True,
    ),
    _own(
        "percentShed",
        INTEGER,
        "percent_shed",
        "percent",
        "share of shedBaseLoad that is shed; None without such a limit",
        write=_SET,
        grouped=True,
    ),
    _row("stationLoad", FLOAT, STATION, "load_kw", "kW", "None unless every connector has a load"),
    _own("requestedLoad", FLOAT, "limit/requested_kw", "kW", "the requested limit"),
    _own("acceptedLoad", FLOAT, "limit/accepted_kw", "kW", "the limit that the charger accepted"),
    _own(
        "confirmedLoad",
        FLOAT,
        "limit/confirmed_kw",
        "kW",
        "limit that the charger shows to be in force; None if the load contradicts it",
    ),
    _own("confirmedBy", STRING, "limit/confirmed_by", notes="composite, offered or load"),
    _own(
        "effectiveLoad",
        FLOAT,
        "limit/effective_kw",
        "kW",
        "confirmed, else accepted; never less than the load measured since",
    ),
    _own("limitRefused", STRING, "limit/refused", notes="the answer to a limit that was refused"),
    _own("limitUntil", DATETIME, "limit/until", notes="end of the limit"),
    _own("shedBaseLoad", FLOAT, "limit/base_kw", "kW", "load that percentShed is a share of"),
    *_MEASURED,
    _row("meterTime", DATETIME, PORT, "Port/meter_time", pushed=False),
    *_PHASES,
    *(replace(row, pushed=True) for row in commanded(STATE, f"{_SET}, {_CLEAR}")),
    data=Data.LOAD,
)

_ALARMS = rows_of(
    STATE,
    "AlarmRegister",
    _row("alarmType", STRING, ALARM, "alarm/type", notes="newest error code, also a vendor's"),
    _row("alarmTime", DATETIME, ALARM, "alarm/time", notes="when it was received"),
    _row(
        "clearAlarms",
        INTEGER,
        ALARM,
        "",
        "0 or 1",
        "writing 1 clears the present alarms; always reads 0",
        write="clearAlarms",
        pushed=False,
    ),
    data=Data.ALARMS,
)

_SESSIONS = rows_of(
    STATE,
    "ChargingSessionRegister",
    _row("sessionID", STRING, SESSION, "session/id"),
    _row("startTime", DATETIME, SESSION, "session/start"),
    _row("endTime", DATETIME, SESSION, "session/end", notes="not reported while it lasts"),
    _row("Energy", FLOAT, SESSION, "session/energy_kwh", "kWh"),
    _row("rfidSerialNumber", STRING, SESSION, "session/id_tag", notes="idTag; personal data"),
    _row("endedBy", STRING, SESSION, "session/reason"),
    data=Data.SESSIONS,
)

_STATIONS = rows_of(
    STATE,
    "StationRegister",
    _row("stationID", STRING, STATION, "id"),
    _row("stationManufacturer", STRING, STATION, "boot/vendor"),
    _row("stationModel", STRING, STATION, "boot/model"),
    _row("stationSerialNum", STRING, STATION, "boot/serial"),
    _row("firmwareVersion", STRING, STATION, "boot/firmware"),
    _row("numPorts", INTEGER, STATION, "connector_count"),
    _row("sgID", STRING, STATION, "station_groups", notes="station_groups, separated by commas"),
    _row("portNumber", INTEGER, PORT, "Port/connector_id"),
    _own("Voltage", FLOAT, "nominal_v", "V", "of the configuration"),
    _own("Phases", INTEGER, "phase_count", notes="of the configuration", formerly="phases"),
    _own("Power", FLOAT, "rated_kw", "kW", "of a connector, of the configuration"),
    _row(
        "Configuration",
        DICTIONARY,
        STATION,
        "configuration",
        notes="the charger's settings, without secrets",
        formerly="configuration",
    ),
    data=Data.STATIONS,
    scrape_interval_s=_HOUR_S,
)

_COMMANDS = rows_of(
    STATE,
    COMMANDS,
    _own("remoteStart", STRING, "", "", "idTag to start with", write="remoteStart", pushed=False),
    _own(
        "remoteStop",
        INTEGER,
        "",
        "0 or 1",
        "writing 1 ends the transaction",
        write="remoteStop",
        pushed=False,
    ),
    _own(
        "Availability",
        INTEGER,
        "availability",
        "0 or 1",
        "1 in service, 0 out of service",
        write="availability",
        formerly="availability",
    ),
    _row(
        "Reset",
        STRING,
        STATION,
        "",
        "",
        "Soft or Hard",
        write="reset",
        pushed=False,
        formerly="reset",
    ),
    _own(
        "chargingPlan",
        STRING,
        "plan",
        "",
        "limits of the next days as JSON, stored in the charger; empty removes it",
        write="chargingPlan",
    ),
    _row(
        "Unlock",
        INTEGER,
        PORT,
        "",
        "0 or 1",
        "writing 1 releases the plug",
        write="unlock",
        pushed=False,
        formerly="unlock",
    ),
    data=Data.STATUS,
)

ATTRIBUTES = (*_STATUS, *_LOAD, *_ALARMS, *_SESSIONS, *_STATIONS, *_COMMANDS)
