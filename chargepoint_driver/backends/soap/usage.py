"""Replies of getTransactionData and get15minChargingSessionData.

Neither belongs to a register: both are asked on demand, for reports. Values keep the names of
the service. Source: the service description, version 5.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.converters import MEMOS, to_integer, to_string
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT, Batch, Call, Data, Kind
from chargepoint_driver.records import DAMAGED, Event, Unreadable, Value

__all__ = ["INTERVALS", "TRANSACTIONS", "intervals", "transactions"]

TRANSACTIONS = Call(
    CHARGEPOINT.name(Data.TRANSACTIONS),
    (Data.TRANSACTIONS,),
    "transactionData",
    Batch.ACCOUNT,
    currency_s=0,
    absent_is_empty=True,
    page=100,
    time_field="transactionTime",
)
"""The listing of what was billed; pages of 100 records."""

INTERVALS = CHARGEPOINT.name(Data.INTERVALS)
"""The operation that answers for one session."""

_INTERVAL = {
    "stationTime": Kind.DATETIME,
    "energyConsumed": Kind.FLOAT,
    "peakPower": Kind.FLOAT,
    "rollingPowerAvg": Kind.FLOAT,
}
_TRANSACTION = {
    "stationName": Kind.STRING,
    "stationMacAddr": Kind.STRING,
    "organizationName": Kind.STRING,
    "pricingRuleName": Kind.STRING,
    "transactionType": Kind.STRING,
    "transactionID": Kind.STRING,
    "Energy": Kind.FLOAT,
    "transactionTime": Kind.DATETIME,
    "startTime": Kind.DATETIME,
    "endTime": Kind.DATETIME,
    "Currency": Kind.STRING,
    "grossAmount": Kind.FLOAT,
    "flexBillingServiceFee": Kind.FLOAT,
    "netRevenue": Kind.FLOAT,
    "exchangeRateUSD": Kind.FLOAT,
}


def transactions(content: bytes, caller: Caller, call: Call) -> parser.Page:
    """Read one page of transactions. Raises as `parser.read` does."""
    answer, holds_rows, _, mark = parser.read(content, caller)
    elements = answer.findall(f"transactions/{call.record}")
    found = []
    for element in elements if holds_rows else []:
        event = _event(element, element, _TRANSACTION, "transactionTime", mark)
        if event is not None:
            found.append(event)
    return parser.Page(found, len(elements), parser.has_more_pages(answer))


def intervals(content: bytes, caller: Caller) -> list[Event]:
    """Read the intervals of one session, in order of time. Raises as `parser.read` does.

    `energyConsumed` counts from the begin of the session, in kWh. An interval without a readable
    time is left out.
    """
    answer, holds_rows, _, mark = parser.read(content, caller)
    session = to_string(answer.findtext("sessionID"))
    found = []
    for element in answer.iterchildren("fifteenminData") if holds_rows else []:
        event = _event(answer, element, _INTERVAL, "stationTime", mark)
        if event is not None and event.time:
            values = {"sessionID": session, **event.values}
            found.append(Event(event.station_id, event.port, event.time, values))
    return sorted(found, key=lambda event: event.time)


def _event(
    owner: etree._Element,
    element: etree._Element,
    kinds: Mapping[str, Kind],
    time_field: str,
    mark: str,
) -> Event | None:
    """Return the values of an element; `owner` names station and port. None without a station."""
    values: dict[str, Value | Unreadable] = {}
    for name, kind in kinds.items():
        text: Any = element.findtext(name)
        values[name] = DAMAGED if mark and mark in (text or "") else MEMOS[kind][text]
    station_id = to_string(owner.findtext("stationID"))
    port = to_integer(owner.findtext("portNumber"))
    if station_id is None or (mark and mark in station_id) or isinstance(port, Unreadable):
        return None
    time = values[time_field]
    return Event(station_id, port or None, time if isinstance(time, str) else "", values)
