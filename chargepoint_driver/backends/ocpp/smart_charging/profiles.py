"""Charging profiles for one limit: set and cleared at a charger.

A profile stands for a purpose (station, connector, running transaction) in a form that the
charge point takes. Ids are ours and always the same, so that nothing else is ever removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Charger, Transaction
from chargepoint_driver.backends.ocpp.model.limit import LimitState, rate
from chargepoint_driver.backends.ocpp.model.quirks import Purpose
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.provisioning import NEVER
from chargepoint_driver.backends.ocpp.protocol.requests import (
    Profile,
    RequestBuilder,
    RequestPayload,
    status_of,
)
from chargepoint_driver.backends.ocpp.smart_charging.variants import (
    ProfileVariant,
    profile_variants,
)
from chargepoint_driver.errors import OutcomeUnknownError, WriteRejectedError

__all__ = ["EARLIER_S", "Profiles", "plan_id", "transaction_on"]

# A schedule begins in the past, or a clock that is slow makes it begin later.
EARLIER_S = 60
_FIRST_ID = 6_100_000
_KINDS: dict[str, int] = {"default": 1, "transaction": 2, "max": 3, "base": 4}
_PLANS: dict[str, int] = {"default": 5, "transaction": 6, "max": 7}
_BASE_LEVEL = 0


class Profiles:
    """Installs and removes."""

    def __init__(
        self,
        call: Callable[[Charger, RequestPayload], Any],
        outbound: Callable[[Charger], RequestBuilder],
        now: Callable[[], float],
        count: Callable[..., None],
    ) -> None:
        """`call` sends a request and returns its answer."""
        self._call = call
        self._outbound = outbound
        self._now = now
        self._count = count

    async def install(
        self, point: Charger, connector_id: int, state: LimitState, form: ProfileVariant
    ) -> LimitState:
        """Raises WriteRejectedError unless a purpose that governs the target was taken."""
        purposes = self._purposes(point, connector_id)
        if not purposes:
            raise WriteRejectedError(f"{point.station_id} takes no limits of this kind")
        value, kw = rate(state.requested_kw, form.unit, point.electrical)
        taken: list[str] = []
        refusal: WriteRejectedError | None = None
        for purpose in purposes:
            profile = self._profile(point, connector_id, state, form, purpose, value)
            try:
                await self.set(point, profile)
            except WriteRejectedError as error:
                refusal = error
                if error.service_code in NEVER and not taken:
                    break
            else:
                taken.append(purpose)
        if not taken:
            assert refusal is not None
            raise refusal
        return replace(
            state,
            accepted_kw=kw,
            unit=form.unit,
            value=value,
            purposes=tuple(taken),
            confirmed_kw=None,
            confirmed_by=None,
            refused=None,
        )

    def _purposes(self, point: Charger, connector_id: int) -> list[Purpose]:
        if connector_id == 0:
            wanted: list[Purpose] = ["max"]
        else:
            wanted = ["default"]
            if transaction_on(point, connector_id) is not None:
                wanted.append("transaction")
        return [purpose for purpose in wanted if purpose not in point.quirks.skip_purposes]

    def _profile(
        self,
        point: Charger,
        connector_id: int,
        state: LimitState,
        form: ProfileVariant,
        purpose: Purpose,
        value: float,
    ) -> Profile:
        now_s = self._now()
        transaction = transaction_on(point, connector_id)
        wire_id = transaction.wire_id if transaction and purpose == "transaction" else None
        left_s = None if state.until_s is None else max(1, round(state.until_s - now_s))
        start = None
        if form.kind == "Absolute":
            start = iso(now_s - EARLIER_S)
            left_s = None if left_s is None else left_s + EARLIER_S
        elif left_s is not None and transaction is not None:
            left_s += max(0, round(now_s - transaction.start_s))
        phases = point.electrical.phases if point.quirks.number_phases else None
        return Profile(
            profile_id=_FIRST_ID + connector_id * 10 + _KINDS[purpose],
            purpose=purpose,
            connector_id=connector_id,
            stack_level=form.level,
            kind=form.kind,
            unit=form.unit,
            limit=value,
            start=start,
            duration_s=left_s,
            wire_id=wire_id,
            number_phases=None if point.electrical.is_dc else phases,
        )

    async def set(self, point: Charger, profile: Profile) -> None:
        """Send a profile. Raises WriteRejectedError unless it was taken."""
        ask = self._outbound(point).set_profile(profile)
        answer = await self._call(point, ask)
        status = status_of(answer, ask[0], point.station_id)
        if status != "Accepted":
            info = answer.get("statusInfo")
            reason = f"({info.get('reasonCode')}) " if isinstance(info, dict) else ""
            raise WriteRejectedError(
                f"{point.station_id} connector {profile.connector_id}: the charge point answered"
                f" {status} {reason}to {profile.unit} {profile.limit:g}",
                service_code=status,
            )

    async def put_base(self, point: Charger, connector_id: int) -> None:
        """Install the limit below every shed, for models that are not unlimited without one."""
        base_kw = point.quirks.base_kw
        if base_kw is None:
            return
        form = next(profile_variants(point, self._outbound(point)))
        value, _ = rate(base_kw, form.unit, point.electrical)
        profile = Profile(
            profile_id=_FIRST_ID + connector_id * 10 + _KINDS["base"],
            purpose="default" if connector_id else "max",
            connector_id=connector_id,
            stack_level=_BASE_LEVEL,
            kind=form.kind,
            unit=form.unit,
            limit=value,
            start=None if form.kind != "Absolute" else iso(self._now() - EARLIER_S),
            duration_s=None,
            number_phases=point.electrical.phases if point.quirks.number_phases else None,
        )
        try:
            await self.set(point, profile)
        except (WriteRejectedError, OutcomeUnknownError) as error:
            # The shed has to get through; where nothing does any more, its own error shows it.
            self._count(point, "base_refused", str(error))

    async def remove(self, point: Charger, connector_id: int, purpose: str) -> None:
        """Remove one of ours; nothing there is a success. Raises WriteRejectedError."""
        await self._remove(point, _FIRST_ID + connector_id * 10 + _KINDS[purpose])

    async def remove_plan(self, point: Charger, connector_id: int, purpose: str) -> None:
        """Remove one of a plan; nothing there is a success. Raises WriteRejectedError."""
        await self._remove(point, plan_id(connector_id, purpose))

    async def _remove(self, point: Charger, profile_id: int) -> None:
        ask = self._outbound(point).clear_profile(profile_id)
        answer = await self._call(point, ask)
        status = status_of(answer, ask[0], point.station_id)
        if status not in {"Accepted", "Unknown"}:
            raise WriteRejectedError(
                f"{point.station_id}: the charge point answered {status} to the end of a limit",
                service_code=status,
            )


def plan_id(connector_id: int, purpose: str) -> int:
    """Return the id of a profile of a plan."""
    return _FIRST_ID + connector_id * 10 + _PLANS[purpose]


def transaction_on(point: Charger, connector_id: int) -> Transaction | None:
    connector = point.connectors.get(connector_id)
    return None if connector is None else connector.transaction
