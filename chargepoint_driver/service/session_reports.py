"""The operator's simple questions, for any backend: who is there, what was charged.

A `Source` is what they are put to: a service (`of_service`), or the record that a central system
keeps (`of_record`), which can be read while it runs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import BadValue, ChargePointError, NothingThere
from chargepoint_driver.records import Event, StationRecord, Value
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

_STATUS = "getStationStatus"
_FIELDS = (
    "transaction", "station", "port", "id_tag", "start", "end", "duration_s", "energy_kwh"
)  # fmt: skip
_MOST_DAYS = 3_660


class Source(Protocol):
    """What the questions are put to."""

    def contacts(self) -> Mapping[str, tuple[str | None, bool]]:
        """Station to (its last message as ISO 8601, whether it can be reached now)."""

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """The charging sessions that touch a time, oldest first."""


def active(source: Source) -> list[str]:
    """The charge points that can be reached now."""
    return sorted(station for station, (_, there) in source.contacts().items() if there)


def last_contact(source: Source, station_id: str) -> str | None:
    """When a charge point last sent something, ISO 8601. Raises NothingThere."""
    found = source.contacts().get(station_id)
    if found is None:
        raise NothingThere(f"no charge point {station_id!r} is known")
    return found[0]


def last_energy(source: Source, transaction: str, days: int = 31) -> dict[str, Any]:
    """What was delivered, as far as is known, in a transaction of so many days back, running or
    not: a row like those of `completed`. Raises NothingThere."""
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= _MOST_DAYS:
        raise BadValue(f"days: must be a whole number from 1 to {_MOST_DAYS}")
    since = datetime.now(timezone.utc) - timedelta(days=days)
    for event in reversed(source.sessions(None, since, None)):
        if str(event.values.get("sessionID")) == str(transaction):
            return _row(event)
    raise NothingThere(f"no transaction {transaction} in the last {days} days")


def completed(source: Source, month: str) -> list[dict[str, Any]]:
    """Final duration (s) and energy (kWh) of every transaction that was completed in YYYY-MM
    (UTC), by their ends. None where a begin or a register is missing. Raises BadValue."""
    try:
        begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        raise BadValue(f"month: {month!r} is none; write it like 2026-03") from None
    end = (begin + timedelta(days=32)).replace(day=1)
    rows = [_row(event) for event in source.sessions(None, begin, end)]
    inside = [row for row in rows if row["end"] and begin <= _moment(row["end"]) < end]
    return sorted(inside, key=lambda row: _moment(row["end"]))


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV with a header; what is None is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def of_service(service: Service) -> Source:
    """A service as a source; each question asks it anew."""
    return _Live(service)


def of_record(account: OcppAccount) -> Source:
    """What a central system has on disk; it may run meanwhile, in whatever process."""
    # What it needs is an extra.
    from chargepoint_driver.backends.ocpp.storage.offline import Record  # noqa: PLC0415

    return Record(account)


class _Live:
    def __init__(self, service: Service) -> None:
        self._service = service

    def contacts(self) -> dict[str, tuple[str | None, bool]]:
        stations = [record.station_id for record in self._service.stations()]
        keys = {(_STATUS, station): 0.0 for station in stations}
        found = {}
        for (_, station), outcome in self._service.cache.get(keys).items():
            if outcome.record is None:
                raise outcome.error or ChargePointError(f"{station}: no answer")
            found[station] = _contact(outcome.record)
        return found

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        return self._service.sessions(station_id, since, until)


def _contact(record: StationRecord) -> tuple[str | None, bool]:
    """Of a charge point, or of whichever of its ports was heard of last."""
    parts = list(record.ports.values()) or [record.values]
    times = [str(part["TimeStamp"]) for part in parts if part.get("TimeStamp") is not None]
    there = any(part.get("Status") not in (None, "UNREACHABLE") for part in parts)
    return max(times, key=_moment, default=None), there


def _row(event: Event) -> dict[str, Any]:
    values = event.values
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


def _inert(value: Value) -> Value:
    """A text that no spreadsheet takes for a formula."""
    text = isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}
    return f"'{value}" if text else value
