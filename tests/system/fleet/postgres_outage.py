"""PostgreSQL away under load: killed and started again, or frozen with open connections.

Chargers begin and end sessions, others only send heartbeats, both nodes are asked for commands and
for what they know of a charger of theirs.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from .chargers import Charger, Chargers
from .commands import Commands, Verdict
from .site import LIMIT_S, Site
from .stored import Stored, stored

__all__ = ["Outage", "play"]

# Chargers try again at once here: what they get in an outage is an error.
_PAUSE_S = 0.05
_IDLE = 6
_ASKERS = 4


class Outage(NamedTuple):
    """What came of it. `acknowledged`: begins and ends that were acknowledged while PostgreSQL was
    away, besides those that it had. `sent`: commands that a charger got after the leases had ended.
    `failed_reads`: reads of a node's own charger that failed."""

    acknowledged: int
    sent: int
    commands: int
    heartbeats: int
    longest_heartbeat_s: float
    reads: int
    failed_reads: int
    recovery_s: float
    commands_recovery_s: float
    verdict: Verdict
    stored: Stored

    @property
    def is_good(self) -> bool:
        """Return True if nothing was acknowledged or sent that must not be, and nothing lost."""
        is_still = not (self.acknowledged or self.sent or self.failed_reads)
        return is_still and self.heartbeats > 0 and self.verdict.is_good and self.stored.is_good


async def play(
    site: Site, seconds: float, count: int, lease_s: float, *, is_frozen: bool, prefix: str = "CP"
) -> Outage:
    """Take PostgreSQL away for so long. `lease_s` is that of the nodes."""
    first, second = site.nodes
    postgres = site.postgres
    chargers = Chargers(count, site.urls, idle=_IDLE, pause_s=_PAUSE_S, prefix=prefix)
    async with Commands.opened() as commands:
        async with chargers:
            await chargers.charge(1)
            until = asyncio.Event()
            everyone = [*chargers.each, *chargers.idle]
            asking = [
                asyncio.create_task(commands.keep_asking(lambda: site.nodes, everyone, until))
                for _ in range(_ASKERS)
            ]
            reading = asyncio.create_task(_read_regularly(site, chargers, commands, until))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(postgres.freeze if is_frozen else postgres.stop)
            began_s = time.monotonic()
            # Answers that were on their way when it stopped.
            await asyncio.sleep(0.5)
            before = _acknowledged(chargers)
            for each in chargers.idle:
                each.heartbeats, each.longest_heartbeat_s = 0, 0.0
            await asyncio.sleep(max(0.0, began_s + seconds - time.monotonic()))
            acknowledged = _acknowledged(chargers) - before
            heartbeats = min(each.heartbeats for each in chargers.idle)
            ended_s = time.monotonic()
            sent = [
                each
                for charger in everyone
                for each in charger.received
                if began_s + lease_s < each.at_s < ended_s
            ]
            await asyncio.to_thread(postgres.thaw if is_frozen else postgres.start)
            ended_s = time.monotonic()
            await chargers.charge(1)
            recovery_s = time.monotonic() - ended_s
            await _until_done(commands, site, chargers.each)
            commands_recovery_s = time.monotonic() - ended_s
            longest_s = max(each.longest_heartbeat_s for each in chargers.idle)
            until.set()
            await asyncio.gather(*asking)
            reads, failed = await reading
            await chargers.charge(1)
        found = await asyncio.to_thread(stored, postgres, site.records, chargers)
        verdict = commands.verdict(everyone)
    assert first.exit_code is None
    assert second.exit_code is None
    return Outage(
        acknowledged=acknowledged,
        sent=len(sent),
        commands=len(commands.all),
        heartbeats=heartbeats,
        longest_heartbeat_s=longest_s,
        reads=reads,
        failed_reads=failed,
        recovery_s=recovery_s,
        commands_recovery_s=commands_recovery_s,
        verdict=verdict,
        stored=found,
    )


def _acknowledged(chargers: Chargers) -> int:
    return sum(len(each.begun) + len(each.ended) for each in chargers.each)


async def _read_regularly(
    site: Site, chargers: Chargers, commands: Commands, until: asyncio.Event
) -> tuple[int, int]:
    """Read chargers through the nodes that they are connected to; return how many reads there were,
    and how many failed."""
    number = failed = 0
    while not until.is_set():
        charger = chargers.idle[number % len(chargers.idle)]
        node = next((each for each in site.nodes if each.url == charger.url), None)
        if node is not None:
            number += 1
            status, content = await commands.read(node, f"/charge-points/{charger.name}")
            failed += status != 200 or not content["connected"]
        await asyncio.sleep(0.1)
    return number, failed


async def _until_done(commands: Commands, site: Site, chargers: list[Charger]) -> None:
    """Ask both nodes for a command to the same charger until both carry it out."""
    end_s = time.monotonic() + LIMIT_S
    for node in site.nodes:
        while (asked := await commands.ask(node, chargers[0])).outcome != "done":
            assert time.monotonic() < end_s, asked
            await asyncio.sleep(0.1)
