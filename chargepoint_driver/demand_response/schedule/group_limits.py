"""Limits and plans of the devices of groups, as they were written last."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chargepoint_driver.demand_response.schedule.config import GroupConfig
from chargepoint_driver.demand_response.schedule.devices import Devices, key_of
from chargepoint_driver.demand_response.schedule.engine import Period
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.text import get_logger

__all__ = ["GroupLimits"]

_log = get_logger(__name__)

# A plan is offered again after this time: the charger may have restarted. One that it has
# already is not sent again.
_PLAN_AGAIN_S = 300.0
# Errors after which a device gets limits, for so long before it is asked again to take a plan.
_PLANLESS = timedelta(hours=1)
_NO_PLANS = {"bad_configuration", "bad_value", "not_permitted", "refused", "write_rejected"}
_STEPS = 10


class GroupLimits:
    """Writes the limit of a group to each of its devices, and releases it again."""

    def __init__(self, devices: Devices, record: Callable[..., None]) -> None:
        """`record` takes the facts of a plan that was sent, as keywords."""
        self._devices = devices
        self._record = record
        self._limited: dict[str, Any] = {}
        self._plans: dict[str, tuple[Any, str, datetime]] = {}
        self._planless: dict[str, datetime] = {}

    def apply(
        self, group: GroupConfig, periods: list[Period], lease_s: float, now: datetime
    ) -> dict[str, str]:
        """Write what applies to each device of a group. Return the errors by device."""
        errors: dict[str, str] = {}
        count = len(group.devices)
        for device in group.devices:
            key = key_of(device)
            refused = self._planless.get(key)
            if group.plan and (refused is None or now - refused >= _PLANLESS):
                self._planless.pop(key, None)
                error = self._plan(key, device, count, periods, now)
                if key not in self._planless:
                    error = error or self._release(key)
                    if error:
                        errors[key] = error
                    continue
            error = self._limit(key, device, periods[0].kw, count, lease_s)
            if error:
                errors[key] = error
        return errors

    def keep_only(self, groups: list[GroupConfig]) -> None:
        """Release the devices that no group has now. What fails is tried again at the next call."""
        devices = {key_of(device) for group in groups for device in group.devices}
        planned = {key_of(device) for group in groups if group.plan for device in group.devices}
        for key in [key for key in self._limited if key not in devices]:
            self._release(key)
        for key in [key for key in self._plans if key not in planned]:
            if not self.attempt(key, partial(self._end_plan, key)):
                del self._plans[key]

    def release_all(self) -> None:
        """Release every limit. Plans stay until their end."""
        for key in list(self._limited):
            self._release(key)
        self._limited.clear()

    def attempt(self, key: str, act: Callable[[], None]) -> str:
        """Do something at a device. Return '' or why it failed."""
        try:
            act()
        except ChargePointError as error:
            _log.warning("%s: %s; tried again", key, error)
            return str(error)
        return ""

    # ---- inside --------------------------------------------------------------------------

    def _limit(self, key: str, device: Any, kw: float | None, count: int, lease_s: float) -> str:
        if kw is None:
            return self._release(key)
        part_kw = math.floor(kw / count * _STEPS + 1e-6) / _STEPS
        self._limited[key] = device
        return self.attempt(key, partial(self._devices.hold, device, part_kw, lease_s=lease_s))

    def _release(self, key: str) -> str:
        if key not in self._limited:
            return ""
        error = self.attempt(key, partial(self._devices.release, self._limited[key]))
        if not error:
            del self._limited[key]
        return error

    def _end_plan(self, key: str) -> None:
        if self._devices.plan(self._plans[key][0], ""):
            self._record(device=key, plan="removed", periods=0)

    def _plan(self, key: str, device: Any, count: int, periods: list[Period], now: datetime) -> str:
        """Offer a plan to a charger; one that takes none is written to from then on."""
        wanted = str([(each.end, each.kw) for each in periods[:-1]] + [(None, periods[-1].kw)])
        _, text, sent = self._plans.get(key, (device, "", now))
        if text == wanted and (now - sent).total_seconds() < _PLAN_AGAIN_S:
            return ""
        plan = {
            "periods": [
                {
                    "start": each.start.isoformat(),
                    "kw": None if each.kw is None else each.kw / count,
                }
                for each in periods
            ],
            "until": periods[-1].end.isoformat(),
        }
        plan_text = "" if all(each.kw is None for each in periods) else json.dumps(plan)
        try:
            is_new = self._devices.plan(device, plan_text)
        except ChargePointError as error:
            if error.code in _NO_PLANS:
                self._planless[key] = now
                self._record(device=key, plan=f"not taken, limits are written: {error}")
            else:
                _log.warning("%s: %s; tried again", key, error)
            return str(error)
        if is_new:
            self._record(device=key, plan="sent" if plan_text else "removed", periods=len(periods))
        self._plans[key] = device, wanted, now
        return ""
