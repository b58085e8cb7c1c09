"""The table of all metrics: the one place of names, kinds, labels and meanings.

Names follow Prometheus' rules: base units in the name, `_total` for counters. No label holds a
station, a session or a person, so that the number of series is bounded whatever the size of the
site. To add a metric, add a row, and its values in `exposition`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["METRICS", "Metric"]


@dataclass(frozen=True)
class Metric:
    """One metric. `labels`: name to the values that it can have, in words."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels, in order."""
        return tuple(name for name, _ in self.labels)


_ACCOUNT = ("account", "name of the account, or its `stream_name`; `ocpp` where it has none")
_SINK = (_ACCOUNT, ("sink", "name of the sink"), ("type", "kafka, nats, mqtt, webhook, file"))

_ROWS = (
    Metric(
        "chargepoint_build_info", "gauge", "Release of this software; always 1.",
        (("version", "of chargepoint_driver"),),
    ),
    Metric(
        "chargepoint_account_readable", "gauge",
        "1 if the account could be read for this answer. With 0 its other gauges are left out.",
        (_ACCOUNT,),
    ),
    Metric(
        "chargepoint_calls_total", "counter",
        "Calls of the web service, or requests to chargers, by how they ended.",
        (
            _ACCOUNT,
            ("operation", "operation of the service, or action of OCPP"),
            ("outcome", "ok, or the code of the error"),
        ),
    ),
    Metric(
        "chargepoint_call_down", "gauge",
        "1 for each call that does not work at present; `*` is the whole account.",
        (_ACCOUNT, ("call", "operation of the service, or *")),
    ),
    Metric(
        "chargepoint_messages_received_total", "counter",
        "Messages of chargers that were handled.",
        (_ACCOUNT, ("action", "action of OCPP")),
    ),
    Metric(
        "chargepoint_irregularities_total", "counter",
        "What was refused, forgiven or out of order at the port of a central system.",
        (_ACCOUNT, ("kind", "kind of the counter, as GET /counters has it")),
    ),
    Metric(
        "chargepoint_connections", "gauge", "Sockets of chargers at present.",
        (_ACCOUNT, ("state", "authenticated or unauthenticated")),
    ),
    Metric(
        "chargepoint_data_age_seconds", "gauge",
        "Age of what is known of the stations: of the newest and of the oldest record.",
        (_ACCOUNT, ("data", "status or load"), ("bound", "newest or oldest")),
    ),
    Metric(
        "chargepoint_stations", "gauge", "Stations or chargers, by whether they are reached.",
        (_ACCOUNT, ("reachable", "true or false")),
    ),
    Metric(
        "chargepoint_ports", "gauge", "Ports or connectors, by status.",
        (_ACCOUNT, ("status", "AVAILABLE, INUSE, UNREACHABLE, UNKNOWN, or other")),
    ),
    Metric(
        "chargepoint_load_watts", "gauge",
        "Sum of the loads that are known, of the last 15 minutes. Left out where none is known.",
        (_ACCOUNT,),
    ),
    Metric(
        "chargepoint_load_unknown_ports", "gauge", "Ports whose load is not known.", (_ACCOUNT,)
    ),
    Metric(
        "chargepoint_limited_ports", "gauge", "Ports that report a limit in force.", (_ACCOUNT,)
    ),
    Metric(
        "chargepoint_limit_watts", "gauge",
        "Sum of the limits in force that are known in watts. Left out where none is known.",
        (_ACCOUNT,),
    ),
    Metric(
        "chargepoint_sheds", "gauge", "Commanded limits and clears, by `shedStatus`.",
        (
            _ACCOUNT,
            (
                "status",
                "pending, in force, violated, contested, released, failed, adopted, expired, "
                "none, or unknown",
            ),
        ),
    ),
    Metric(
        "chargepoint_events_stored_total", "counter",
        "Events that were ever stored: the number of the newest one.", (_ACCOUNT,),
    ),
    Metric(
        "chargepoint_sink_waiting_events", "gauge", "Events that a sink has not delivered.", _SINK
    ),
    Metric(
        "chargepoint_sink_lag_seconds", "gauge",
        "Age of the oldest event that a sink has not delivered; 0: all are delivered.", _SINK,
    ),
    Metric(
        "chargepoint_sink_working", "gauge", "1 if the newest delivery of a sink worked.", _SINK
    ),
    Metric("chargepoint_sink_delivered_total", "counter", "Events that a sink delivered.", _SINK),
    Metric("chargepoint_sink_retries_total", "counter", "Deliveries that were tried again.", _SINK),
    Metric(
        "chargepoint_sink_lost_total", "counter",
        "Events that a sink had not delivered before they were too old or too many.", _SINK,
    ),
    Metric(
        "chargepoint_loop_delay_seconds", "histogram",
        "Delay of an event loop: how late it does what is due.",
        (("loop", "web, central_system or hub"),),
    ),
)  # fmt: skip

METRICS = {row.name: row for row in _ROWS}
"""Name to metric, in the order of the answer."""
