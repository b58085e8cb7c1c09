"""Writes the dashboard: python -m chargepoint_driver.examples.grafana >
chargepoint_driver/examples/grafana/chargers.json

One file for both SQL historians: the queries are understood by SQLite and PostgreSQL, and each
stands in it for both data sources.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

SOURCE = {"type": "frser-sqlite-datasource", "uid": "${source}"}

_ROWS = "FROM data JOIN topics ON topics.topic_id = data.topic_id"
# ISO 8601 in UTC: text in SQLite, and read as a time by PostgreSQL.
_WINDOW = "data.ts >= '${__from:date:iso}' AND data.ts < '${__to:date:iso}'"
_NEWEST = (
    "JOIN (SELECT topic_id, max(ts) AS ts FROM data WHERE "
    f"{_WINDOW} GROUP BY topic_id) newest "
    "ON newest.topic_id = data.topic_id AND newest.ts = data.ts"
)
_NUMBER = "CAST(value_string AS DOUBLE PRECISION)"
# What is not reported is stored as null: no number, and never zero.
_KNOWN = "value_string <> 'null'"


def _of(point: str) -> str:
    return f"topic_name LIKE '${{site}}/%/{point}'"


def _port(point: str) -> str:
    return f"REPLACE(topic_name, '/{point}', '')"


def _series(point: str, more: str = "") -> str:
    """Return a point of every port over time."""
    return (
        f"SELECT data.ts AS time, {_port(point)} AS metric, {_NUMBER} AS value {_ROWS} "
        f"WHERE {_of(point)} AND {_KNOWN} AND {_WINDOW}{more} ORDER BY data.ts"
    )


def _sum_now(value: str) -> str:
    return (
        f"SELECT SUM(CASE WHEN {_KNOWN} THEN {value} END) AS value {_ROWS} {_NEWEST} "
        f"WHERE {_of('portLoad')}"
    )


@dataclass(frozen=True)
class Panel:
    """One panel: where it stands (x, y, width, height), what it asks and how it shows it."""

    title: str
    kind: str
    place: tuple[int, int, int, int]
    sql: str
    unit: str = "none"
    words: str = ""
    custom: dict[str, Any] = field(default_factory=dict)

    def to_json(self, number: int) -> dict[str, Any]:
        over_time = self.kind in {"timeseries", "state-timeline"}
        x, y, width, height = self.place
        return {
            "id": number,
            "title": self.title,
            "description": self.words,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {
                "defaults": {"unit": self.unit, "custom": self.custom},
                "overrides": [],
            },
            "targets": [
                {
                    "refId": "A",
                    "datasource": SOURCE,
                    # SQLite's data source reads the first three, PostgreSQL's the others.
                    "queryText": self.sql,
                    "rawQueryText": self.sql,
                    "timeColumns": ["time"],
                    "queryType": "time series" if over_time else "table",
                    "rawSql": self.sql,
                    "rawQuery": True,
                    "editorMode": "code",
                    "format": "time_series" if over_time else "table",
                }
            ],
        }


PANELS = (
    Panel(
        "Load of the site",
        "timeseries",
        (0, 0, 16, 9),
        _series("portLoad"),
        "kwatt",
        "Loads of all ports on top of each other. A gap is a port that was not reported.",
        {"stacking": {"mode": "normal"}, "fillOpacity": 40, "spanNulls": False},
    ),
    Panel("Load now", "stat", (16, 0, 4, 5), _sum_now(_NUMBER), "kwatt"),
    Panel(
        "Ports without a reading",
        "stat",
        (20, 0, 4, 5),
        f"SELECT COUNT(*) AS value {_ROWS} {_NEWEST} WHERE {_of('portLoad')} "
        "AND value_string = 'null'",
        words="The load now does not know of these.",
    ),
    Panel(
        "Ports shed now",
        "stat",
        (16, 5, 8, 4),
        f"SELECT COUNT(*) AS value {_ROWS} {_NEWEST} WHERE {_of('shedState')} "
        "AND value_string = '1'",
    ),
    Panel(
        "Limits in force",
        "timeseries",
        (0, 9, 12, 8),
        # The service reports 0 where no limit in kW is in force.
        _series("allowedLoad", f" AND {_NUMBER} > 0"),
        "kwatt",
        custom={"lineInterpolation": "stepAfter", "spanNulls": False},
    ),
    Panel("Sheds", "state-timeline", (12, 9, 12, 8), _series("shedState")),
    Panel("Energy of the session", "timeseries", (0, 17, 12, 8), _series("Energy"), "kwatth"),
    Panel(
        "Ports",
        "table",
        (12, 17, 12, 8),
        f"SELECT {_port('Status')} AS port, REPLACE(value_string, '\"', '') AS status, "
        f"data.ts AS time {_ROWS} {_NEWEST} WHERE {_of('Status')} ORDER BY topic_name",
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the whole dashboard."""
    return {
        "title": "EV chargers",
        "uid": "volttron-chargers",
        "schemaVersion": 39,
        "tags": ["volttron"],
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": SOURCE["type"]},
                {"name": "site", "label": "Topics below", "type": "textbox", "query": "campus"},
            ]
        },
        "panels": [panel.to_json(number) for number, panel in enumerate(PANELS, start=1)],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=2)
    sys.stdout.write("\n")
