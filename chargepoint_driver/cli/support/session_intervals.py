"""Quarter hours of many sessions: their cost in calls, and the rows of a report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chargepoint_driver.catalogue import CHARGEPOINT, Data
from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    PermissionDeniedError,
    TransientError,
)
from chargepoint_driver.records import Event, Unreadable
from chargepoint_driver.service import Service

__all__ = ["FIELDS", "cost", "ids", "rows"]

FIELDS = (
    "station",
    "port",
    "sessionID",
    "stationTime",
    "energyConsumed",
    "intervalEnergy",
    "peakPower",
    "rollingPowerAvg",
)
"""Columns of a report: energies in kWh, powers in kW, `stationTime` as ISO 8601 in UTC.
`energyConsumed` counts from the begin of the session, `intervalEnergy` from the row before."""

_TRIES = 4
_DEFAULT_WAIT_S = 5.0
_MAX_WAIT_S = 120.0
# A fifth of the calls of a minute is kept for writes.
_SHARE_FOR_READS = 0.8


def ids(sessions: Iterable[Event]) -> list[str]:
    """Return the ids of the sessions that have one, each once."""
    found = (event.values.get("sessionID") for event in sessions)
    return list(dict.fromkeys(one for one in found if isinstance(one, str) and one))


def cost(count: int, calls_per_minute: int | None) -> str:
    """Say what the quarter hours of that many sessions cost."""
    calls = f"{count} more call{'' if count == 1 else 's'} of {CHARGEPOINT.name(Data.INTERVALS)}"
    if calls_per_minute is None:
        return f"{calls}, one for each session"
    minutes = math.ceil(count / max(1.0, calls_per_minute * _SHARE_FOR_READS))
    return (
        f"{calls}, one for each session; with calls_per_minute {calls_per_minute} they take about "
        f"{minutes} minute{'' if minutes == 1 else 's'}"
    )


def rows(
    service: Service,
    session_ids: Sequence[str],
    wait: Callable[[float], None] = time.sleep,
) -> tuple[list[dict[str, Any]], list[ChargePointError]]:
    """Ask for each session; return its rows, and the errors of those that have none.

    A session that the service puts off is asked for again, a few times. Credentials or rights
    that are refused end the questions: the next session would be refused too.
    """
    found: list[dict[str, Any]] = []
    errors: list[ChargePointError] = []
    for session_id in session_ids:
        try:
            found += _rows(_patiently(service, session_id, wait))
        except (PermissionDeniedError, AuthenticationError) as error:
            return found, [*errors, error]
        except ChargePointError as error:
            errors.append(error)
    return found, errors


def _patiently(service: Service, session_id: str, wait: Callable[[float], None]) -> list[Event]:
    for _ in range(_TRIES - 1):
        try:
            return service.intervals(session_id)
        except TransientError as error:
            wait(min(_MAX_WAIT_S, error.retry_after_s or _DEFAULT_WAIT_S))
    return service.intervals(session_id)


def _rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    found = []
    before: float | None = 0.0
    for event in events:
        total = _number(event, "energyConsumed")
        within = None if total is None or before is None else total - before
        found.append(
            {
                "station": event.station_id,
                "port": event.port,
                "sessionID": event.values.get("sessionID"),
                "stationTime": event.time,
                "energyConsumed": total,
                # A counter that goes back is not valid.
                "intervalEnergy": None if within is None or within < 0 else round(within, 6),
                "peakPower": _number(event, "peakPower"),
                "rollingPowerAvg": _number(event, "rollingPowerAvg"),
            }
        )
        before = total
    return found


def _number(event: Event, name: str) -> float | None:
    value = event.values.get(name)
    return value if isinstance(value, float) and not isinstance(value, Unreadable) else None
