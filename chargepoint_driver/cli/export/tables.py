"""The tables of an export: the one place of their columns, units and meanings.

Writers, data dictionary and documentation are made from it. To add a column, add it here, and
fill it where the rows are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chargepoint_driver.catalogue.measurands import LINES, MEASURANDS

__all__ = ["TABLES", "Column", "Table"]

Kind = Literal["text", "integer", "number", "time", "truth"]


@dataclass(frozen=True)
class Column:
    """One column. `unit` is '' for none. `is_personal`: tells who somebody is."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    is_personal: bool = False


@dataclass(frozen=True)
class Table:
    """One table. An empty cell means not reported, in every column."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    def chosen(self, personal: bool) -> Sequence[Column]:
        """Return the columns of an export: those that tell who somebody is only on demand."""
        return [column for column in self.columns if personal or not column.is_personal]


_STATION = Column("station", "text", "id of the station or charger")
_PORT = Column("port", "integer", "number of the port, connector or EVSE; empty: the whole station")

# Units by the end of a field's name, where they are written in another way.
_UNITS = {
    "kw": "kW", "wh": "Wh", "v": "V", "a": "A", "c": "degrees Celsius", "hz": "Hz", "factor": "1",
}  # fmt: skip


def _unit(field: str) -> str:
    end = field.rpartition("_")[2]
    return _UNITS.get(end, end)


_MEASURED = tuple(
    Column(row.field, "number", f"{row.name}; {row.lines.value}", _unit(row.field))
    for row in MEASURANDS
)
_OF_LINES = tuple(
    Column(f"{row.of_lines}_{line.lower()}", "number", f"{row.name} of {line}", _unit(row.of_lines))
    for row in MEASURANDS
    if row.of_lines
    for line in LINES
)

SESSIONS = Table(
    "sessions",
    "charging sessions that touch the time, oldest first",
    (
        _STATION,
        _PORT,
        Column("session_id", "text", "id of the session in this software or at the service"),
        Column("transaction_id", "text", "id that the charger uses (OCPP), for meter_values"),
        Column("start", "time", "begin of the session"),
        Column("end", "time", "end of the session; empty while it lasts"),
        Column("duration_s", "number", "end less start", "s"),
        Column("energy_kwh", "number", "energy delivered", "kWh"),
        Column("energy_is_minimum", "truth", "a register was reset: more was delivered (OCPP)"),
        Column("meter_start_wh", "number", "register at the begin (OCPP)", "Wh"),
        Column("meter_stop_wh", "number", "register at the end (OCPP)", "Wh"),
        Column("state", "text", "active, completed, lost or orphan (OCPP)"),
        Column("ended_by", "text", "reason of the end (OCPP), or who ended it (ChargePoint 5.1)"),
        Column("start_battery_percent", "number", "state of charge at the begin", "percent"),
        Column("stop_battery_percent", "number", "state of charge at the end", "percent"),
        Column("id_tag", "text", "idTag (OCPP) or credential", is_personal=True),
        Column("user_id", "text", "user account at the service", is_personal=True),
    ),
)
METER_VALUES = Table(
    "meter_values",
    "samples of the chargers' meters (OCPP), in the order in which they were received",
    (
        _STATION,
        _PORT,
        Column("transaction_id", "text", "id that the charger uses; empty outside a session"),
        Column("time", "time", "moment of measuring, by the charger's clock"),
        Column("received", "time", "moment of receipt"),
        Column("event_id", "integer", "number of the stored message; it grows with receipt"),
        Column("load_estimated", "truth", "load_kw is worked out from voltage and current"),
        *_MEASURED,
        *_OF_LINES,
    ),
)
LIMITS = Table(
    "limits",
    "limits that are known at the moment of the export",
    (
        _STATION,
        _PORT,
        Column("time", "time", "when it was written (OCPP), or read (ChargePoint)"),
        Column("until", "time", "end of the limit; empty: none is known"),
        Column("shed_state", "truth", "true if the service reports a limit in force"),
        Column("allowed_load_kw", "number", "ceiling that was commanded or is reported", "kW"),
        Column("percent_shed", "number", "share of the load to be shed", "percent"),
        Column("requested_kw", "number", "what was sent to the charger (OCPP)", "kW"),
        Column("accepted_kw", "number", "what the charger accepted (OCPP)", "kW"),
        Column("confirmed_kw", "number", "what the charger reports as its limit (OCPP)", "kW"),
        Column("contradicted", "truth", "the load was above it for too long (OCPP)"),
        Column("load_kw", "number", "load at that moment (ChargePoint)", "kW"),
    ),
)
WRITES = Table(
    "writes",
    "commands that were written through this software, oldest first (from command_file)",
    (
        _STATION,
        _PORT,
        Column("station_group", "text", "station group; empty: none"),
        Column("time", "time", "moment of the write"),
        Column("point", "text", "attribute that was written"),
        Column("value", "text", "value that was written"),
        Column("writer", "text", "identity of the agent; empty: not known"),
        Column("outcome", "text", "sent, staged, or the code of an error"),
    ),
)
SHEDS = Table(
    "sheds",
    "results of commanded limits, in order, from the stored events; they are stored where the "
    "account has sinks",
    (
        _STATION,
        _PORT,
        Column("time", "time", "moment of the change"),
        Column("status", "text", "shedStatus from then on: pending, in force, released, ..."),
        Column("allowed_load_kw", "number", "ceiling that is commanded", "kW"),
        Column("percent_shed", "number", "share of the load to be shed", "percent"),
        Column("station_group", "text", "station group whose total it is a share of; empty: none"),
        Column("note", "text", "what went wrong"),
        Column("event_id", "integer", "number of the stored message; it grows with receipt"),
    ),
)
INTERVALS = Table(
    "intervals",
    "quarter hours of the sessions, from ChargePoint's service",
    (
        _STATION,
        _PORT,
        Column("session_id", "text", "id of the session at the service"),
        Column("time", "time", "end of the interval"),
        Column("energy_total_kwh", "number", "energy since the begin of the session", "kWh"),
        Column("energy_kwh", "number", "energy since the row before", "kWh"),
        Column("peak_kw", "number", "highest power of the interval", "kW"),
        Column("average_kw", "number", "rolling average of the power", "kW"),
    ),
)
TRANSACTIONS = Table(
    "transactions",
    "what was billed, from ChargePoint's service",
    (
        _STATION,
        _PORT,
        Column("transaction_id", "text", "id of the transaction; of a session, the session's"),
        Column("kind", "text", "Session, Reservation, Reservation Cancel, ..."),
        Column("time", "time", "moment of billing"),
        Column("start", "time", "begin"),
        Column("end", "time", "end"),
        Column("energy_kwh", "number", "energy delivered", "kWh"),
        Column("gross_amount", "number", "what the driver paid", "currency"),
        Column("service_fee", "number", "fee of the service", "currency"),
        Column("net_revenue", "number", "what the owner gets", "currency"),
        Column("currency", "text", "ISO 4217 code"),
        Column("exchange_rate_usd", "number", "US dollars for one unit of the currency", "USD"),
        Column("pricing_rule", "text", "name of the pricing rule"),
    ),
)

TABLES = {
    table.name: table
    for table in (SESSIONS, METER_VALUES, LIMITS, SHEDS, WRITES, INTERVALS, TRANSACTIONS)
}
"""Name to table, in the order of an export."""
