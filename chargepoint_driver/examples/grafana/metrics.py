"""Writes the dashboard of the metrics.

    python -m chargepoint_driver.examples.grafana.metrics >
        chargepoint_driver/examples/grafana/metrics.json

It asks Prometheus. What each metric means is in docs/reference/metrics.md.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
_OF = 'account=~"$account"'


@dataclass(frozen=True)
class Panel:
    """One panel: its place (x, y, width, height), and its queries with their legends."""

    title: str
    kind: str
    place: tuple[int, int, int, int]
    queries: tuple[tuple[str, str], ...]
    unit: str = "none"
    words: str = ""

    def to_json(self, number: int) -> dict[str, Any]:
        """Return the panel as Grafana stores it."""
        x, y, width, height = self.place
        return {
            "id": number,
            "title": self.title,
            "description": self.words,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {
                "defaults": {"unit": self.unit, "custom": {"spanNulls": False}},
                "overrides": [],
            },
            "targets": [
                {
                    "refId": chr(ord("A") + at),
                    "datasource": SOURCE,
                    "expr": query,
                    "legendFormat": legend,
                    "instant": self.kind == "stat",
                    "range": self.kind != "stat",
                    "editorMode": "code",
                }
                for at, (query, legend) in enumerate(self.queries)
            ],
        }


PANELS = (
    Panel(
        "Load",
        "timeseries",
        (0, 0, 12, 8),
        (
            (f"sum by (account) (chargepoint_load_watts{{{_OF}}})", "load {{account}}"),
            (f"sum by (account) (chargepoint_limit_watts{{{_OF}}})", "limits {{account}}"),
        ),
        "watt",
        "The sum of what is known. A gap means that no load is known.",
    ),
    Panel(
        "Ports by status",
        "timeseries",
        (12, 0, 8, 8),
        ((f"sum by (status) (chargepoint_ports{{{_OF}}})", "{{status}}"),),
    ),
    Panel(
        "Ports without a load",
        "stat",
        (20, 0, 4, 4),
        ((f"sum(chargepoint_load_unknown_ports{{{_OF}}})", ""),),
        words="The load does not know of these.",
    ),
    Panel(
        "Ports with a limit",
        "stat",
        (20, 4, 4, 4),
        ((f"sum(chargepoint_limited_ports{{{_OF}}})", ""),),
    ),
    Panel(
        "Commanded limits by status",
        "timeseries",
        (0, 8, 8, 8),
        ((f"sum by (status) (chargepoint_sheds{{{_OF}}})", "{{status}}"),),
    ),
    Panel(
        "Calls by outcome",
        "timeseries",
        (8, 8, 8, 8),
        (
            (
                f"sum by (operation, outcome) (rate(chargepoint_calls_total{{{_OF}}}[5m]))",
                "{{operation}} {{outcome}}",
            ),
        ),
        "reqps",
    ),
    Panel(
        "Age of the oldest data",
        "timeseries",
        (16, 8, 8, 8),
        (
            (
                f'max by (account, data) (chargepoint_data_age_seconds{{bound="oldest",{_OF}}})',
                "{{account}} {{data}}",
            ),
        ),
        "s",
    ),
    Panel(
        "Messages of charge points",
        "timeseries",
        (0, 16, 8, 8),
        (
            (
                f"sum by (action) (rate(chargepoint_messages_received_total{{{_OF}}}[5m]))",
                "{{action}}",
            ),
        ),
        "reqps",
    ),
    Panel(
        "Lag of sinks",
        "timeseries",
        (8, 16, 8, 8),
        (
            (
                f"max by (account, sink) (chargepoint_sink_lag_seconds{{{_OF}}})",
                "{{account}} {{sink}}",
            ),
        ),
        "s",
    ),
    Panel(
        "Delay of the loops, 99th percentile",
        "timeseries",
        (16, 16, 8, 8),
        (
            (
                "histogram_quantile(0.99, sum by (loop, le) "
                "(rate(chargepoint_loop_delay_seconds_bucket[5m])))",
                "{{loop}}",
            ),
        ),
        "s",
    ),
    Panel(
        "Refused, forgiven or out of order",
        "timeseries",
        (0, 24, 12, 8),
        (
            (
                f"sum by (kind) (increase(chargepoint_irregularities_total{{{_OF}}}[1h])) > 0",
                "{{kind}}",
            ),
        ),
    ),
    Panel(
        "Memory and processor",
        "timeseries",
        (12, 24, 12, 8),
        (
            ("process_resident_memory_bytes", "memory {{instance}}"),
            ("rate(process_cpu_seconds_total[5m])", "cores {{instance}}"),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the whole dashboard."""
    return {
        "title": "EV charger driver",
        "uid": "chargepoint-driver-metrics",
        "schemaVersion": 39,
        "tags": ["volttron"],
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": SOURCE["type"]},
                {
                    "name": "account",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": "label_values(chargepoint_account_readable, account)",
                    "includeAll": True,
                    "multi": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                    "refresh": 2,
                },
            ]
        },
        "panels": [panel.to_json(number) for number, panel in enumerate(PANELS, start=1)],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=2)
    sys.stdout.write("\n")
