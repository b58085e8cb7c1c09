"""What the historian holds, read from its database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any


def sessions(database: Path) -> dict[tuple[str, int], dict[str, float]]:
    """(device topic, port) -> session -> the energy stored last with it."""
    query = (
        "SELECT topic_name, ts, value_string FROM data JOIN topics USING (topic_id) "
        "WHERE topic_name LIKE '%/session_' OR topic_name LIKE '%/energy_' ORDER BY ts"
    )
    at: dict[tuple[str, int, str], dict[str, Any]] = {}
    with _reading(database) as db:
        for topic, ts, text in db.execute(query):
            device, _, name = topic.rpartition("/")
            at.setdefault((device, int(name[-1]), ts), {})[name[:-1]] = json.loads(text)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for (device, port, _), row in sorted(at.items()):
        if row.get("session") is not None and row.get("energy") is not None:
            found.setdefault((device, port), {})[str(row["session"])] = float(row["energy"])
    return found


def publishes(database: Path, from_utc: str, to_utc: str) -> Mapping[str, int]:
    """Device topic -> how often it was published between two times (ISO 8601 without zone)."""
    query = (
        "SELECT topic_name, count(*) FROM data JOIN topics USING (topic_id) "
        "WHERE topic_name LIKE '%/status1' AND ts >= ? AND ts < ? GROUP BY topic_name"
    )
    with _reading(database) as db:
        rows = db.execute(query, (from_utc, to_utc))
        return {topic.rpartition("/")[0]: number for topic, number in rows}


def has_devices(database: Path, number: int) -> bool:
    """Return whether this number of devices was stored at least once."""
    query = "SELECT count(DISTINCT topic_id) FROM data JOIN topics USING (topic_id) "
    query += "WHERE topic_name LIKE '%/status1'"
    if not database.exists():
        return False
    try:
        with _reading(database) as db:
            return bool(db.execute(query).fetchone()[0] >= number)
    except sqlite3.Error:
        return False  # it is being made


def _reading(database: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30))
