"""Quarter hours and transactions of the simulated service."""

from __future__ import annotations

import pytest

from chargepoint_driver.simulator.world.charging import ChargeCurve
from chargepoint_driver.simulator.world.intervals import INTERVAL_S, Span, intervals

from ..conftest import Client

QUARTER_S = INTERVAL_S
CURVE = ChargeCurve(max_kw=8.0, floor_kw=1.0, knee_kwh=50.0, full_kwh=60.0)


def test_intervals_end_at_the_quarter_hours_and_at_the_end_of_the_session():
    spans = [Span(100.0, 0.0, 8.0)]
    found = intervals(CURVE, spans, 100.0, 2 * QUARTER_S + 50.0)
    assert [row.end_s for row in found] == [QUARTER_S, 2 * QUARTER_S, 2 * QUARTER_S + 50.0]
    assert [row.peak_kw for row in found] == [8.0, 8.0, 8.0]
    assert sum(row.energy_kwh for row in found) == pytest.approx(found[-1].total_kwh)
    # A whole quarter hour of 8 kW; in the first one, less: the average is of 15 minutes.
    assert found[1].average_kw == pytest.approx(8.0)
    assert found[0].average_kw == pytest.approx(8.0 * (QUARTER_S - 100) / QUARTER_S)
    assert intervals(CURVE, spans, 100.0, 100.0) == []


def test_a_limit_within_an_interval_shows_in_energy_and_peak():
    half = QUARTER_S / 2
    spans = [Span(0.0, 0.0, 8.0), Span(half, 1.0, 2.0)]
    first, second = intervals(CURVE, spans, 0.0, 2.0 * QUARTER_S)
    assert (first.peak_kw, second.peak_kw) == (8.0, 2.0)
    assert first.energy_kwh == pytest.approx(1.25)
    assert second.energy_kwh == pytest.approx(0.5)
    assert second.average_kw == pytest.approx(2.0)


def energies(reply):
    return [float(text) for text in reply.texts("fifteenminData/energyConsumed")]


def test_a_session_that_is_shed_and_ends(client: Client) -> None:
    world, clock = client.simulator.world, client.simulator.world.clock
    sessions = client.search("getChargingSessionData").rows("ChargingSessionData")
    running = next(row for row in sessions if row.find("endTime") is None)
    session_id = running.findtext("sessionID")
    station, port = running.findtext("stationID"), int(running.findtext("portNumber"))
    clock.advance(1800)
    shed = f"<shedStation><stationID>{station}</stationID><percentShedPerStation>100"
    inner = f"<shedQuery>{shed}</percentShedPerStation></shedStation><timeInterval>0"
    assert client.call("shedLoad", f"{inner}</timeInterval></shedQuery>").code == "100"
    clock.advance(3600)
    body = f"<sessionID>{session_id}</sessionID>"
    totals = energies(client.call("get15minChargingSessionData", body))
    peaks = [
        float(text)
        for text in client.call("get15minChargingSessionData", body).texts(
            "fifteenminData/peakPower"
        )
    ]
    assert peaks[-1] == 0.0
    assert max(peaks) > 0
    assert totals == sorted(totals)
    within = energies(
        client.call(
            "get15minChargingSessionData",
            f"{body}<energyConsumedInterval>true</energyConsumedInterval>",
        )
    )
    assert sum(within) == pytest.approx(totals[-1], abs=1e-4)
    assert within[-1] == 0.0
    ended = world.unplug(station, port)
    assert totals[-1] == pytest.approx(ended.energy_kwh, abs=1e-6)
    # It ended just now, and was billed.
    again = energies(client.call("get15minChargingSessionData", body))
    assert again == totals
    bill = client.search("getTransactionData", transactionID=session_id)
    assert bill.texts("transactions/transactionData/transactionID") == [session_id]


def test_what_is_asked_wrongly(client: Client) -> None:
    assert client.call("get15minChargingSessionData", "").fault == "soapenv:Client"
    unknown = "<sessionID>5</sessionID>"
    assert client.call("get15minChargingSessionData", unknown).code == "136"
    assert client.search("getTransactionData", unknown=1).fault == "soapenv:Client"
    assert client.search("getTransactionData", transactionType="Reservation").code == "136"


def test_transactions_are_those_of_ended_sessions_in_the_window(client: Client) -> None:
    client.simulator.world.clock.advance(2 * 86_400)
    sessions = client.search("getChargingSessionData").rows("ChargingSessionData")
    ends = {
        row.findtext("sessionID"): row.findtext("endTime")
        for row in sessions
        if row.find("endTime") is not None
    }
    first = client.search("getTransactionData", numTransactions=1)
    assert len(first.rows("transactions/transactionData")) == 1
    assert first.texts("MoreFlag") == ["1"]
    every = client.search("getTransactionData")
    found = dict(
        zip(
            every.texts("transactions/transactionData/transactionID"),
            every.texts("transactions/transactionData/transactionTime"),
            strict=True,
        )
    )
    assert found == ends
    times = sorted(ends.values())
    late = client.search("getTransactionData", fromTransactionTimeStamp=times[-1])
    assert late.texts("transactions/transactionData/transactionTime")[-1] == times[-1]
    early = client.search("getTransactionData", toTransactionTimeStamp="2001-01-01T00:00:00Z")
    assert early.code == "136"
