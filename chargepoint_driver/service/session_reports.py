"""The operator's simple questions, for any backend: who is there, what was charged.

A `Source` is what they are put to: a service (`of_service`), or the record that a central system
keeps (`of_record`), which can be read while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from chargepoint_driver import reports
from chargepoint_driver.catalogue import Data
from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import ChargePointError, InvalidValueError, NotFoundError
from chargepoint_driver.records import Event, StationRecord, Unreadable
from chargepoint_driver.reports import month_bounds
from chargepoint_driver.service.service import Service

__all__ = [
    "Source",
    "active",
    "as_csv",
    "completed",
    "last_contact",
    "last_energy",
    "of_record",
    "of_service",
]

_FIELDS = (
    "transaction", "station", "port", "id_tag", "start", "end", "duration_s", "energy_kwh"
)  # fmt: skip
_MAX_DAYS = 3_660


class Source(Protocol):
    """Source of session reports."""

    def contacts(self) -> Mapping[str, tuple[str | None, bool]]:
        """Station to (its last message as ISO 8601, whether it can be reached now)."""

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return the charging sessions that touch a time, oldest first."""

    def session(self, session_id: str) -> Event:
        """One charging session by its `sessionID`, however old. Raises NotFoundError."""


def active(source: Source) -> list[str]:
    """Return the charge points that can be reached now."""
    return sorted(station for station, (_, there) in source.contacts().items() if there)


def last_contact(source: Source, station_id: str) -> str | None:
    """Return when a charge point last sent something, ISO 8601. Raises NotFoundError."""
    found = source.contacts().get(station_id)
    if found is None:
        raise NotFoundError(f"no charge point {station_id!r} is known")
    return found[0]


def last_energy(source: Source, transaction: str, days: int | None = None) -> dict[str, Any]:
    """Return what is known to be delivered in a transaction, running or not, however old.

    The row is one like those of `completed`. `days` leaves out what ended longer ago. Raises
    InvalidValueError, NotFoundError.
    """
    given = isinstance(days, int) and not isinstance(days, bool)
    if days is not None and not (given and 1 <= days <= _MAX_DAYS):
        raise InvalidValueError(f"days: must be a whole number from 1 to {_MAX_DAYS}, or left out")
    row = _row(source.session(str(transaction).strip()))
    if days is None or not row["end"]:
        return row
    if _moment(row["end"]) < datetime.now(timezone.utc) - timedelta(days=days):
        raise NotFoundError(
            f"transaction {transaction} ended before the last {days} days; leave days out"
        )
    return row


def completed(source: Source, month: str) -> list[dict[str, Any]]:
    """Final duration (s) and energy (kWh) of every transaction that was completed in YYYY-MM
    (UTC), by their ends. None where a begin or a register is missing. Raises InvalidValueError."""
    begin, end = month_bounds(month)
    rows = [_row(event) for event in source.sessions(None, begin, end)]
    inside = [row for row in rows if row["end"] and begin <= _moment(row["end"]) < end]
    return sorted(inside, key=lambda row: _moment(row["end"]))


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV with a header; what is None is empty."""
    return reports.as_csv(_FIELDS, rows)


def of_service(service: Service) -> Source:
    """Return a service as a source; each question asks it again."""
    return _Live(service)


def of_record(account: OcppAccount) -> Source:
    """Return what a central system has on disk; it may run meanwhile, in whatever process."""
    # What it needs is an extra.
    from chargepoint_driver.backends.ocpp.storage.offline import Record  # noqa: PLC0415

    return Record(account)


class _Live:
    def __init__(self, service: Service) -> None:
        self._service = service

    def contacts(self) -> dict[str, tuple[str | None, bool]]:
        stations = [record.station_id for record in self._service.stations()]
        cache = self._service.cache
        keys = {cache.key(Data.STATUS, station): 0.0 for station in stations}
        found = {}
        for (_, station), outcome in cache.get(keys).items():
            if outcome.record is None:
                raise outcome.error or ChargePointError(f"{station}: no answer")
            found[station] = _contact(outcome.record)
        return found

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        return self._service.sessions(station_id, since, until)

    def session(self, session_id: str) -> Event:
        return self._service.session(session_id)


def _contact(record: StationRecord) -> tuple[str | None, bool]:
    """Of a charge point, or of whichever of its ports was heard of last."""
    parts = list(record.ports.values()) or [record.values]
    times = [text for part in parts if isinstance(text := part.get("TimeStamp"), str)]
    said = [status for part in parts if isinstance(status := part.get("Status"), str)]
    there = any(status != "UNREACHABLE" for status in said)
    return max(times, key=_moment, default=None), there


def _row(event: Event) -> dict[str, Any]:
    values = {
        name: value for name, value in event.values.items() if not isinstance(value, Unreadable)
    }
    start, end = values.get("startTime"), values.get("endTime")
    duration = None
    if start and end:
        duration = (_moment(str(end)) - _moment(str(start))).total_seconds()
    return {
        "transaction": values.get("sessionID"),
        "station": event.station_id,
        "port": event.port,
        "id_tag": values.get("rfidSerialNumber") or values.get("credentialID"),
        "start": start,
        "end": end,
        "duration_s": duration,
        "energy_kwh": values.get("Energy"),
    }


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
