"""Rows from the record of a central system, which may run meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.catalogue.measurands import LINES, MEASURANDS
from chargepoint_driver.cli.export import values
from chargepoint_driver.cli.export.writers import Row

__all__ = ["limit_rows", "limits", "meter_values", "session_rows", "sessions"]

_FIELDS = [row.field for row in MEASURANDS]
_OF_LINES = [row.of_lines for row in MEASURANDS if row.of_lines]


def sessions(
    path: Path, station: str | None, since: datetime, until: datetime | None
) -> Iterator[Row]:
    """Yield the transactions that touch the time. Raises NotFoundError, TransientError."""
    until_s = None if until is None else until.timestamp()
    return session_rows(queries.sessions(path, station, since.timestamp(), until_s))


def session_rows(rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Yield rows of `queries.sessions`."""
    for row in rows:
        energy_wh = values.number(row["energy_wh"])
        yield {
            "station": row["charge_point"],
            "port": row["connector"] or None,
            "session_id": str(row["id"]),
            "transaction_id": row["wire_id"],
            "start": values.time(row["start"]),
            "end": values.time(row["stop"]),
            "duration_s": row["duration_s"],
            "energy_kwh": None if energy_wh is None else energy_wh / 1000,
            "energy_is_minimum": bool(row["energy_is_minimum"]),
            "meter_start_wh": values.number(row["meter_start_wh"]),
            "meter_stop_wh": values.number(row["meter_stop_wh"]),
            "state": row["state"],
            "ended_by": row["reason"],
            "id_tag": row["id_tag"],
        }


def meter_values(
    path: Path, station: str | None, since: datetime, until: datetime | None
) -> Iterator[Row]:
    """Yield the samples that were measured in the time. Raises NotFoundError, TransientError."""
    for event in _events(path):
        data = event["data"]
        if not isinstance(data, dict) or station not in (None, event["charge_point"]):
            continue
        for found in data.get("samples") or ():
            moment = values.time(found.get("time"))
            if moment is None or moment < since or (until is not None and moment > until):
                continue
            yield _sample(event, data, moment, found.get("values") or {})


def limits(path: Path, station: str | None) -> Iterator[Row]:
    """Yield the limit that each charge point or connector was given last. Raises NotFoundError."""
    return limit_rows(queries.limits(path), station)


def limit_rows(rows: Iterable[dict[str, Any]], station: str | None) -> Iterator[Row]:
    """Yield rows of `queries.limits`."""
    for row in rows:
        if station not in (None, row["charge_point"]):
            continue
        data = row["data"]
        yield {
            "station": row["charge_point"],
            "port": row["connector"] or None,
            "time": values.of_seconds(data.get("written_s")),
            "until": values.of_seconds(data.get("until_s")),
            "allowed_load_kw": values.number(data.get("allowed_load_kw")),
            "percent_shed": values.number(data.get("percent_shed")),
            "requested_kw": values.number(data.get("requested_kw")),
            "accepted_kw": values.number(data.get("accepted_kw")),
            "confirmed_kw": values.number(data.get("confirmed_kw")),
            "contradicted": values.flag(data.get("contradicted")),
        }


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """Every stored message, in pages: no reading lasts, and the file can be written meanwhile."""
    after = 0
    while page := queries.events(path, after):
        yield from page
        after = page[-1]["id"]


def _sample(
    event: dict[str, Any], data: dict[str, Any], moment: datetime, measured: dict[str, Any]
) -> Row:
    info = data.get("transactionInfo")
    wire_id = info.get("transactionId") if isinstance(info, dict) else data.get("transactionId")
    row = {
        "station": event["charge_point"],
        "port": event["connector"] or None,
        "transaction_id": values.text(wire_id),
        "time": moment,
        "received": values.time(event["received"]),
        "event_id": event["id"],
        "load_estimated": bool(measured.get("load_estimated")) if "load_kw" in measured else None,
        **{name: values.number(measured.get(name)) for name in _FIELDS},
    }
    phases = measured.get("phases") or {}
    for line in LINES:
        of_line = phases.get(line) or {}
        for name in _OF_LINES:
            row[f"{name}_{line.lower()}"] = values.number(of_line.get(name))
    return row
