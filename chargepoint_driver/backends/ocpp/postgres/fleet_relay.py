"""Relay of the events in PostgreSQL: for each sink one node of the fleet, under a lease.

The holder of a sink's lease hands over the events of all runs, those of ended nodes too. When it
ends, another node goes on after the last batch that was noted.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.event_outbox import (
    EventOutbox,
    Lease,
    Skipped,
    Waiting,
)
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.errors import StoreError
from chargepoint_driver.events.envelope import EVENTS_LOST, Event
from chargepoint_driver.events.outlet import Alarm, Alert, Outlet, Pause
from chargepoint_driver.process.tasks import run_together
from chargepoint_driver.text import get_logger

__all__ = ["FleetRelay"]

_log = get_logger(__name__)

_POLL_S = 0.2
_TRY_S = 0.5
_MEASURE_S = 2.0


class _Line:
    """One sink."""

    def __init__(self, outlet: Outlet, alarm: Alarm) -> None:
        self.outlet = outlet
        self.alarm = alarm
        self.lease = f"relay:{outlet.name}"
        self.waiting = Waiting(0, None, 0, 0, None)
        self.lag_s = 0.0


class FleetRelay:
    """See the module. On the loop of the connections; `run` is its work."""

    def __init__(
        self,
        connections: Connections,
        leases: Leases,
        outlets: Sequence[Outlet],
        account: str,
        renew_s: float,
        *,
        now: Callable[[], float] = time.time,
        alert: Alert | None = None,
    ) -> None:
        """`account` is the one of the event about events that are lost. `renew_s`: how often
        leases are renewed. `alert` is called on the loop."""
        self._connections = connections
        self._outbox = EventOutbox(connections)
        self._leases = leases
        self._account = account
        self._renew_s = renew_s
        self._now = now
        self._lines = {each.name: _Line(each, Alarm(each, alert)) for each in outlets}
        self._is_away = False

    def waiting(self, sink: str) -> tuple[int, float, int]:
        """Return of a sink how many events wait (an upper bound), for how many seconds the oldest
        does, and how many were lost. From any thread."""
        line = self._lines[sink]
        return line.waiting.events, line.lag_s, line.waiting.lost

    async def run(self) -> None:
        """Hand events over until this is cancelled. Closes the connections at its end."""
        regular = (
            (self._renew_s, self._leases.renew),
            (_MEASURE_S, self._measure),
        )
        try:
            await run_together(
                [
                    *(self._carry(line) for line in self._lines.values()),
                    *(self._regularly(seconds, work) for seconds, work in regular),
                ]
            )
        finally:
            with suppress(StoreError):  # they end in a few seconds anyway
                await self._leases.release()
            await self._connections.close()

    # ---- events --------------------------------------------------------------------------

    async def _carry(self, line: _Line) -> None:
        pause = Pause()
        while True:
            try:
                epoch = await self._leases.hold(line.lease)
                if epoch is None:
                    await asyncio.sleep(_TRY_S)
                    continue
                lease = Lease(line.lease, self._leases.holder, epoch)
                is_done = await self._hand_over(line, lease)
                pause.reset()
                if is_done:
                    await asyncio.sleep(_POLL_S)
            except asyncio.CancelledError:
                raise
            except StoreError as error:
                self._note_failure(error)
                await asyncio.sleep(_TRY_S)
            except Exception as error:  # noqa: BLE001 - whatever a client raises costs its sink only
                await line.outlet.failed(error)
                await self._let_others_try(line, pause)

    async def _hand_over(self, line: _Line, lease: Lease) -> bool:
        """Hand the next events over. Returns whether there are no more."""
        outlet = line.outlet
        if outlet.error is not None:
            await outlet.open()  # nothing is read for a sink that is away
        found = await self._outbox.read(outlet.name, outlet.sink.max_batch)
        self._note_failure(None)
        skipped = line.waiting.skipped
        if skipped is not None:
            # They are reported only here: what is read now is still to be reported.
            skipped = (await self._outbox.measure([outlet.name]))[outlet.name].skipped
        if skipped is not None:
            found = found[: outlet.sink.max_batch - 1]
        if not found and skipped is None:
            return True
        await outlet.open()
        # It may have been opened for long.
        if self._leases.epoch(line.lease) != lease.epoch:
            return False
        events = [event for _, event in found]
        if skipped is not None:
            events.insert(0, self._lost(skipped))
        await outlet.put(events)
        last = {event.run: own_id for own_id, event in found}
        if not await self._outbox.moved(outlet.name, lease, last, skipped):
            await self._leases.renew()  # it learns that another node has it
            return False
        outlet.delivered_more(len(events))
        if skipped is not None:
            line.waiting = line.waiting._replace(skipped=None)
        return False

    def _lost(self, skipped: Skipped) -> Event:
        now_s = self._now()
        data = {"lost": skipped.events, "after": skipped.after, "through": skipped.through}
        return Event(
            skipped.run, skipped.through, now_s, now_s, self._account, "", None, EVENTS_LOST,
            json.dumps(data),
        )  # fmt: skip

    async def _let_others_try(self, line: _Line, pause: Pause) -> None:
        """Wait after a failure of a sink. After several another node may reach it better."""
        if pause.is_longest:
            with suppress(StoreError):
                await self._leases.release(line.lease)
        await pause.wait()

    # ---- limits --------------------------------------------------------------------------

    async def _measure(self) -> None:
        found = await self._outbox.measure(list(self._lines))
        now_s = self._now()
        for name, waiting in found.items():
            line = self._lines[name]
            line.waiting = waiting
            oldest_s = waiting.oldest_s
            line.lag_s = 0.0 if oldest_s is None else max(0.0, now_s - oldest_s)
            epoch = self._leases.epoch(line.lease)
            if epoch is None:
                continue
            line.alarm.watch(waiting.events, line.lag_s)
            limits = line.outlet.limits
            if waiting.events > limits.events or line.lag_s > limits.age_s:
                await self._skip(line, Lease(line.lease, self._leases.holder, epoch))

    async def _skip(self, line: _Line, lease: Lease) -> None:
        """Move a sink on that is beyond a limit."""
        limits, waiting = line.outlet.limits, line.waiting
        if not await self._outbox.skip(
            line.outlet.name, lease, self._now() - limits.age_s, waiting.newest - limits.events
        ):
            return
        found = await self._outbox.measure([line.outlet.name])
        line.waiting = found[line.outlet.name]
        if waiting.skipped is None and line.waiting.skipped is not None:
            line.alarm.raise_now(
                "events are not delivered, since too many waited, or for too long; "
                f"`chargepoint-driver events --after {line.waiting.skipped.after}` with the config "
                "of a node writes them again while they are stored"
            )

    # ---- regular work --------------------------------------------------------------------

    async def _regularly(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await work()
            except StoreError as error:
                self._note_failure(error)
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("regular work of the relay failed")
            await asyncio.sleep(seconds)

    def _note_failure(self, error: StoreError | None) -> None:
        if error is None:
            self._is_away = False
        elif not self._is_away:
            self._is_away = True
            _log.error("sinks: %s; events of the fleet wait in PostgreSQL", error)
