"""Nodes killed one after the other, while chargers charge and any node is asked for commands."""

from __future__ import annotations

import asyncio
import random
import signal
import time

from bench.figure import Figure

from .chargers import Charger, Chargers
from .commands import Commands
from .site import Site
from .stored import stored

__all__ = ["play"]

ASKERS = 12


async def play(
    site: Site, kills: int, count: int, seed: int = 7, prefix: str = "CP"
) -> list[Figure]:
    """Kill `kills` nodes. Return what was lost, doubled or sent twice, and how long each took."""
    chance = random.Random(seed)
    back_s: list[float] = []
    leases_s: list[float] = []
    chargers = Chargers(count, site.urls, prefix=prefix)
    async with Commands.opened(seed) as commands:
        async with chargers:
            await chargers.charge(1)
            until = asyncio.Event()
            askers = [
                asyncio.create_task(commands.keep_asking(lambda: site.alive, chargers.each, until))
                for _ in range(ASKERS)
            ]
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.0, 1.0))
                killed = chance.choice(site.alive)
                there = [each for each in chargers.each if each.url == killed.url]
                site.alive.remove(killed)
                killed.end(signal.SIGKILL)
                began_s = time.monotonic()
                lease = asyncio.create_task(_lease_ended(site, killed.name, began_s))
                back_s += await _back(there, began_s)
                await chargers.charge(1)
                leases_s.append(await lease)
                await asyncio.to_thread(killed.start)
                site.alive.append(killed)
            until.set()
            await asyncio.gather(*askers)
        found = await asyncio.to_thread(stored, site.postgres, site.records, chargers)
        verdict = commands.verdict(chargers.each)
    what = f"{kills} kills of a node, {count} chargers"
    sheds = sum(each.is_shed for each in commands.all)
    elsewhere = sum(not each.is_local for each in commands.all)
    outcomes = ", ".join(f"{name} {n}" for name, n in verdict.outcomes.most_common())
    return [
        Figure(f"{what}: sessions acknowledged", found.acknowledged, ""),
        Figure(f"{what}: acknowledged and lost", len(found.lost), "sessions", at_most=0),
        Figure(f"{what}: doubled", found.doubled, "sessions", at_most=0),
        Figure(
            f"{what}: commands asked for ({sheds} sheds, {elsewhere} through another node;"
            f" {outcomes})",
            len(commands.all),
            "",
        ),
        Figure(f"{what}: sheds sent twice", len(verdict.sheds_twice), "", at_most=0),
        Figure(f"{what}: commands carried out twice", len(verdict.twice), "", at_most=0),
        Figure(
            f"{what}: reported as not sent, and carried out",
            len(verdict.unsent_but_received),
            "commands",
            at_most=0,
        ),
        Figure(
            f"{what}: reported as done, and not carried out",
            len(verdict.done_but_missing),
            "commands",
            at_most=0,
        ),
        Figure(f"{what}: other outcomes", len(verdict.other), "commands", at_most=0),
        Figure(
            f"{what}: outcome not known to the one who asked, and carried out",
            verdict.unknown_and_received,
            "commands",
        ),
        Figure(
            f"{what}: a killed node's chargers are served again, 99 % of them within",
            _share(back_s, 0.99),
            "s",
            at_most=15,
        ),
        Figure(
            f"{what}: a killed node's lease ends, at the latest after",
            max(leases_s),
            "s",
            at_most=4,
        ),
    ]


async def _back(chargers: list[Charger], began_s: float) -> list[float]:
    """Wait until each is acknowledged something again; return how long each took."""
    end_s = began_s + 60.0
    while any(each.heard_s <= began_s for each in chargers):
        assert time.monotonic() < end_s, [e.name for e in chargers if e.heard_s <= began_s]
        await asyncio.sleep(0.01)
    return [each.heard_s - began_s for each in chargers]


async def _lease_ended(site: Site, node: str, began_s: float) -> float:
    """Return how many seconds after its kill a node's lease ends in PostgreSQL."""
    sql = "SELECT extract(epoch FROM lease_until - now())::float8 FROM nodes WHERE id = $1"
    asked_s = time.monotonic()
    ((left_s,),) = await asyncio.to_thread(site.rows, sql, node)
    return asked_s - began_s + max(0.0, left_s)


def _share(values: list[float], share: float) -> float:
    """Return the value that this share of all keeps; NaN without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
