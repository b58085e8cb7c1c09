"""Limits of load: from kW to charging profiles, installed, read back, put back, removed.

Requested is what was asked for, accepted what the charger took, confirmed what it reports (or
shows) to be in force, effective what can be counted on. A limit of a connector never becomes one
of the whole station, and nothing here stops a transaction or takes a connector out of service.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from typing import Any

from chargepoint_driver.backend import Limit
from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector
from chargepoint_driver.backends.ocpp.model.limit import Composite, LimitState, kw_of
from chargepoint_driver.backends.ocpp.protocol.provisioning import NEVER
from chargepoint_driver.backends.ocpp.protocol.requests import (
    RequestBuilder,
    RequestPayload,
)
from chargepoint_driver.backends.ocpp.smart_charging.profiles import Profiles, transaction_on
from chargepoint_driver.backends.ocpp.smart_charging.variants import (
    ProfileVariant,
    profile_variants,
)
from chargepoint_driver.backends.ocpp.status import load_of
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["Limiter"]

# How long after a write a measured load may confirm it.
_WATCH_S = 60.0


class Limiter:
    """The limits of all charge points."""

    def __init__(
        self,
        store: Store,
        call: Callable[[Charger, RequestPayload], Any],
        outbound: Callable[[Charger], RequestBuilder],
        learn: Callable[[Charger], Any],
        now: Callable[[], float],
        count: Callable[..., None],
    ) -> None:
        """`call` sends a request and returns its answer, `learn` reads the configuration."""
        self._store = store
        self._call = call
        self._outbound = outbound
        self._learn = learn
        self._now = now
        self._count = count
        self._profiles = Profiles(call, outbound, now, count)
        self._locks: dict[str, asyncio.Lock] = {}

    # ---- writes --------------------------------------------------------------------------

    async def shed(
        self, point: Charger, connector_id: int, limit: Limit, minutes: float
    ) -> LimitState:
        """Hold the load to the limit for `minutes` (0: without end).

        Raises WriteRejectedError when the charge point does not take it; what was in force before
        is then still shown as accepted.
        """
        self._must_be_there(point, connector_id)
        async with self._lock_of(point):
            state = self._requested(point, connector_id, limit, minutes)
            before = point.connectors.get(connector_id)
            if before is not None and before.limit is not None:
                # Its charger's report of a limit is believed again once the load obeys one.
                contradicted, tried = before.limit.contradicted, before.limit.tried
                state = replace(state, contradicted=contradicted, tried=tried)
            # Stored first: this process may end before the answer is stored.
            self._record_refusal(point, connector_id, state, OutcomeUnknownError("no answer yet"))
            await self._kept(point)
            try:
                state = await self._install(point, connector_id, state)
            except ChargePointError as error:
                self._record_refusal(point, connector_id, state, error)
                raise
            self.keep(point, connector_id, state)
            await self._kept(point)
            return state

    async def clear(self, point: Charger, connector_id: int) -> None:
        """Remove our limits there (connector 0: of the station and all its connectors), and put
        the base back. Nothing there is a success. A limit that was never taken ends without any
        request."""
        if self._end_refused(point, connector_id):
            return
        self._must_be_there(point, connector_id)
        async with self._lock_of(point):
            targets = [connector_id]
            if connector_id == 0:
                targets += [
                    number
                    for number, each in point.connectors.items()
                    if number and each.limit is not None
                ]
            for number in targets:
                state = point.connectors[number].limit if number in point.connectors else None
                if state is not None and not state.is_taken:
                    self.keep(point, number, None)
                    continue
                purposes = ("max",) if number == 0 else ("default", "transaction")
                for purpose in purposes:
                    try:
                        await self._profiles.remove(point, number, purpose)
                    except CallRefusedError as error:
                        # It knows no limits at all, so none of ours is there.
                        if state is not None or error.service_code not in NEVER:
                            raise
                self.keep(point, number, None)
                await self._profiles.put_base(point, number)
            await self._kept(point)

    def _end_refused(self, point: Charger, connector_id: int) -> bool:
        """End the limits there where the charge point took none; False where it may hold one."""
        concerned = [
            each
            for number, each in point.connectors.items()
            if connector_id in (0, number) and each.limit is not None
        ]
        if not concerned or any(each.limit.is_taken for each in concerned if each.limit):
            return False
        for each in concerned:
            self.keep(point, each.connector_id, None)
        return True

    async def contradict(self, point: Charger, connector_id: int) -> bool:
        """The load does not obey a limit that was accepted: try the next form, as if this one
        had been refused. False where there is none left, or no limit in force."""
        self._must_be_there(point, connector_id)
        async with self._lock_of(point):
            state = point.connector(connector_id).limit
            if state is None or state.accepted_kw is None or state.is_over(self._now()):
                return False
            tried = set(state.tried)
            if "form" in point.learned:
                tried.add(astuple(ProfileVariant(*point.learned["form"])))
            state = replace(
                state,
                contradicted=True,
                tried=tuple(sorted(tried)),
                confirmed_kw=None,
                confirmed_by=None,
            )
            self.keep(point, connector_id, state)
            self._count(point, "limits_not_obeyed", f"{state.accepted_kw:g} kW")
            for form in profile_variants(point, self._outbound(point)):
                if astuple(form) in tried:
                    continue
                try:
                    state = await self._profiles.install(point, connector_id, state, form)
                except WriteRejectedError:
                    continue
                self._remember(point, form)
                self.keep(point, connector_id, state)
                return True
            return False

    async def put_back(self, point: Charger, connector_id: int | None = None) -> None:
        """Install the limits again that a restart (or a new transaction) may have undone. A limit
        that got no answer is read back, and nothing is sent again."""
        for number, connector in point.connectors.items():
            if connector_id is not None and number != connector_id:
                continue
            state = connector.limit
            if state is not None and state.is_in_doubt:
                await self._find(point, number)
                continue
            if state is None or state.accepted_kw is None:
                continue
            if state.is_over(self._now()):
                self.keep(point, number, None)
                continue
            async with self._lock_of(point):
                try:
                    self.keep(point, number, await self._install(point, number, state))
                except ChargePointError as error:
                    self._count(point, "limits_not_put_back", str(error))

    def has_doubts(self, point: Charger) -> bool:
        """Return True if a limit got no answer, and may be in force."""
        now_s = self._now()
        return any(
            each.limit is not None and each.limit.is_in_doubt and not each.limit.is_over(now_s)
            for each in point.connectors.values()
        )

    async def settle_doubts(self, point: Charger) -> None:
        """Ask for each limit that got no answer whether the charger has it."""
        for number, connector in point.connectors.items():
            if connector.limit is not None and connector.limit.is_in_doubt:
                await self._find(point, number)

    async def _find(self, point: Charger, connector_id: int) -> None:
        """Ask for the schedule in force: it shows a limit in doubt, or, while a transaction runs,
        that there is none. Else it stays in doubt."""
        async with self._lock_of(point):
            state = point.connector(connector_id).limit
            if state is None or not state.is_in_doubt or state.is_over(self._now()):
                return
            unit = next(profile_variants(point, self._outbound(point))).unit
            found = await self._composite(point, connector_id, unit)
            if found is None:
                return
            kw = kw_of(found, point.electrical)
            if state.is_satisfied_by(kw):
                state = replace(state, accepted_kw=kw, confirmed_kw=kw, confirmed_by="composite")
            elif connector_id and transaction_on(point, connector_id) is None:
                return  # a default profile need not show before a transaction
            self.keep(point, connector_id, replace(state, refused=None))

    def observe(self, point: Charger, connector: Connector) -> None:
        """Take a new meter value: it may confirm a limit that nothing else did."""
        state = connector.limit
        now_s = self._now()
        if state is None or state.accepted_kw is None or state.confirmed_kw is not None:
            return
        if now_s - state.written_s > _WATCH_S and not state.contradicted:
            return
        most_kw = state.accepted_kw * 1.05 + 0.05
        offered = connector.meter.known(state.written_s).get("offered_kw")
        load_kw, _ = load_of(point, connector, now_s)
        if state.contradicted and not connector.meter.known(state.written_s).get("load_kw"):
            return
        if offered is not None and offered[0] <= most_kw and not state.contradicted:
            confirmed, by = offered[0], "offered"
        elif load_kw is not None and load_kw <= most_kw and connector.transaction is not None:
            confirmed, by = state.accepted_kw, "load"
        else:
            return
        self.keep(
            point,
            connector.connector_id,
            replace(state, confirmed_kw=confirmed, confirmed_by=by, contradicted=False, tried=()),
        )

    def restore(self, data: dict[str, Any]) -> LimitState | None:
        """Return a limit as `_keep` stored it; None when it is over."""
        try:
            tried = tuple((str(u), str(k), int(n)) for u, k, n in data.get("tried", ()))
            purposes = tuple(data.get("purposes", ()))
            state = LimitState(**{**data, "purposes": purposes, "tried": tried})
        except (TypeError, ValueError):
            return None
        return None if state.is_over(self._now()) else state

    # ---- what is asked for ---------------------------------------------------------------

    def _requested(
        self, point: Charger, connector_id: int, limit: Limit, minutes: float
    ) -> LimitState:
        now_s = self._now()
        until_s = now_s + minutes * 60 if minutes else None
        if limit.percent_shed is None:
            kw = limit.allowed_load_kw
            if kw is None or not math.isfinite(kw) or kw < 0:
                raise InvalidValueError(f"{point.station_id}: the limit must be 0 kW or more")
            return LimitState(kw, None, None, kw, now_s, until_s)
        if not 0 <= limit.percent_shed <= 100:
            raise InvalidValueError(f"{point.station_id}: percentShed is a number from 0 to 100")
        base_kw = self._base_kw(point, connector_id)
        kw = base_kw * (100 - limit.percent_shed) / 100
        return LimitState(None, limit.percent_shed, base_kw, kw, now_s, until_s)

    def _base_kw(self, point: Charger, connector_id: int) -> float:
        """Return the load now, else the rated power."""
        real = [each for number, each in point.connectors.items() if number]
        concerned = real
        if connector_id:
            concerned = [each for each in real if each.connector_id == connector_id]
        loads = [load_of(point, each, self._now())[0] for each in concerned]
        known = [load for load in loads if load is not None]
        if known and len(known) == len(loads) and sum(known) > 0:
            return sum(known)
        rated = point.electrical.rated_kw
        if rated is None:
            raise InvalidValueError(
                f"{point.station_id}: percentShed needs a load at the moment, or rated_kw in the"
                " charge point's settings"
            )
        return rated * max(1, len(concerned))

    def _must_be_there(self, point: Charger, connector_id: int) -> None:
        real = [number for number in point.connectors if number]
        if connector_id and real and connector_id not in real:
            there = ", ".join(map(str, real))
            raise NotFoundError(
                f"{point.station_id} has no connector {connector_id} (there: {there})"
            )
        if not point.connected:
            raise TransientError(f"{point.station_id} is not connected; nothing was sent")

    # ---- installing ----------------------------------------------------------------------

    async def _install(self, point: Charger, connector_id: int, state: LimitState) -> LimitState:
        """Try the forms that the charge point may take, from the one that worked before."""
        if not point.settings_read and point.quirks.read_configuration:
            await self._learn(point)
        await self._profiles.put_base(point, connector_id)
        refusal: ChargePointError | None = None
        for form in profile_variants(point, self._outbound(point)):
            try:
                taken = await self._profiles.install(point, connector_id, state, form)
            except WriteRejectedError as error:
                refusal = error
                if error.service_code in NEVER:
                    break
                continue
            self._remember(point, form)
            return await self._confirm(point, connector_id, taken, form)
        assert refusal is not None
        raise refusal

    # ---- confirming ----------------------------------------------------------------------

    async def _confirm(
        self, point: Charger, connector_id: int, state: LimitState, form: ProfileVariant
    ) -> LimitState:
        """Ask what is in force. What cannot be found out stays None."""
        if state.contradicted:
            return state  # it said so before, and the load did not obey
        found = await self._composite(point, connector_id, form.unit)
        return state if found is None else self._compare(point, connector_id, state, found)

    async def _composite(self, point: Charger, connector_id: int, unit: str) -> Composite | None:
        """Return what a charger reports as in force; None if it does not report it."""
        if not point.quirks.composite or point.learned.get("composite") is False:
            return None
        out = self._outbound(point)
        try:
            answer = await self._call(point, out.composite(connector_id, unit, 300))
        except CallRefusedError as error:
            if error.service_code in NEVER:
                point.learned["composite"] = False
                self._save(point, self._save_learned)
            return None
        except ChargePointError:
            return None
        return out.read_composite(answer)

    def _compare(
        self, point: Charger, connector_id: int, state: LimitState, found: Composite
    ) -> LimitState:
        """Return the state of a limit by a composite schedule."""
        assert state.accepted_kw is not None
        kw = kw_of(found, point.electrical)
        if state.is_satisfied_by(kw):
            return replace(state, confirmed_kw=kw, confirmed_by="composite")
        if transaction_on(point, connector_id) is None and connector_id:
            return state  # a default profile need not show before a transaction
        self._count(point, "limits_not_applied", f"{kw:g} kW instead of {state.accepted_kw:g}")
        return replace(state, confirmed_kw=kw, confirmed_by="composite")

    # ---- keeping -------------------------------------------------------------------------

    def keep(self, point: Charger, connector_id: int, state: LimitState | None) -> None:
        if state is None and connector_id not in point.connectors:
            return
        point.connector(connector_id).limit = state
        data = None if state is None else asdict(state)
        self._save(
            point, lambda _: self._store.save("limits", point.station_id, connector_id, data)
        )

    def _save(self, point: Charger, save: Callable[[Charger], None]) -> None:
        """Have something stored. Where it cannot be, it is in force all the same, and a restart
        will not know of it."""
        try:
            save(point)
        except StoreError as error:
            self._count(point, "not_stored", type(error).__name__)
        else:
            self._store.committed()

    async def _kept(self, point: Charger) -> None:
        """Wait until what was saved survives the end of this process, where that can be."""
        try:
            await asyncio.shield(self._store.kept())
        except (StoreError, OSError) as error:
            self._count(point, "not_stored", type(error).__name__)

    def _save_learned(self, point: Charger) -> None:
        self._store.save_point(point.station_id, worked=point.learned)

    def _record_refusal(
        self, point: Charger, connector_id: int, state: LimitState, error: ChargePointError
    ) -> None:
        """Keep the refused request together with the limit that stays in force."""
        if connector_id and connector_id not in point.connectors:
            return  # most likely there is none
        before = point.connector(connector_id).limit
        code = error.service_code or error.code
        if before is None or before.accepted_kw is None or before.is_over(self._now()):
            self.keep(point, connector_id, replace(state, refused=code))
        else:
            self.keep(point, connector_id, replace(before, refused=code))

    def _remember(self, point: Charger, form: ProfileVariant) -> None:
        found = [form.unit, form.kind, form.level]
        if point.learned.get("form") != found:
            point.learned["form"] = found
            self._save(point, self._save_learned)

    def _lock_of(self, point: Charger) -> asyncio.Lock:
        return self._locks.setdefault(point.station_id, asyncio.Lock())
