"""Events of other nodes: each arrives once and in order, or the follower learns that some did
not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from chargepoint_driver.errors import TransientError
from chargepoint_driver.messaging.local import LocalMessaging
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

pytest.importorskip("asyncpg")

from chargepoint_driver.backends.ocpp.csms.charger_events import ChargerEvents
from chargepoint_driver.backends.ocpp.postgres import event_sender, fleet_events
from chargepoint_driver.backends.ocpp.postgres.fleet_events import FleetEvents
from chargepoint_driver.backends.ocpp.postgres.ownership import RunningNode

LIMIT_S = 60.0


class Wire(LocalMessaging):
    """Messages that a test can lose."""

    is_down = False
    is_refusing = False

    async def publish(self, subject: str, fields: Any) -> None:
        if self.is_refusing:
            raise TransientError("down")
        if not self.is_down:
            await super().publish(subject, fields)


class Fleet:
    """Nodes that share messages; `nodes` are those whose leases have not ended."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.nodes: list[RunningNode] = []
        self.logs: dict[int, ChargerEvents] = {}

    async def fleet(self) -> str:
        return "1"

    async def running_nodes(self) -> list[RunningNode]:
        return list(self.nodes)

    @asynccontextmanager
    async def node(self, run: int) -> AsyncIterator[FleetEvents]:
        store: Any = SimpleNamespace(event=lambda *_: None, committed=lambda: None)
        log = self.logs[run] = ChargerEvents(store, RateLimitedLog(get_logger(__name__)))
        own = RunningNode(f"node-{run}", run)
        self.nodes.append(own)
        csms: Any = SimpleNamespace(log=log, now=lambda: 0.0)
        made = FleetEvents(csms, own, self, self.wire)  # type: ignore[arg-type]
        await made.start()
        try:
            yield made
        finally:
            await made.end()
            self.nodes.remove(own)

    def happen(self, run: int, *actions: str) -> None:
        point: Any = SimpleNamespace(station_id=f"CP{run}")
        for action in actions:
            self.logs[run].record(point, action, None, 0.0, 0.0, {"text": "x" * 50})


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for module, name, value in (
        (event_sender, "_GATHER_S", 0.0),
        (event_sender, "_IDLE_S", 0.02),
        (event_sender, "_WANTED_S", 0.5),
        (fleet_events, "_LOOK_S", 0.01),
        (fleet_events, "_ASK_S", 0.05),
        (fleet_events, "_SILENCE_S", 0.3),
    ):
        monkeypatch.setattr(module, name, value)
    return Fleet()


class Follower:
    """What a listener got: actions, and `lost` with a number."""

    def __init__(self, events: FleetEvents) -> None:
        self.seen: list[Any] = []
        self.end = events.listen(self._take)

    def _take(self, event: dict[str, Any]) -> None:
        lost = event["action"] == "EventsLost"
        self.seen.append(("lost", event["data"]["lost"]) if lost else event["action"])

    async def until(self, *seen: Any) -> None:
        """Wait until it has seen these last, and forget what it has seen."""
        end_s = asyncio.get_running_loop().time() + LIMIT_S
        while self.seen[-len(seen) :] != list(seen):
            assert asyncio.get_running_loop().time() < end_s, (self.seen, seen)
            await asyncio.sleep(0.005)
        assert self.seen == list(seen)
        self.seen = []


def play(work: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(work(), 2 * LIMIT_S))


def test_a_follower_gets_the_events_of_all_nodes_in_order(fleet, monkeypatch) -> None:
    monkeypatch.setattr(event_sender, "_BATCH_BYTES", 400)

    async def run() -> None:
        async with fleet.node(1) as first, fleet.node(2), fleet.node(3):
            follower = Follower(first)
            await follower.until(("lost", None), ("lost", None))  # what was before is not known
            fleet.happen(1, "own")
            await follower.until("own")
            names = [f"a{number}" for number in range(20)]
            fleet.happen(2, *names)
            await follower.until(*names)
            fleet.happen(3, "b")
            await follower.until("b")

    play(run)


def test_nothing_is_sent_that_nobody_follows(fleet) -> None:
    async def run() -> None:
        async with fleet.node(1) as first, fleet.node(2):
            follower = Follower(first)
            await follower.until(("lost", None))
            fleet.happen(2, "a")
            await follower.until("a")
            follower.end()
            while fleet.logs[2]._listeners:
                await asyncio.sleep(0.01)
            fleet.happen(2, "b")
            follower = Follower(first)
            await follower.until(("lost", None))

    play(run)


@pytest.mark.parametrize("how", ["is_down", "is_refusing"])
def test_events_that_are_lost_on_their_way_are_told_with_their_number(fleet, how) -> None:
    async def run() -> None:
        async with fleet.node(1) as first, fleet.node(2) as second:
            follower = Follower(first)
            await follower.until(("lost", None))
            setattr(fleet.wire, how, True)
            fleet.happen(2, "a", "b", "c")
            assert second._sender is not None
            while second._sender._waiting:  # the batch goes out, and nowhere
                await asyncio.sleep(0)
            setattr(fleet.wire, how, False)
            await follower.until(("lost", 3))
            fleet.happen(2, "d")
            await follower.until("d")

    play(run)


def test_a_node_that_falls_silent_or_ends_makes_everything_be_read(fleet, caplog) -> None:
    async def run() -> None:
        async with fleet.node(1) as first:
            async with fleet.node(2):
                follower = Follower(first)
                await follower.until(("lost", None))
                fleet.wire.is_down = True
                await follower.until(("lost", None))
                fleet.wire.is_down = False
                await follower.until(("lost", None))
            await follower.until(("lost", None))
            async with fleet.node(3):
                await follower.until(("lost", None))
                fleet.happen(3, "a")
                await follower.until("a")

    play(run)
    assert "node-2" in caplog.text


def test_a_batch_that_cannot_be_read_is_left_out(fleet) -> None:
    async def run() -> None:
        async with fleet.node(1) as first, fleet.node(2):
            follower = Follower(first)
            await follower.until(("lost", None))
            await fleet.wire.publish("cp.node.1.events", {"run": "odd"})
            fleet.happen(2, "a")
            await follower.until("a")

    play(run)


def test_a_listener_that_fails_costs_no_other(fleet) -> None:
    async def run() -> None:
        async with fleet.node(1) as first, fleet.node(2):

            def fail(_: dict[str, Any]) -> None:
                raise ValueError("odd")

            first.listen(fail)
            follower = Follower(first)
            await follower.until(("lost", None))
            fleet.happen(2, "a")
            await follower.until("a")

    play(run)
