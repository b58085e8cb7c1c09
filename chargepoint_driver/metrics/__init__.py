"""Metrics for Prometheus: what is measured, where it comes from, and how it is served.

`definitions` is the table of all metrics. `readings` takes what an account knows without asking
anybody. `exposition` makes the text of it, with `prometheus_client`, which is an extra.
"""

from chargepoint_driver.metrics.definitions import METRICS, Metric
from chargepoint_driver.metrics.exposition import CONTENT_TYPE, Exposition, need_prometheus
from chargepoint_driver.metrics.readings import AccountReading, of_central_system, of_service

__all__ = [
    "CONTENT_TYPE",
    "METRICS",
    "AccountReading",
    "Exposition",
    "Metric",
    "need_prometheus",
    "of_central_system",
    "of_service",
]
