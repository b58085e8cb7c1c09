"""Regular work of a central system on its database: contacts, retention and size."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import StoreError
from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["Housekeeping"]

_DAY_S = 86_400.0


class _System(Protocol):
    """The central system, as far as it is needed here."""

    config: OcppConfig
    store: Store

    counters: Counter[str]
    now: Callable[[], float]
    count: Callable[..., None]

    @property
    def points(self) -> dict[str, Charger]: ...

    async def writable(self) -> None:
        """Wait until the database can be written."""

    async def stored(self) -> None:
        """Wait until everything is stored."""

    async def forget(self, point: Charger) -> None:
        """Forget a charger."""


class Housekeeping:
    """Called at intervals, on the loop's thread."""

    def __init__(self, csms: _System, lines: RateLimitedLog) -> None:
        self._csms = csms
        self._lines = lines

    def save_contacts(self) -> None:
        """Keep when each charger was last heard of, and what was out of order."""
        try:
            for point in self._csms.points.values():
                if point.last_seen_s is not None and point.last_seen_s != point.saved_seen_s:
                    point.saved_seen_s = point.last_seen_s
                    self._csms.store.save_point(point.station_id, last_seen=point.last_seen_s)
                if point.counters and point.record_departures():
                    self._csms.store.save_point(point.station_id, worked=point.learned)
        except StoreError as error:
            self._csms.count(None, "not_stored", str(error))

    async def prune(self) -> None:
        """Delete what is older than it should be, in small steps."""
        keep, now_s = self._csms.config.retention, self._csms.now()
        await self._csms.writable()
        self._csms.store.expire_reservations(now_s)
        for kind, days in (
            ("events", keep.events_days),
            ("meter_values", keep.meter_values_days),
            ("transactions", keep.transactions_days),
        ):
            if days is None:
                continue
            sweep = self._csms.store.sweep(kind, now_s - days * _DAY_S)
            while self._csms.store.sweep_step(sweep):
                await self._csms.stored()
                await asyncio.sleep(0.05)
                await self._csms.writable()
            self._csms.store.end_sweep(sweep)
        self._csms.store.forget_remote_starts(now_s - _DAY_S)
        if keep.unbooted_days is not None:
            await self._forget_unbooted(now_s - keep.unbooted_days * _DAY_S)

    async def watch_size(self) -> None:
        """Delete the oldest events while the database holds more than it may."""
        most = self._csms.config.retention.max_bytes
        if most is None or self._csms.store.used_bytes() <= most:
            return
        self._lines.warning(
            "database_full", reason=f"more than retention.max_bytes {most}; the oldest events go"
        )
        self._csms.counters["database_full"] += 1
        while self._csms.store.used_bytes() > most:
            await self._csms.writable()
            if not self._csms.store.prune_oldest():
                return
            await self._csms.stored()
            await asyncio.sleep(0.02)

    async def _forget_unbooted(self, before_s: float) -> None:
        """Forget ids that came once, never booted and left nothing to keep."""
        for station_id, point in list(self._csms.points.items()):
            is_named = (
                isinstance(self._csms.config.charge_points, dict)
                and station_id in self._csms.config.charge_points
            )
            is_old = point.last_seen_s is None or point.last_seen_s < before_s
            runs = any(
                each.transaction is not None or each.limit is not None
                for each in point.connectors.values()
            )
            if not (point.connected or point.boot or is_named or runs) and is_old:
                await self._csms.forget(point)
                self._csms.counters["forgotten_charge_points"] += 1
