"""Rows from ChargePoint's service. Each table states its cost in calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from chargepoint_driver.catalogue import Data
from chargepoint_driver.cli.export import values
from chargepoint_driver.cli.export.writers import Row
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import Event
from chargepoint_driver.service import Service

__all__ = ["intervals", "limits", "sessions", "transactions"]


def sessions(found: Iterable[Event]) -> Iterator[Row]:
    """Sessions of a listing, at one call for each 100."""
    for event in found:
        of = event.values
        start, end = values.time(of.get("startTime")), values.time(of.get("endTime"))
        yield {
            "station": event.station_id,
            "port": event.port,
            "session_id": values.text(of.get("sessionID")),
            "start": start,
            "end": end,
            "duration_s": (end - start).total_seconds() if start and end else None,
            "energy_kwh": values.number(of.get("Energy")),
            "ended_by": values.text(of.get("endedBy")),
            "start_battery_percent": values.number(of.get("startBatteryPercentage")),
            "stop_battery_percent": values.number(of.get("stopBatteryPercentage")),
            "id_tag": values.text(of.get("credentialID") or of.get("rfidSerialNumber")),
            "user_id": values.text(of.get("userID") or of.get("driverAccountNumber")),
        }


def limits(service: Service, station: str | None) -> Iterator[Row]:
    """Return what each port reports of its load and limit now: the calls of one reading. Raises
    the error of a station that does not answer."""
    stations = [record.station_id for record in service.stations()]
    chosen = [each for each in stations if station in (None, each)]
    outcomes = service.cache.get({service.cache.key(Data.LOAD, each): 0.0 for each in chosen})
    now = datetime.now(timezone.utc)
    for (_, name), outcome in outcomes.items():
        if outcome.record is None:
            raise outcome.error or ChargePointError(f"{name}: no answer")
        for port, of in sorted(outcome.record.ports.items()):
            shed = values.flag(of.get("shedState"))
            yield {
                "station": name,
                "port": port,
                "time": now,
                "shed_state": shed,
                # Both are 0 where nothing is shed, and where the other one sheds.
                "allowed_load_kw": values.number(of.get("allowedLoad")) if _by_kw(of) else None,
                "percent_shed": values.number(of.get("percentShed")) if _by_percent(of) else None,
                "load_kw": values.number(of.get("portLoad")),
            }


def _by_percent(of: Mapping[str, Any]) -> bool:
    return of.get("shedState") == 1 and bool(values.number(of.get("percentShed")))


def _by_kw(of: Mapping[str, Any]) -> bool:
    return of.get("shedState") == 1 and not _by_percent(of)


def intervals(rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the quarter hours of sessions, at one call for each session."""
    for row in rows:
        yield {
            "station": row["station"],
            "port": row["port"],
            "session_id": row["sessionID"],
            "time": values.time(row["stationTime"]),
            "energy_total_kwh": row["energyConsumed"],
            "energy_kwh": row["intervalEnergy"],
            "peak_kw": row["peakPower"],
            "average_kw": row["rollingPowerAvg"],
        }


def transactions(found: Iterable[Event]) -> Iterator[Row]:
    """Bills, at one call for each 100."""
    for event in found:
        of = event.values
        yield {
            "station": event.station_id,
            "port": event.port,
            "transaction_id": values.text(of.get("transactionID")),
            "kind": values.text(of.get("transactionType")),
            "time": values.time(of.get("transactionTime")),
            "start": values.time(of.get("startTime")),
            "end": values.time(of.get("endTime")),
            "energy_kwh": values.number(of.get("Energy")),
            "gross_amount": values.number(of.get("grossAmount")),
            "service_fee": values.number(of.get("flexBillingServiceFee")),
            "net_revenue": values.number(of.get("netRevenue")),
            "currency": values.text(of.get("Currency")),
            "exchange_rate_usd": values.number(of.get("exchangeRateUSD")),
            "pricing_rule": values.text(of.get("pricingRuleName")),
        }
