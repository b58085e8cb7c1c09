"""docs/reference/metrics.md: every metric, read from the table that makes them."""

from __future__ import annotations

from collections.abc import Iterator

from chargepoint_driver.metrics.definitions import METRICS
from docs.generators.table import table

_HEAD = """# Metrics

<!-- shown: Prometheus is not here; tests/unit/metrics and tests/unit/web/test_metrics.py scrape -->
```yaml
scrape_configs:
  - job_name: chargepoint
    authorization: {credentials_file: /etc/prometheus/chargepoint.token}
    static_configs:
      - targets: ["127.0.0.1:8080"]   # chargepoint-driver web
```

Prometheus scrapes each process that has accounts. A scrape reads memory. It asks no service and no
charger.

| Process | Where | Who may read |
| --- | --- | --- |
| `chargepoint-driver web` | `/metrics` at the port of the page | the holder of the token |
| `chargepoint-driver csms` | `/metrics` at `--metrics ADDRESS:PORT` | anyone who reaches the port |
| [caching agent](agent.md) | `/metrics` at `metrics_port` next to `accounts` | the same |
| platform driver | `/metrics` at `metrics_port` of a device; its first one counts | the same |

`metrics_port` is a port on loopback, or `ADDRESS:PORT`. It is off by default. All accounts of a
process show at its one port. The library `prometheus-client` comes with the extras `metrics`, `web`
and `ocpp`.

- An unknown value has no sample: its gauge is left out, and is never 0.
- Data of ChargePoint's service that is older than 15 minutes counts as not known.
- An answer is kept for five seconds: several scrapers cost one reading.
- `chargepoint_account_readable` is 0 if an account cannot be read. Then its gauges are left out.
- No label holds a station, a session or a person: the number of series does not grow with the site.
- Units are base units: watts, seconds, bytes.
- Metrics of the process (`process_*`, `python_gc_*`) are included.

`chargepoint-driver examples copy grafana` writes two files for Prometheus. `metrics.json` is a
Grafana dashboard of these metrics: choose Prometheus as its data source. `alerts.yml` has alert
rules for a job with the name `chargepoint`. Both files are checked for form and names. They were
not run in Grafana or Prometheus.

"""


def page() -> str:
    """Return the whole page."""
    rows = [
        (f"`{row.name}`", row.kind, ", ".join(f"`{name}`" for name in row.label_names), row.help)
        for row in METRICS.values()
    ]
    return (
        _HEAD
        + table(("Metric", "Kind", "Labels", "Meaning"), rows)
        + "\n## Labels\n\n"
        + table(("Label", "Values"), _labels())
    )


def _labels() -> Iterator[tuple[str, str]]:
    """Yield each label with its values; with its metrics where they differ."""
    used: dict[str, dict[str, list[str]]] = {}
    for row in METRICS.values():
        for name, words in row.labels:
            used.setdefault(name, {}).setdefault(words, []).append(f"`{row.name}`")
    for name, meanings in used.items():
        for words, metrics in meanings.items():
            of = f" of {', '.join(metrics)}" if len(meanings) > 1 else ""
            yield f"`{name}`{of}", words
