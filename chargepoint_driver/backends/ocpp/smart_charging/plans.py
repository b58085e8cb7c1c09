"""Charging plans: limits of several periods, which a charger keeps to without a connection.

A plan lies one stack level below the limits of `Limiter`: a limit that is written counts while
it lasts, then the plan does again (OCPP 1.6 section 3.13.2, 2.0.1 use case K01). Chargers keep
profiles in flash memory. So a plan that equals the one before is not sent again until half
of its time is over.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.limit import rate
from chargepoint_driver.backends.ocpp.model.plan import PLANS, Plan, stored_plan
from chargepoint_driver.backends.ocpp.model.quirks import Purpose
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.requests import (
    Profile,
    RequestBuilder,
    RequestPayload,
)
from chargepoint_driver.backends.ocpp.smart_charging.profiles import (
    EARLIER_S,
    Profiles,
    plan_id,
    transaction_on,
)
from chargepoint_driver.backends.ocpp.smart_charging.variants import (
    ProfileVariant,
    profile_variants,
)
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["Plans"]

# What a charger takes that does not say how many periods it takes.
_DEFAULT_PERIODS = 24
_MIN_LEFT = 0.5


class Plans:
    """Installs and removes plans."""

    def __init__(
        self,
        profiles: Profiles,
        call: Callable[[Charger, RequestPayload], Any],
        outbound: Callable[[Charger], RequestBuilder],
        learn: Callable[[Charger], Any],
        save: Callable[[Charger], None],
        now: Callable[[], float],
    ) -> None:
        """`learn` reads the configuration, `save` stores what is known of a charger."""
        self._profiles = profiles
        self._call = call
        self._outbound = outbound
        self._learn = learn
        self._save = save
        self._now = now
        self._locks: dict[str, asyncio.Lock] = {}

    async def put(self, point: Charger, connector_id: int, plan: Plan | None) -> str:
        """Install a plan (connector 0: of the whole charger), or remove it. Returns Accepted, or
        '' where nothing was to be done. Raises WriteRejectedError where the charger does not take
        it; the plan before is in force then."""
        real = [number for number in point.connectors if number]
        if connector_id and real and connector_id not in real:
            raise NotFoundError(f"{point.station_id} has no connector {connector_id}")
        async with self._locks.setdefault(point.station_id, asyncio.Lock()):
            now_s = self._now()
            before = stored_plan(point, connector_id)
            if plan is None:
                return await self._remove(point, connector_id, is_known=before is not None)
            plan = plan.since(now_s)
            if before is not None and before.until_s > now_s:
                is_long = before.until_s - now_s >= _MIN_LEFT * (plan.until_s - now_s)
                if is_long and before.has_same_effect(plan, now_s):
                    return ""
            if not point.connected:
                raise TransientError(f"{point.station_id} is not connected; nothing was sent")
            try:
                taken = await self._install(point, connector_id, plan, now_s)
            except OutcomeUnknownError:
                # One of the two is in force: the next write is sent in any case.
                self._keep(point, connector_id, None)
                raise
            self._keep(point, connector_id, taken)
            return "Accepted"

    async def _install(self, point: Charger, connector_id: int, plan: Plan, now_s: float) -> Plan:
        wanted: tuple[Purpose, ...] = ("default", "transaction") if connector_id else ("max",)
        purposes = [
            purpose
            for purpose in wanted
            if purpose not in point.quirks.skip_purposes
            and (purpose != "transaction" or transaction_on(point, connector_id) is not None)
        ]
        if not point.settings_read and point.quirks.read_configuration:
            await self._learn(point)
        plan = _shortened(plan, await self._max_periods(point))
        lowest = 0 if point.quirks.base_kw is None else 1
        out = self._outbound(point)
        refusal: ChargePointError = WriteRejectedError(
            f"{point.station_id} takes no plan: it needs absolute profiles on two stack levels, "
            "and limits of this kind; write the limits themselves"
        )
        for form in profile_variants(point, out):
            if form.kind != "Absolute" or form.level - 1 < lowest:
                continue
            taken = 0
            for purpose in purposes:
                profile = self._profile(point, connector_id, plan, now_s, form, purpose)
                try:
                    await self._profiles.set(point, profile)
                    taken += 1
                except WriteRejectedError as error:
                    refusal = error
            if taken:
                return plan
        raise refusal

    def _profile(
        self,
        point: Charger,
        connector_id: int,
        plan: Plan,
        now_s: float,
        form: ProfileVariant,
        purpose: Purpose,
    ) -> Profile:
        """Return a profile of the plan; its first period begins early, for clocks that are slow."""
        begin_s = math.floor(now_s) - EARLIER_S
        count = max(1, sum(1 for number in point.connectors if number))
        rated_kw = point.electrical.rated_kw
        periods: list[tuple[int, float]] = []
        for start_s, kw in plan.periods:
            if kw is None and rated_kw is None:
                raise InvalidValueError(
                    f"{point.station_id}: a period without limit needs rated_kw in the charge "
                    "point's settings; nothing was sent"
                )
            free_kw = (rated_kw or 0.0) * (1 if connector_id else count)
            value, _ = rate(free_kw if kw is None else kw, form.unit, point.electrical)
            periods.append((0 if not periods else round(start_s - begin_s), value))
        transaction = transaction_on(point, connector_id)
        wire_id = transaction.wire_id if transaction and purpose == "transaction" else None
        phases = point.electrical.phases if point.quirks.number_phases else None
        return Profile(
            profile_id=plan_id(connector_id, purpose),
            purpose=purpose,
            connector_id=connector_id,
            stack_level=form.level - 1,
            kind="Absolute",
            unit=form.unit,
            limit=periods[0][1],
            periods=tuple(periods),
            start=iso(begin_s),
            duration_s=max(1, math.floor(plan.until_s - begin_s)),
            wire_id=wire_id,
            number_phases=None if point.electrical.is_dc else phases,
        )

    async def _remove(self, point: Charger, connector_id: int, *, is_known: bool) -> str:
        if not is_known and not point.connected:
            return ""
        if not point.connected:
            raise TransientError(
                f"{point.station_id} is not connected; its plan stays until its end"
            )
        for purpose in ("default", "transaction") if connector_id else ("max",):
            await self._profiles.remove_plan(point, connector_id, purpose)
        self._keep(point, connector_id, None)
        return "Accepted"

    async def _max_periods(self, point: Charger) -> int:
        """Return how many periods a schedule of the charger may have."""
        out = self._outbound(point)
        text = point.configuration.get(out.most_periods)
        if text is None and point.quirks.read_configuration:
            try:
                answer = await self._call(point, out.configuration([out.most_periods]))
                found = out.read_configuration(answer)
            except ChargePointError:
                found = {}
            # Kept also where it is not reported, so that it is not asked at every plan.
            text = found.get(out.most_periods, "")
            point.configuration = {**point.configuration, out.most_periods: text}
        return int(str(text)) if str(text).isdecimal() and str(text) != "0" else _DEFAULT_PERIODS

    def _keep(self, point: Charger, connector_id: int, plan: Plan | None) -> None:
        plans = dict(point.learned.get(PLANS) or {})
        plans.pop(str(connector_id), None)
        if plan is not None:
            plans[str(connector_id)] = {"periods": list(plan.periods), "until_s": plan.until_s}
        point.learned[PLANS] = plans
        self._save(point)


def _shortened(plan: Plan, most: int) -> Plan:
    """Return the first `most` periods of a plan: it ends where the next one would begin."""
    if len(plan.periods) <= most:
        return plan
    return Plan(plan.periods[:most], plan.periods[most][0])
