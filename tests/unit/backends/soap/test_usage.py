"""getTransactionData and get15minChargingSessionData: what is sent, and how replies are read."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chargepoint_driver.backend import UsageBackend
from chargepoint_driver.errors import NotFoundError, PermissionDeniedError
from chargepoint_driver.records import Unreadable

from .service import reply

SINCE = datetime(2026, 5, 1, tzinfo=timezone.utc)
UNTIL = datetime(2026, 5, 2, tzinfo=timezone.utc)


def row(number, extra=""):
    return (
        f"<transactionData><stationID>1:1</stationID><portNumber>2</portNumber>"
        f"<transactionID>{number}</transactionID><Energy>7.5</Energy>"
        f"<transactionTime>2026-05-01T0{number}:00:00Z</transactionTime>{extra}</transactionData>"
    )


def page(*rows, more=0):
    inner = f"<transactions>{''.join(rows)}</transactions><MoreFlag>{more}</MoreFlag>"
    return reply("getTransactionData", inner)


def query(service):
    return {child.tag: child.text for child in service.requests[-1].element[0]}


def test_the_backend_offers_both(backend):
    assert isinstance(backend, UsageBackend)


def test_transactions_are_read_page_by_page(backend, service):
    service.answers(page(row(3), row(2), more=1), page(row(1)))
    found = backend.transactions("1:1", SINCE, UNTIL)
    assert [event.values["transactionID"] for event in found] == ["1", "2", "3"]
    assert [(event.station_id, event.port) for event in found] == [("1:1", 2)] * 3
    assert found[0].values["Energy"] == 7.5
    assert query(service) == {
        "stationID": "1:1",
        "fromTransactionTimeStamp": "2026-05-01T00:00:00Z",
        "toTransactionTimeStamp": "2026-05-02T00:00:00Z",
        "startRecord": "3",
        "numTransactions": "100",
    }


def test_money_that_is_missing_or_unreadable_is_no_zero(backend, service):
    service.answers(page(row(1, "<grossAmount/><netRevenue>free</netRevenue>")))
    (event,) = backend.transactions(None, SINCE, None)
    assert event.values["grossAmount"] is None
    assert event.values["netRevenue"] == Unreadable("free")


@pytest.mark.parametrize("code", ["136", "102"])
def test_no_transactions(backend, service, code):
    service.answers(reply("getTransactionData", code=code))
    assert backend.transactions(None, SINCE, UNTIL) == []


def test_intervals_of_one_session(backend, service):
    rows = "".join(
        f"<fifteenminData><stationTime>2026-05-01T0{hour}:15:00Z</stationTime>"
        f"<energyConsumed>{hour}.5</energyConsumed><peakPower>6.6</peakPower></fifteenminData>"
        for hour in (2, 1)
    )
    untimed = "<fifteenminData><energyConsumed>9</energyConsumed></fifteenminData>"
    service.answers(
        reply(
            "get15minChargingSessionData",
            "<sessionID>7</sessionID><stationID>1:1</stationID><portNumber>2</portNumber>"
            f"{rows}{untimed}",
        )
    )
    found = backend.intervals("7")
    assert [event.values["energyConsumed"] for event in found] == [1.5, 2.5]
    assert [event.values["rollingPowerAvg"] for event in found] == [None, None]
    assert {(e.station_id, e.port, e.values["sessionID"]) for e in found} == {("1:1", 2, "7")}
    (request,) = service.requests
    # The total is asked for: that is what the service sends by default.
    assert [(c.tag, c.text) for c in request.element] == [
        ("sessionID", "7"),
        ("energyConsumedInterval", "false"),
    ]


def test_a_session_without_intervals(backend, service):
    service.answers(reply("get15minChargingSessionData", code="136"))
    assert backend.intervals("7") == []
    service.answers(reply("get15minChargingSessionData", code="102"))
    with pytest.raises(NotFoundError):
        backend.intervals("7")
    service.answers(reply("get15minChargingSessionData", code="101"))
    with pytest.raises(PermissionDeniedError):
        backend.intervals("7")


def test_what_is_no_session_is_not_asked_for(backend, service):
    with pytest.raises(NotFoundError, match="write the sessionID"):
        backend.intervals("x")
    assert service.requests == []
