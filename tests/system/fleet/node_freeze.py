"""A node that is frozen and goes on, while it is asked for commands and others take its chargers.

Half of the chargers give it up and connect to another node; their old sockets stay open. The others
wait for it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import NamedTuple

from .chargers import Charger, Chargers, Socket
from .commands import Commands, Verdict
from .site import LIMIT_S, Site, eventually
from .stored import Stored, stored

__all__ = ["Frozen", "play"]

_ANSWER_S = 1.0
_PAUSE_S = 0.1
# What was sent before the freeze may still be on its way.
_ON_ITS_WAY_S = 0.3


class Frozen(NamedTuple):
    """What came of it. `unleased`: requests that the frozen node sent before it had a lease again.
    `not_owned`: those that it sent to chargers that the other node had. `open_sockets`: old
    sockets of these that it did not close with code 1012."""

    unleased: int
    not_owned: int
    open_sockets: int
    moved: int
    waiting: int
    commands: int
    verdict: Verdict
    stored: Stored

    @property
    def is_good(self) -> bool:
        """Return True if nothing was sent, and nothing written, that must not be."""
        is_still = not (self.unleased or self.not_owned or self.open_sockets)
        return is_still and self.verdict.is_good and self.stored.is_good


async def play(site: Site, seconds: float, count: int) -> Frozen:
    """Freeze the first node for so long. `count` chargers leave it, and as many wait for it."""
    frozen, other = site.nodes
    leaving = Chargers(
        count, lambda: [frozen.url, other.url],
        answer_s=_ANSWER_S, is_half_open=True, pause_s=_PAUSE_S,
    )  # fmt: skip
    waiting = Chargers(
        count, lambda: [frozen.url], answer_s=LIMIT_S, pause_s=_PAUSE_S, prefix="WAITING"
    )
    for each in leaving.each:
        each.begin_with(0)
    everyone = [*leaving.each, *waiting.each]
    async with Commands.opened() as commands, leaving, waiting:
        await leaving.charge(1)
        await waiting.charge(1)
        asking = asyncio.create_task(_ask_regularly(site, commands, everyone))
        await asyncio.sleep(0.5)
        frozen.send(signal.SIGSTOP)
        began_s = time.monotonic()
        await asyncio.sleep(seconds)
        await eventually(lambda: _are_at(leaving, other.url))
        away = [each for each in leaving.each if each.url == other.url]
        ((seen,),) = await asyncio.to_thread(site.rows, _SEEN, frozen.name)
        frozen.send(signal.SIGCONT)
        await eventually(lambda: _is_renewed(site, frozen.name, seen))
        # By the clock of PostgreSQL, which is that of this machine.
        ((renewed_s,),) = await asyncio.to_thread(site.rows, _SEEN, frozen.name)
        renewed_s += time.monotonic() - time.time()
        await asyncio.sleep(1.0)
        asking.cancel()
        await waiting.charge(1)
        await leaving.charge(1)
        await asyncio.gather(asking, return_exceptions=True)
        for each in commands.tasks:
            await each
        sockets = [old for each in away for old in each.old]
        await eventually(lambda: _are_closed(sockets))
    sent = [each for charger in everyone for each in charger.received if each.url == frozen.url]
    unleased = [e for e in sent if began_s + _ON_ITS_WAY_S < e.at_s < renewed_s - 0.01]
    not_owned = [
        each
        for charger in away
        for each in charger.received
        if each.url == frozen.url and each.at_s > began_s + _ON_ITS_WAY_S
    ]
    both = Chargers(0, site.urls)
    both.each = everyone
    return Frozen(
        unleased=len(unleased),
        not_owned=len(not_owned),
        open_sockets=sum(each.closed != 1012 for each in sockets),
        moved=len(away),
        waiting=count,
        commands=len(commands.all),
        verdict=commands.verdict(everyone),
        stored=await asyncio.to_thread(stored, site.postgres, site.records, both),
    )


_SEEN = "SELECT extract(epoch FROM seen)::float8 FROM nodes WHERE id = $1"


async def _is_renewed(site: Site, node: str, before: float) -> bool:
    ((seen,),) = await asyncio.to_thread(site.rows, _SEEN, node)
    return bool(seen > before)


async def _are_at(chargers: Chargers, url: str) -> bool:
    return all(each.url == url for each in chargers.each)


async def _are_closed(sockets: list[Socket]) -> bool:
    return all(each.closed is not None for each in sockets)


async def _ask_regularly(site: Site, commands: Commands, chargers: list[Charger]) -> None:
    """Ask both nodes for commands, without a wait for those before."""
    number = 0
    while True:
        charger = chargers[number % len(chargers)]
        commands.begin(site.nodes[number % 2], charger, is_shed=number % 3 == 0)
        number += 1
        await asyncio.sleep(0.05)
