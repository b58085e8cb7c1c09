"""The latest status of each charge point: how it follows from events, and where it is kept.

The rules are those of the document on live status. The store is one SQLite file; it stands for any
key-value store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

HOUR = timedelta(hours=1)
# Words of OCPP 1.6 and 2.0.1 that are no operative status.
INOPERATIVE = {"Unavailable", "Faulted"}


class Statuses:
    """A key-value store: charge point to what is known of it. Any process may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as db:
            db.execute("CREATE TABLE IF NOT EXISTS statuses (id TEXT PRIMARY KEY, known TEXT)")

    def apply(self, event: dict[str, Any]) -> bool:
        """Take in one StatusNotification. False for one that is older than what is known, or that
        came before: a stream may bring an event twice."""
        with self._open() as db, db:
            known = self._known(db, event["station"])
            position = [event["run"], event["seq"]]
            if known is not None and position <= known["position"]:
                return False
            changed = _changed(known, event, position)
            db.execute(
                "INSERT OR REPLACE INTO statuses VALUES (?, ?)",
                (event["station"], json.dumps(changed)),
            )
        return True

    def documents(self, now: datetime | None = None) -> list[dict[str, Any]]:
        """The document of each charge point, by id."""
        with self._open() as db:
            rows = db.execute("SELECT id, known FROM statuses ORDER BY id").fetchall()
        return [document(name, json.loads(text), now) for name, text in rows]

    def document(self, name: str, now: datetime | None = None) -> dict[str, Any] | None:
        """The document of one charge point; None where nothing came of it."""
        with self._open() as db:
            known = self._known(db, name)
        return None if known is None else document(name, known, now)

    def _known(self, db: sqlite3.Connection, name: str) -> dict[str, Any] | None:
        row = db.execute("SELECT known FROM statuses WHERE id = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as db:
            yield db


def _changed(
    known: dict[str, Any] | None, event: dict[str, Any], position: list[int]
) -> dict[str, Any]:
    """Return what is known after an event. Errors are kept for an hour."""
    data, received = event["data"], event["received"]
    errors = [] if known is None else list(known["errors"])
    if data.get("errorCode") not in (None, "NoError"):
        errors.append([received, "error", data["errorCode"]])
    if data.get("vendorErrorCode"):
        errors.append([received, "vendor error", data["vendorErrorCode"]])
    since = _moment(received) - HOUR
    return {
        "position": position,
        "status": data.get("status") or data.get("connectorStatus"),
        "received": received,
        "errors": [each for each in errors if _moment(each[0]) > since],
    }


def document(name: str, known: dict[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """The document of a charge point at a time.

    `composite_status` is `down` with any error within an hour, or an inoperative status.
    `available_for_charging`: 1 or -1, None for a charge point that has not said its status.
    """
    since = (now or datetime.now(timezone.utc)) - HOUR
    status = known["status"]
    recent = [each for each in known["errors"] if _moment(each[0]) > since]
    operative = None if status is None else status not in INOPERATIVE
    return {
        "charge_point_id": name,
        "last_message_timestamp": known["received"],
        "status": status,
        "composite_status": "down" if recent or operative is False else "up",
        "available_for_charging": None if operative is None else 1 if operative else -1,
        "requires_maintenance": 1 if recent or status == "Faulted" else -1,
        "errors_in_last_hour": [f"{kind} {code}" for _, kind, code in recent],
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
