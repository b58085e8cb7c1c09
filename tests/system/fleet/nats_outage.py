"""NATS away under load: killed and started again, or frozen with open connections.

Of a cluster only the server that the first node is connected to.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import NamedTuple

from .chargers import Charger, Chargers
from .commands import Asked, Commands, Verdict
from .site import LIMIT_S, Site, eventually
from .stored import Stored, stored

__all__ = ["Outage", "play"]

# A connection that is closed, and one that is silent: two pings without an answer.
_CLOSED_S = 1.0
_SILENT_S = 7.0
_MIN_COMMANDS = 3
_PAUSE_S = 0.05


class Outage(NamedTuple):
    """What came of it. `sessions` ended in it. `elsewhere` are outcomes of commands through another
    node that were asked for in the outage, once it was noticed; `slowest_s` is the longest wait for
    one of them. `local_failed`: commands to a node's own chargers that were not done."""

    sessions: int
    local: int
    local_failed: list[Asked]
    elsewhere: dict[str, int]
    slowest_s: float
    recovery_s: float
    verdict: Verdict
    stored: Stored

    @property
    def is_good(self) -> bool:
        """Return True if chargers were served, every outcome was true, and nothing was lost."""
        return bool(self.sessions) and self.verdict.is_good and self.stored.is_good


async def play(
    site: Site, seconds: float, count: int, *, is_frozen: bool, prefix: str = "CP"
) -> Outage:
    """Take the first NATS server away for so long."""
    nats = site.nats[0]
    chargers = Chargers(count, site.urls, pause_s=_PAUSE_S, prefix=prefix)
    async with Commands.opened() as commands:
        async with chargers:
            await chargers.charge(1)
            until = asyncio.Event()
            asking = asyncio.create_task(
                commands.keep_asking(lambda: site.nodes, chargers.each, until)
            )
            await _until_done(commands, site, chargers.each)
            if is_frozen:
                nats.send(signal.SIGSTOP)
            else:
                nats.kill()
            began_s = time.monotonic()
            before = sum(len(each.ended) for each in chargers.each)
            noticed_s = began_s + (_SILENT_S if is_frozen else _CLOSED_S)
            await asyncio.sleep(seconds)
            await eventually(lambda: _are_enough(commands, noticed_s))
            sessions = sum(len(each.ended) for each in chargers.each) - before
            ended_s = time.monotonic()
            if is_frozen:
                nats.send(signal.SIGCONT)
            else:
                await asyncio.to_thread(nats.start_again)
            again_s = time.monotonic()
            await _until_done(commands, site, chargers.each)
            recovery_s = time.monotonic() - again_s
            until.set()
            await asking
            await chargers.charge(1)
        found = await asyncio.to_thread(stored, site.postgres, site.records, chargers)
        verdict = commands.verdict(chargers.each)
    inside = [each for each in commands.all if began_s < each.asked_s and each.answered_s < ended_s]
    late = [each for each in inside if not each.is_local and each.asked_s > noticed_s]
    outcomes: dict[str, int] = {}
    for each in late:
        outcomes[each.outcome] = outcomes.get(each.outcome, 0) + 1
    local = [each for each in inside if each.is_local]
    return Outage(
        sessions=sessions,
        local=len(local),
        local_failed=[each for each in local if each.outcome != "done"],
        elsewhere=outcomes,
        slowest_s=max((each.took_s for each in late), default=0.0),
        recovery_s=recovery_s,
        verdict=verdict,
        stored=found,
    )


async def _are_enough(commands: Commands, since_s: float) -> bool:
    """Return True if some commands of each kind were asked for since then."""
    late = [each for each in commands.all if each.asked_s > since_s and each.answered_s]
    local = sum(each.is_local for each in late)
    return min(local, len(late) - local) >= _MIN_COMMANDS


async def _until_done(commands: Commands, site: Site, chargers: list[Charger]) -> None:
    """Ask each node for a command to a charger of another one until it is carried out."""
    end_s = time.monotonic() + LIMIT_S
    for node in site.nodes:
        outcome = ""
        while outcome != "done":
            there = [each for each in chargers if each.url not in (None, node.url)]
            asked = await commands.ask(node, there[0])
            outcome = asked.outcome
            assert time.monotonic() < end_s, asked
            await asyncio.sleep(0.05)
