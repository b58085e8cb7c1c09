"""Events of the chargers of all nodes: each node sends its own to the nodes that follow them.

A node that follows asks for them every two seconds. The others then send what happens, in
batches of 100 ms. NATS stores nothing, and a batch may be lost: batches are numbered, and a node
without news sends an empty one each second. After a gap, or silence, followers get the event
`EventsLost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.charger_events import Listener, events_lost
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.postgres.event_sender import Batch, EventSender
from chargepoint_driver.backends.ocpp.postgres.ownership import Ownership, RunningNode
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.process.loop_thread import native_lock
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["FleetEvents"]

_log = get_logger(__name__)

_LOOK_S = 0.5
_ASK_S = 2.0
_SILENCE_S = 3.5
_NOTHING = "nothing comes from it over NATS; changes of its chargers are seen by reading only"


@dataclass
class _Heard:
    """State of a node's batches: the number of its next event, in its session, and when the last
    batch came."""

    session: int
    number: int
    at_s: float


class FleetEvents:
    """See the module. On the loop's thread, but for `listen`. `start` first."""

    def __init__(
        self, csms: Csms, own: RunningNode, ownership: Ownership, messaging: Messaging
    ) -> None:
        """`own` is this node."""
        self._csms = csms
        self._own = own
        self._ownership = ownership
        self._messaging = messaging
        self._lines = RateLimitedLog(_log)
        self._lock = native_lock()
        self._listeners: tuple[Listener, ...] = ()
        self._heard: dict[int, _Heard] = {}
        # Nodes whose leases have not ended; None: not known.
        self._nodes: list[RunningNode] | None = None
        self._ask_at_s = 0.0
        self._sender: EventSender | None = None
        self._subject = ""
        self._look = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Send and take events from now on. Raises StoreError."""
        self._subject = f"cp.node.{await self._ownership.fleet()}.events"
        self._sender = EventSender(self._csms.log, self._own, self._subject, self._messaging)
        self._ends = [
            await self._messaging.serve(self._subject, self._take),
            await self._messaging.serve(f"{self._subject}.wanted", self._want),
        ]
        self._tasks = [
            asyncio.create_task(self._sender.run()),
            asyncio.create_task(self._watch()),
        ]

    async def end(self) -> None:
        """Send and take no more. Safe to call more than once."""
        ends, self._ends = self._ends, []
        for each in ends:
            await each()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sender is not None:
            self._sender.end()

    def listen(self, callback: Listener) -> Callable[[], None]:
        """See `charger_access.ChargerAccess`."""
        end_own = self._csms.log.listen(callback)
        with self._lock:
            self._listeners = (*self._listeners, callback)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._look.set)

        def end() -> None:
            end_own()
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not callback)

        return end

    # ---- what other nodes send -----------------------------------------------------------

    async def _want(self, fields: dict[str, Any]) -> None:
        if self._sender is not None and fields.get("run") != self._own.run:
            self._sender.want()

    # The events of a node stay in order: nothing is awaited here.
    async def _take(self, fields: dict[str, Any]) -> None:
        if not self._listeners:
            return
        try:
            batch = msgspec.convert(fields, Batch)
        except msgspec.ValidationError as error:
            self._lines.warning("node events refused", reason=str(error))
            return
        if batch.run == self._own.run:
            return
        known = self._heard.get(batch.run)
        if known is None or known.session != batch.session:
            self._tell_lost(None)
        elif known.number != batch.first:
            missed = batch.first - known.number
            self._tell_lost(missed if missed > 0 else None)
        self._heard[batch.run] = _Heard(
            batch.session, batch.first + len(batch.events), self._loop.time()
        )
        for event in batch.events:
            self._tell(event)

    def _tell(self, event: dict[str, Any]) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - logged; the others go on
                _log.exception("a listener failed")

    def _tell_lost(self, lost: int | None) -> None:
        self._tell(events_lost(lost, self._csms.now()))

    # ---- regular work --------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._look.wait(), _LOOK_S)
                self._ask_at_s = 0.0
            self._look.clear()
            if not self._listeners:
                self._heard.clear()
                self._nodes = None
                continue
            now_s = self._loop.time()
            if now_s >= self._ask_at_s:
                self._ask_at_s = now_s + _ASK_S
                await self._ask()
            self._look_for_silence()

    async def _ask(self) -> None:
        """Ask the other nodes for their events, and look which of them run."""
        with suppress(TransientError):  # silence is found
            await self._messaging.publish(f"{self._subject}.wanted", {"run": self._own.run})
        try:
            nodes = await self._ownership.running_nodes()
        except StoreError:
            return  # who has ended is found when PostgreSQL answers again
        for node in set(self._nodes or ()) & set(nodes):
            if node.run not in self._heard and node != self._own:
                self._lines.warning("node events missing", name=node.node, reason=_NOTHING)
        ended = set(self._nodes or ()) - set(nodes)
        self._nodes = nodes
        for node in ended:
            self._heard.pop(node.run, None)
        if ended:
            # Their chargers are no node's now.
            self._tell_lost(None)

    def _look_for_silence(self) -> None:
        now_s = self._loop.time()
        silent = [run for run, heard in self._heard.items() if now_s - heard.at_s > _SILENCE_S]
        for run in silent:
            del self._heard[run]
        if silent:
            names = {node.run: node.node for node in self._nodes or ()}
            words = ", ".join(names.get(run, f"run {run}") for run in silent)
            self._lines.warning("node events missing", name=words, reason=_NOTHING)
            self._tell_lost(None)
