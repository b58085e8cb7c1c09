"""Set-up requests after which a charge point restarts, and which of them are not sent again.

Some chargers reboot whenever their settings are read, or at each change of one. Without a memory
of that, getting to know them would restart them without end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chargepoint_driver.backends.ocpp.model import set_up_restarts
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.set_up_restarts import (
    ALL_KEYS,
    KEY,
    MAX_RESTARTS,
    READS,
    WHOLE,
    is_suspected,
    restarts_of,
    setting_of,
)
from chargepoint_driver.backends.ocpp.protocol.requests import RequestPayload
from chargepoint_driver.text import get_logger

__all__ = ["SHORT_LIST", "SetUpGuard", "is_barred"]

_log = get_logger(__name__)

WATCH_S = 30.0
"""A restart within this time of a set-up request is put down to it."""
SHORT_LIST = 2
"""Measurands of the smaller list that is tried where the whole one made a charger restart."""


def is_barred(point: Charger, ask: RequestPayload) -> bool:
    """Return True if a set-up request is not sent any more, since it made the charge point restart.

    Twice is enough, once where a larger request of its kind did before.
    """
    return set_up_restarts.is_barred(restarts_of(point), _name_of(ask))


class SetUpGuard:
    """Watches what follows the set-up requests of all charge points."""

    def __init__(
        self,
        count: Callable[[Charger, str, str], None],
        save: Callable[[Charger], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`save` keeps `learned` of a charge point; `clock` gives monotonic seconds."""
        self._count = count
        self._save = save
        self._clock = clock
        # Charge point to its requests within the last 30 s, and when they were last out.
        self._watched: dict[str, dict[str, float]] = {}

    async def wait_turn(self, point: Charger) -> None:
        """Wait until it would be clear which request a restart follows: 30 s after the last one,
        of a charge point that is suspected only."""
        watched = self._of(point)
        if watched and is_suspected(point):
            await asyncio.sleep(max(0.0, max(watched.values()) + WATCH_S - self._clock()))
            self._of(point)

    def sent(self, point: Charger, ask: RequestPayload) -> None:
        """Record a set-up request that goes out, or its answer."""
        self._of(point)[_name_of(ask)] = self._clock()

    def watched(self, point: Charger) -> list[str]:
        """Return the requests that a restart now would follow."""
        return list(self._of(point))

    def forget(self, point: Charger) -> None:
        """Forget the requests: a restart now has another reason."""
        self._watched.pop(point.station_id, None)

    def restarted(self, point: Charger) -> None:
        """Record that the charger disconnected or booted."""
        names = self.watched(point)
        self.forget(point)
        # A write is suspected before the reading that went before it.
        names = [name for name in names if not name.startswith(READS)] or names
        if not names:
            return
        before = restarts_of(point)
        known = {setting_of(name) for name, number in before.items() if number >= MAX_RESTARTS}
        after = {**before, **{name: before.get(name, 0) + 1 for name in names}}
        if len(names) == 1:
            # It was this one: what was only suspected with it is cleared.
            after = {
                name: number
                for name, number in after.items()
                if name in names
                or number >= MAX_RESTARTS
                or set_up_restarts.is_barred(before, name)
            }
        self._keep(point, after)
        self._count(point, "set_up_restarts", f"after {', '.join(names)}")
        for name in names:
            setting = setting_of(name)
            if after[name] >= MAX_RESTARTS and setting not in known:
                known.add(setting)
                _log.warning(
                    "charge point %r restarted %d times after %s, which is not sent again; to"
                    " keep it so, write under charge_points.%s.quirks: %s",
                    point.station_id,
                    after[name],
                    name,
                    point.station_id,
                    setting,
                )

    def booted(self, point: Charger) -> None:
        """Other firmware may do better: what is known of the one before is forgotten."""
        known = point.learned.get(KEY)
        if known and known.get("firmware") != point.boot.get("firmware"):
            self._keep(point, {})

    def _of(self, point: Charger) -> dict[str, float]:
        """Return the requests that a restart now would follow. One that was followed by none in 30
        s is not suspected any more."""
        watched = self._watched.setdefault(point.station_id, {})
        end_s = self._clock() - WATCH_S
        calm = [name for name, at_s in watched.items() if at_s < end_s]
        for name in calm:
            del watched[name]
        restarts = restarts_of(point)
        left = {
            name: number
            for name, number in restarts.items()
            if name not in calm or number >= MAX_RESTARTS
        }
        if left != restarts:
            self._keep(point, left)
        return watched

    def _keep(self, point: Charger, restarts: dict[str, int]) -> None:
        # Replaced, not changed: other threads read it meanwhile.
        learned = {name: value for name, value in point.learned.items() if name != KEY}
        if restarts:
            learned[KEY] = {"firmware": point.boot.get("firmware"), "restarts": restarts}
        point.learned = learned
        self._save(point)


def _name_of(ask: RequestPayload) -> str:
    """Return a request by what matters of it: the action, the setting, whether it is a large
    one."""
    action, payload = ask
    if action == "GetConfiguration":
        return action if payload.get("key") else ALL_KEYS
    if action == "TriggerMessage":
        return f"{action} {payload['requestedMessage']}"
    if action == "ChangeConfiguration":
        return _write(action, payload["key"], payload["value"])
    if action == "SetVariables":
        first = payload["setVariableData"][0]
        name = f"{first['component']['name']}.{first['variable']['name']}"
        return _write(action, name, first["attributeValue"])
    return action


def _write(action: str, setting: str, value: str) -> str:
    is_whole = value.count(",") >= SHORT_LIST
    return f"{action} {setting}{WHOLE if is_whole else ''}"
