"""A charging plan: limits of several periods, as it is written and as it is kept."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.timestamps import iso, parse
from chargepoint_driver.errors import InvalidValueError

__all__ = ["PLANS", "Plan", "plan_text", "read_plan", "stored_plan"]

PLANS = "plans"
"""Where a charger's stored record keeps the plans that it has, by connector."""
_MAX_PERIODS = 1_000
_MAX_S = 8 * 86_400.0


@dataclass(frozen=True)
class Plan:
    """Periods (begin in s since 1970, kW; None: no limit) in order, until `until_s`."""

    periods: tuple[tuple[float, float | None], ...]
    until_s: float

    def since(self, now_s: float) -> Plan:
        """Return the plan from a moment on, equal neighbours as one."""
        left: list[tuple[float, float | None]] = []
        for begin_s, kw in self.periods:
            if begin_s <= now_s:
                left = [(now_s, kw)]
            elif not left or left[-1][1] != kw:
                left.append((begin_s, kw))
        return Plan(tuple(left), self.until_s)

    def has_same_effect(self, other: Plan, now_s: float) -> bool:
        """Return whether both ask for the same from now on, as long as both last."""
        until_s = min(self.until_s, other.until_s)
        mine, others = (
            [each for each in plan.since(now_s).periods if each[0] < until_s]
            for plan in (self, other)
        )
        return mine == others


def read_plan(value: object, now_s: float) -> Plan | None:
    """Return the plan of a write; None: the plan is removed.

    `value` is text or an object: `{"periods": [{"start": time, "kw": number or null}, ...],
    "until": time}`, times of ISO 8601 with their zone. Empty text removes.
    Raises InvalidValueError.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", "null")):
        return None
    fields = value
    if isinstance(value, str):
        try:
            fields = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidValueError(
                "chargingPlan: is not JSON; empty text removes the plan"
            ) from None
    if not isinstance(fields, dict) or set(fields) != {"periods", "until"}:
        raise InvalidValueError('chargingPlan: must be {"periods": [...], "until": time}')
    until_s, rows = parse(fields["until"]), fields["periods"]
    if until_s is None or not now_s < until_s <= now_s + _MAX_S:
        raise InvalidValueError("chargingPlan: until: must be a time within the next 8 days")
    if not isinstance(rows, list) or not 0 < len(rows) <= _MAX_PERIODS:
        raise InvalidValueError(
            f"chargingPlan: periods: must be a list of 1 to {_MAX_PERIODS} periods"
        )
    periods: list[tuple[float, float | None]] = []
    for number, row in enumerate(rows):
        where = f"chargingPlan: periods.{number}"
        if not isinstance(row, dict) or set(row) != {"start", "kw"}:
            raise InvalidValueError(f"{where}: must have start and kw")
        start_s, kw = parse(row["start"]), row["kw"]
        if start_s is None or start_s >= until_s:
            raise InvalidValueError(f"{where}: start: must be a time before until")
        if periods and start_s <= periods[-1][0]:
            raise InvalidValueError(f"{where}: start: must be after that of the period before")
        is_number = isinstance(kw, (int, float)) and not isinstance(kw, bool)
        if kw is not None and not (is_number and math.isfinite(kw) and kw >= 0):
            raise InvalidValueError(
                f"{where}: kw: expected 0 or more, or null for no limit, got {kw!r}"
            )
        periods.append((start_s, None if kw is None else float(kw)))
    if periods[0][0] > now_s:
        raise InvalidValueError("chargingPlan: periods.0: start: must not be in the future")
    return Plan(tuple(periods), until_s)


def plan_text(point: Charger, connector_id: int, now_s: float) -> str | None:
    """Return the plan that a charger took, as `read_plan` reads it; None: there is none."""
    plan = stored_plan(point, connector_id)
    if plan is None or plan.until_s <= now_s:
        return None
    periods = [{"start": iso(begin_s), "kw": kw} for begin_s, kw in plan.periods]
    return json.dumps({"periods": periods, "until": iso(plan.until_s)})


def stored_plan(point: Charger, connector_id: int) -> Plan | None:
    """Return the plan that a charger took, over or not; None: none."""
    found: Any = (point.learned.get(PLANS) or {}).get(str(connector_id))
    if found is None:
        return None
    try:
        periods = tuple((float(s), None if kw is None else float(kw)) for s, kw in found["periods"])
        return Plan(periods, float(found["until_s"]))
    except (TypeError, ValueError, KeyError):
        return None
