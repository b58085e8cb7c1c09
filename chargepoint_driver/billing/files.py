"""CSV of sessions with their costs, and of a monthly report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from chargepoint_driver.billing.bills import BilledSession, Report
from chargepoint_driver.billing.cost_centres import NOT_ASSIGNED
from chargepoint_driver.billing.costs import energy_wh_of
from chargepoint_driver.billing.sums import Sums
from chargepoint_driver.text import csv_text

__all__ = ["SESSION_FIELDS", "report_csv", "session_fields", "session_row", "sessions_csv"]

SESSION_FIELDS = (
    "account",
    "station",
    "port",
    "session",
    "id_tag",
    "begin",
    "end",
    "duration_s",
    "energy_kwh",
    "energy_is_minimum",
    "cost",
    "currency",
    "tariff",
    "cost_is_estimated",
    "cost_reason",
)
"""Columns of sessions. Times are ISO 8601 with the offset of the site. What is not known is
empty."""


def session_fields(*, with_id_tags: bool) -> list[str]:
    """Return the columns, with or without who charges."""
    return [name for name in SESSION_FIELDS if with_id_tags or name != "id_tag"]


def session_row(each: BilledSession, zone: tzinfo) -> dict[str, Any]:
    """Return the columns of a session."""
    session, cost = each.session, each.cost
    energy_wh = energy_wh_of(session)
    duration_s = None
    if session.start_s is not None and session.end_s is not None:
        duration_s = round(session.end_s - session.start_s, 3)
    return {
        "account": each.account,
        "station": session.station_id,
        "port": session.port,
        "session": session.session_id or None,
        "id_tag": session.id_tag,
        "begin": _iso(session.start_s, zone),
        "end": _iso(session.end_s, zone),
        "duration_s": duration_s,
        "energy_kwh": None if energy_wh is None else _plain(energy_wh / 1_000),
        "energy_is_minimum": _flag(session.is_minimum or not session.has_ended),
        "cost": None if cost.amount is None else f"{cost.amount:f}",
        "currency": cost.currency,
        "tariff": cost.tariff,
        "cost_is_estimated": None if cost.amount is None else _flag(cost.is_estimated),
        "cost_reason": cost.words,
    }


def sessions_csv(
    parts: Iterable[list[BilledSession]], zone: tzinfo, *, with_id_tags: bool
) -> Iterator[str]:
    """Yield the lines of a file in parts, the header first."""
    fields = session_fields(with_id_tags=with_id_tags)
    yield csv_text([fields])
    for part in parts:
        rows = (session_row(each, zone) for each in part)
        yield csv_text([row[name] for name in fields] for row in rows)


def report_csv(report: Report, *, with_id_tags: bool) -> str:
    """Return a report: one line for each cost centre, and the total; `with_id_tags`: one for each
    idTag instead. Each currency has a column."""
    currencies = sorted(report.total.costs)
    tags = ["id_tag"] if with_id_tags else []
    head = [
        "month",
        "time_zone",
        "cost_centre",
        *tags,
        "sessions",
        "energy_kwh",
        "sessions_without_energy",
        "sessions_with_minimum_energy",
        "hours",
        "sessions_without_hours",
        *(f"cost_{currency}" for currency in currencies),
        "sessions_without_cost",
        "sessions_with_estimated_cost",
    ]
    lines: list[tuple[list[str | None], Sums]]
    if with_id_tags:
        lines = [([_centre(centre), tag], sums) for (centre, tag), sums in report.tags.items()]
        lines.append((["total", None], report.total))
    else:
        lines = [([_centre(centre)], sums) for centre, sums in report.centres.items()]
        lines.append((["total"], report.total))
    return csv_text(
        [
            head,
            *(
                [report.month, report.time_zone, *names, *_sums(sums, currencies)]
                for names, sums in lines
            ),
        ]
    )


def _sums(sums: Sums, currencies: Iterable[str]) -> list[Any]:
    has_energy = sums.energy_unknown < sums.sessions - sums.running
    has_hours = sums.duration_unknown < sums.sessions - sums.running
    return [
        sums.sessions,
        _plain(sums.energy_wh / 1_000) if has_energy else None,
        sums.energy_unknown,
        sums.energy_minimum,
        f"{sums.duration_s / 3_600:.3f}" if has_hours else None,
        sums.duration_unknown,
        *(
            f"{sums.costs[currency]:f}" if currency in sums.costs else None
            for currency in currencies
        ),
        sums.cost_unknown,
        sums.cost_estimated,
    ]


def _centre(name: str | None) -> str:
    return NOT_ASSIGNED if name is None else name


def _plain(value: Decimal) -> str:
    """Return a number without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _iso(time_s: float | None, zone: tzinfo) -> str | None:
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, zone).isoformat(timespec="seconds")
