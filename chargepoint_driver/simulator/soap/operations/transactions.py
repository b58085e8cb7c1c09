"""getTransactionData: what the ended sessions cost, oldest first."""

from __future__ import annotations

from ...world.site import Tariff
from ...world.world import StationSession
from ..call import Call, page_size
from ..codes import NO_SESSIONS, RefusalError
from ..reply import Element, kwh, nest, put, response
from .select import search

TRANSACTIONS_A_PAGE = 100
SERVICE_FEE_SHARE = 0.10
PRICING_RULE = "Workplace tariff"
SESSION = "Session"

FIELDS = frozenset(
    {
        "fromTransactionTimeStamp",
        "numTransactions",
        "orgID",
        "organizationName",
        "pricingRuleName",
        "startRecord",
        "stationID",
        "stationMacAddr",
        "stationName",
        "toTransactionTimeStamp",
        "transactionID",
        "transactionType",
    }
)


def get_transaction_data(call: Call) -> Element:
    """Return the transactions within the window, of the stations the filters leave.

    A transaction is made when its session ends. There are no reservations in this world.
    """
    query = call.query.need("searchQuery").allow(FIELDS)
    stations = search(call.world, query)
    from_s = query.time_s("fromTransactionTimeStamp")
    to_s = query.time_s("toTransactionTimeStamp")
    wanted = query.integer("transactionID")
    ended = [
        (end_s, entry)
        for entry in call.world.sessions(stations, from_s)
        if (end_s := entry.session.end_s) is not None
        and (from_s is None or end_s >= from_s)
        and (to_s is None or end_s <= to_s)
        and wanted in (None, entry.session.visit.session_id)
    ]
    others = query.text("transactionType") not in (None, SESSION)
    if others or query.text("pricingRuleName") not in (None, PRICING_RULE) or not ended:
        raise RefusalError(NO_SESSIONS, "No transaction data found.")
    ended.sort(key=lambda pair: pair[0])
    size = page_size(query.integer("numTransactions"), TRANSACTIONS_A_PAGE)
    page = call.page(query, ended, size)
    reply = response(call.operation)
    rows = nest(reply, "transactions")
    for number, (end_s, entry) in page.numbered():
        _describe(call, nest(rows, "transactionData"), entry, end_s, number)
    put(reply, "MoreFlag", page.more_flag)
    return reply


def _describe(call: Call, data: Element, entry: StationSession, end_s: float, number: int) -> None:
    station, session = entry.station, entry.session
    gross = _price(station.tariff, session.energy_kwh, end_s - session.start_s)
    fee = round(gross * SERVICE_FEE_SHARE, 2)
    put(data, "stationID", station.station_id)
    put(data, "stationName", station.name)
    put(data, "stationMacAddr", station.nameplate.mac_address)
    put(data, "portNumber", entry.port.number)
    put(data, "organizationName", station.organisation.name)
    put(data, "pricingRuleName", PRICING_RULE)
    put(data, "transactionType", SESSION)
    put(data, "transactionID", session.visit.session_id)
    put(data, "Energy", kwh(session.energy_kwh))
    put(data, "transactionTime", call.stamp(end_s))
    put(data, "startTime", call.stamp(session.start_s))
    put(data, "endTime", call.stamp(end_s))
    put(data, "Currency", "USD")
    put(data, "grossAmount", f"{gross:.2f}")
    put(data, "flexBillingServiceFee", f"{fee:.2f}")
    put(data, "netRevenue", f"{gross - fee:.2f}")
    put(data, "exchangeRateUSD", "1.0")
    put(data, "recordNumber", number)


def _price(tariff: Tariff, energy_kwh: float, stay_s: float) -> float:
    """Dollars: by session, energy and time, within the tariff's bounds."""
    price = tariff.per_session + tariff.per_kwh * energy_kwh + tariff.per_hour * stay_s / 3600
    return round(min(max(price, tariff.min_price), tariff.max_price), 2)
