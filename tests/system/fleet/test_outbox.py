"""Events of acknowledged changes reach every sink, in order, whichever nodes are lost."""

from __future__ import annotations

import asyncio
import signal

from .chargers import Chargers
from .relay_kills import check, opened, play, settled


def test_the_events_of_a_lost_machine_reach_the_sinks() -> None:
    async def run() -> Chargers:
        async with Chargers(8, fleet.urls) as chargers:
            await chargers.charge(1)
            sinks.jetstream.kill()
            await chargers.charge(2)
            lost = fleet.alive.pop(0)
            lost.end(signal.SIGKILL)
            for path in lost.database.parent.glob(f"{lost.database.name}*"):
                path.unlink()
            await chargers.charge(1)
            await asyncio.to_thread(sinks.jetstream.start_again)
        await settled(fleet)
        return chargers

    with opened(2, lease_s=2) as (fleet, sinks):
        chargers = asyncio.run(run())
        files = [event for each in fleet.nodes for event in sinks.of_file(each.name)]
        for events in (sinks.of_nats(), files):
            assert check(chargers.each, events) == ([], [])


def test_a_killed_relay_costs_no_event_and_no_order() -> None:
    with opened(3, lease_s=2) as (fleet, sinks):
        for figure in asyncio.run(play(fleet, sinks, kills=5, count=8)):
            assert figure.good, f"{figure.what}: {figure.shown}"
