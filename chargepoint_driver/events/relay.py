"""The relay: one task for each sink, which reads stored events and hands them over.

Each sink has its own cursor and its own pace. A cursor moves on when the sink has confirmed a
batch, so that what is sent when the process ends comes again: at least once, in order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.events.cursors import Cursors
from chargepoint_driver.events.envelope import EVENTS_LOST, Event, iso
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.outlet import Alarm, Alert, Limits, Outlet, Pause, SinkState
from chargepoint_driver.events.sinks.base import Sink, Status
from chargepoint_driver.events.stored_events import StoredEvents
from chargepoint_driver.process.tasks import run_together
from chargepoint_driver.text import get_logger

__all__ = ["Relay"]

_log = get_logger(__name__)

POLL_S = 0.1
"""How often the file is asked for new events while some came lately."""
_IDLE_POLL_S = 0.25
_LATELY_S = 10.0
_MEASURE_S = 2.0
_STATUS_EVERY_S = 0.5
_MAX_STATUSES = 500


class _Line:
    """One sink with its cursor."""

    def __init__(self, outlet: Outlet, alarm: Alarm) -> None:
        self.outlet = outlet
        self.name = outlet.name
        self.sink = outlet.sink
        self.alarm = alarm
        self.waiting = 0
        self.lag_s = 0.0
        self.lost = 0
        self.position = 0
        self.run = 0
        self.lost_after: int | None = None  # skipped from here to `position`, and not reported yet
        self.dirty: dict[str, None] = {}  # stations whose status it has not got
        self.new = asyncio.Event()

    @property
    def state(self) -> SinkState:
        """State of the sink."""
        outlet = self.outlet
        return SinkState(
            outlet.name,
            outlet.kind,
            self.waiting,
            self.lag_s,
            outlet.delivered,
            outlet.retries,
            self.lost,
            outlet.error,
        )


class Relay:
    """Reads one file of events for any number of sinks. `run` is its work, on one loop."""

    def __init__(
        self,
        source: StoredEvents,
        cursors: Cursors,
        sinks: Mapping[str, tuple[str, Sink, Limits]],
        feed: StatusFeed | None = None,
        *,
        now: Callable[[], float] = time.time,
        alert: Alert | None = None,
    ) -> None:
        """`sinks`: name to (type, sink, limits). `feed` gives the latest status of charge
        points. `alert` is called on the relay's thread."""
        self._source = source
        self._cursors = cursors
        self._feed = feed
        self._now = now
        self._last = 0
        self.outlets = [Outlet(name, *of_sink) for name, of_sink in sinks.items()]
        self._lines = [_Line(each, Alarm(each, alert)) for each in self.outlets]
        for line in self._lines:
            line.outlet.on_open = partial(self._opened, line)

    def states(self) -> list[SinkState]:
        """Return how each sink stands. From any thread."""
        return [line.state for line in self._lines]

    def prepare(self, begin: int | None = None) -> None:
        """Find where each sink goes on. A new one begins after the event `begin`; None: after the
        newest one.

        Raises TransientError, StoreError.
        """
        self._last = self._source.last()
        for line in self._lines:
            self._place(line, self._last if begin is None else min(begin, self._last))

    async def run(self) -> None:
        """Hand events over until this is cancelled; `prepare` first."""
        works = [self._watch(), *(self._carry(line) for line in self._lines)]
        takers = [line for line in self._lines if line.sink.takes_status]
        if self._feed is not None and takers:
            works.append(self._look_at_statuses(self._feed))
            works += [self._carry_statuses(self._feed, line) for line in takers]
        try:
            await run_together(works)
        finally:
            for line in self._lines:
                await line.sink.close()

    # ---- what is new ---------------------------------------------------------------------

    async def _watch(self) -> None:
        """Ask the file for its newest id, often enough for a lag well below a second."""
        newest_s = measured_s = time.monotonic()
        while True:
            try:
                last = self._source.last()
                if time.monotonic() - measured_s >= _MEASURE_S:
                    # Also of a sink that waits for its next try.
                    measured_s = time.monotonic()
                    for line in self._lines:
                        self._measure(line)
            except ChargePointError as error:
                _log.warning("sinks: %s", error)
                await asyncio.sleep(1.0)
                continue
            if last != self._last:
                self._last = last
                newest_s = time.monotonic()
                for line in self._lines:
                    line.new.set()
            if not any(each.is_open or each.error is None for each in self.outlets):
                await asyncio.sleep(_MEASURE_S)  # all sinks are away: only limits are watched
                continue
            is_lively = time.monotonic() - newest_s < _LATELY_S
            await asyncio.sleep(POLL_S if is_lively else _IDLE_POLL_S)

    def _place(self, line: _Line, begin: int) -> None:
        """Find where a sink goes on: after its cursor; a new one after `begin`."""
        known = self._cursors.load(line.name)
        lost = self._cursors.lost(line.name)
        if known is None:
            line.position = begin
            line.run = self._source.run_of(begin)
            self._cursors.save(line.name, line.run, line.position)
        else:
            line.run, line.position = known
            if line.position > self._last:
                # The file is older than the cursor: a backup. What comes has new ids of a new run.
                _log.warning(
                    "sinks.%s: its cursor %d is beyond the newest event %d, as after a restored "
                    "backup; it goes on from there",
                    line.name,
                    line.position,
                    self._last,
                )
                line.position = self._last
        line.lost, line.waiting = lost, self._last - line.position

    # ---- events --------------------------------------------------------------------------

    async def _carry(self, line: _Line) -> None:
        pause = Pause()
        while True:
            try:
                batch = await self._next_batch(line)
                if not batch:
                    await self._wait_for_news(line)
                    continue
                await self._deliver(line, batch)
                pause.reset()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a client raises costs its sink only
                await line.outlet.failed(error)
                self._measure(line)
                await pause.wait()

    async def _next_batch(self, line: _Line) -> list[Event]:
        self._measure(line)
        self._skip(line)
        if line.position >= self._last and line.lost_after is None:
            return []
        await line.outlet.open()  # first: nothing is read for a sink that is away
        batch = self._source.read(line.position, line.sink.max_batch)
        if batch and batch[0].seq > line.position + 1:
            self._look_for_deleted(line, batch[0].seq)
        lost = self._lost(line)
        if lost is not None:
            return [lost, *batch[: line.sink.max_batch - 1]]
        if not batch and line.position < self._last:
            line.position = self._last  # ids that were never used, or deleted
        return batch

    async def _wait_for_news(self, line: _Line) -> None:
        line.new.clear()
        if line.position >= self._last:
            # Seen again now and then, so that the state of an idle sink is a true one.
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(line.new.wait(), 5.0)
        else:
            await asyncio.sleep(0)

    async def _deliver(self, line: _Line, batch: Sequence[Event]) -> None:
        await line.outlet.put(batch)
        last = batch[-1]
        lost = 0
        if batch[0].action == EVENTS_LOST:
            lost, line.lost_after = batch[0].data["lost"], None
        self._cursors.save(line.name, last.run, last.seq, lost)
        line.position, line.run = last.seq, last.run
        line.lost += lost
        line.outlet.delivered_more(len(batch))
        self._measure(line)

    def _opened(self, line: _Line) -> None:
        if self._feed is not None:
            # Those that were forgotten meanwhile stay in it.
            line.dirty.update(dict.fromkeys(self._feed.known()))

    # ---- limits --------------------------------------------------------------------------

    def _measure(self, line: _Line) -> None:
        waiting = max(0, self._last - line.position)
        lag_s = 0.0
        if waiting:
            received_s = self._source.received_s(line.position)
            lag_s = 0.0 if received_s is None else max(0.0, self._now() - received_s)
        line.waiting, line.lag_s = waiting, lag_s
        line.alarm.watch(waiting, lag_s)

    def _skip(self, line: _Line) -> None:
        """Move a sink on that is beyond a limit."""
        limits, before = line.outlet.limits, line.position
        to = before
        if self._last - before > limits.events:
            to = self._last - limits.events
        if line.lag_s > limits.age_s:
            to = max(to, self._source.before(self._now() - limits.age_s))
        if to <= before:
            return
        line.position, line.run = to, self._source.run_of(to)
        if line.lost_after is not None:
            return  # reported already; the sink gets it when it is there
        line.lost_after = before
        text = (
            "events are not delivered, since too many waited, or for too long; "
            f"`chargepoint-driver events --after {before}` writes them again while they are stored"
        )
        line.alarm.raise_now(text)

    def _look_for_deleted(self, line: _Line, following: int) -> None:
        """Move a sink on over events that were deleted before it had them: the file was full."""
        if self._source.first() != following:
            return  # ids that were never used: older events are there
        if line.lost_after is None:
            line.lost_after = line.position
            text = "events were deleted before it had them, since the database was full"
            line.alarm.raise_now(text)
        line.position, line.run = following - 1, self._source.run_of(following - 1)

    def _lost(self, line: _Line) -> Event | None:
        """Return the event about what was skipped, if anything was."""
        after = line.lost_after
        if after is None:
            return None
        now_s, through = self._now(), line.position
        lost = self._source.count(after, through)
        data = json.dumps({"lost": lost, "after": after, "through": through})
        return Event(
            line.run, through, now_s, now_s, self._source.account, "", None, EVENTS_LOST, data
        )

    # ---- the latest status ---------------------------------------------------------------

    async def _look_at_statuses(self, feed: StatusFeed) -> None:
        takers = [line for line in self._lines if line.sink.takes_status]
        while True:
            try:
                # A sink that is away gets every status when it opens.
                if any(each.outlet.is_open or each.outlet.error is None for each in takers):
                    changed = dict.fromkeys(await feed.changed())
                    for line in takers:
                        line.dirty.update(changed)
            except asyncio.CancelledError:
                raise
            except Exception:  # noqa: BLE001 - logged; the next look tries again
                _log.exception("the latest status cannot be read")
                await asyncio.sleep(5.0)
            await asyncio.sleep(_STATUS_EVERY_S)

    async def _carry_statuses(self, feed: StatusFeed, line: _Line) -> None:
        pause = Pause()
        while True:
            stations = list(line.dirty)[:_MAX_STATUSES]
            if not stations:
                await asyncio.sleep(_STATUS_EVERY_S)
                continue
            try:
                await line.outlet.open()
                for station in stations:
                    line.dirty.pop(station, None)
                as_of = iso(self._now())
                made = {station: status async for station, status in feed.statuses(stations)}
                found: list[Status] = [
                    {**status, "as_of": as_of} for status in made.values() if status is not None
                ]
                gone = [station for station, status in made.items() if status is None]
                await line.outlet.put_status(found, self._source.account, gone)
                if line.position >= self._last:
                    line.outlet.error = None
                pause.reset()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - as for events
                line.dirty.update(dict.fromkeys(stations))
                await line.outlet.failed(error)
                await pause.wait()
