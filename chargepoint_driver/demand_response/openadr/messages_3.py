"""Objects of OpenADR 3: events as the agent keeps them, and reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from chargepoint_driver.demand_response.openadr.events import LOWEST_RANK, Event, Interval
from chargepoint_driver.demand_response.openadr.signals import Ask, UnresolvableSignalError, to_ask
from chargepoint_driver.demand_response.openadr.ven import Performance

__all__ = ["parse_event", "report_of"]

_DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
# Longer is "until it is deleted": the specification writes it as P9999Y.
_ENDLESS = timedelta(days=3650)


def parse_event(vtn: str, fields: Mapping[str, Any], now: datetime) -> Event:
    """Return an event object of OpenADR 3. Raises KeyError, TypeError or ValueError where it is
    malformed; signals that are not supported make it `refused` where no other is left."""
    units = {
        each.get("payloadType"): each.get("units")
        for each in fields.get("payloadDescriptors") or []
    }
    period = fields.get("intervalPeriod") or {}
    at = _moment(period.get("start"), now)
    intervals, problems, randomize_s = [], [], 0.0
    for each in fields["intervals"]:
        own = each.get("intervalPeriod") or {}
        start = _moment(own["start"], now) if own.get("start") else at
        length = duration(own.get("duration") or period.get("duration"))
        drawn = duration(own.get("randomizeStart") or period.get("randomizeStart") or "PT0S")
        randomize_s = max(randomize_s, (drawn or timedelta(0)).total_seconds())
        asks: list[Ask] = []
        for payload in each["payloads"]:
            try:
                (value,) = payload["values"]
                asks.append(to_ask("3", payload["type"], None, value, units.get(payload["type"])))
            except UnresolvableSignalError as error:
                problems.append(str(error))
        end = None if length is None else start + length
        intervals.append(Interval(start, end, tuple(asks)))
        if end is not None:
            at = end
    if not intervals:
        raise ValueError("it has no interval")
    priority = fields.get("priority")
    is_empty = not any(interval.asks for interval in intervals)
    return Event(
        vtn=vtn,
        id=str(fields["id"]),
        modification=str(fields.get("modificationDateTime") or ""),
        program=str(fields["programID"]),
        intervals=tuple(intervals),
        rank=priority if type(priority) is int and priority >= 0 else LOWEST_RANK,
        randomize_s=randomize_s,
        refused="; ".join(dict.fromkeys(problems)) if is_empty else "",
        wanted=tuple(
            str(each.get("payloadType")) for each in fields.get("reportDescriptors") or []
        ),
    )


def duration(text: str | None) -> timedelta | None:
    """Return an ISO 8601 duration; None: without end. Raises ValueError."""
    if text is None:
        return None
    parts = _DURATION.fullmatch(text)
    if parts is None or text in ("P", "PT"):
        raise ValueError(f"duration {text!r} is not ISO 8601")
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in parts.groups()[:6])
    if years >= 10:
        return None
    length = timedelta(
        days=365 * years + 30 * months + 7 * weeks + days,
        hours=hours,
        minutes=minutes,
        seconds=float(parts.group(7) or 0),
    )
    return None if length >= _ENDLESS else length


def _moment(text: str | None, now: datetime) -> datetime:
    """Return a start; one that is not given, or before the year 1900, means now (from then on)."""
    if text is None or text.startswith("0"):
        return now.replace(microsecond=0)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"start {text!r} has no time zone")
    return moment.astimezone(timezone.utc)


_UNITS = {"USAGE": "KWH", "DELTA_USAGE": "KWH", "BASELINE": "KWH", "DEMAND": "KW", "SETPOINT": "KW"}


def _payloads(done: Performance, takes_part: bool) -> Iterator[tuple[str, Any]]:
    window = done.window
    hours = (window.end - window.start).total_seconds() / 3600
    yield "USAGE", window.energy_kwh
    yield "DEMAND", window.load_kw
    yield "SETPOINT", window.limit_kw
    yield "BASELINE", None if done.baseline_kw is None else done.baseline_kw * hours
    # What the event changed: less is negative.
    yield "DELTA_USAGE", None if done.reduction_kw is None else -done.reduction_kw * hours
    yield "LOAD_SHED_HEADROOM", window.headroom_kw
    yield "PORTS", window.ports
    yield "PORTS_REPORTING", window.reporting
    yield "OPERATING_STATE", done.state if takes_part else "VEN_OPTED_OUT"


def report_of(
    event: Event, done: Performance, ven_name: str, takes_part: bool
) -> dict[str, Any] | None:
    """Return the body of POST /reports for one interval. What is not known is left out; None where
    the VTN asks for types of which nothing is known."""
    wanted: Sequence[str] = event.wanted
    payloads = [
        {"type": kind, "values": [round(value, 6) if isinstance(value, float) else value]}
        for kind, value in _payloads(done, takes_part)
        if value is not None and (not wanted or kind in wanted or kind == "OPERATING_STATE")
    ]
    window = done.window
    start = window.start.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    seconds = (window.end - window.start).total_seconds()
    return {
        "programID": event.program,
        "eventID": event.id,
        "clientName": ven_name,
        "reportName": f"{ven_name} {event.id} {start}"[:128],
        "payloadDescriptors": [
            {"payloadType": each["type"], "units": _UNITS[str(each["type"])]}
            for each in payloads
            if each["type"] in _UNITS
        ],
        "resources": [
            {
                "resourceName": ven_name,
                "intervalPeriod": {"start": start, "duration": f"PT{seconds:g}S"},
                "intervals": [{"id": 0, "payloads": payloads}],
            }
        ],
    }
