"""`make node-kills`: what fails in a fleet, one failure after the other, under load.

KILLS, CHARGERS and SEED are other numbers; ONLY names some of the parts, SECONDS is another length
of an outage. Prints each figure with its bound. Exit code 1 where a bound was not kept.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable

from bench.figure import Figure

from . import (
    account_kills,
    nats_outage,
    node_freeze,
    node_kills,
    postgres_outage,
    relay_kills,
    service_kills,
)
from .commands import Verdict
from .site import site
from .stored import Stored

KILLS = int(os.environ.get("KILLS") or 15)
CHARGERS = int(os.environ.get("CHARGERS") or 60)
SEED = int(os.environ.get("SEED") or 7)
SECONDS = float(os.environ.get("SECONDS") or 30)
FROZEN_S = 10.0
# The default of a node's config.
LEASE_S = 4.0
FEW = max(2, CHARGERS // 3)


def kills() -> Iterable[Figure]:
    """Three nodes, killed one after the other."""
    with site(3, lease_s=LEASE_S) as fleet:
        return asyncio.run(node_kills.play(fleet, KILLS, CHARGERS, SEED))


def accounts() -> Iterable[Figure]:
    """Three nodes, killed in sheds of the account of all chargers."""
    with site(3, lease_s=LEASE_S) as fleet:
        return account_kills.play(fleet, KILLS, SEED)


def services() -> Iterable[Figure]:
    """Three nodes, killed in sheds of an account of ChargePoint's web services."""
    return service_kills.play(KILLS, SEED)


def freeze() -> Iterable[Figure]:
    """A node that is frozen."""
    with site(lease_s=LEASE_S) as fleet:
        found = asyncio.run(node_freeze.play(fleet, FROZEN_S, FEW))
    what = f"a node frozen for {FROZEN_S:g} s, {found.commands} commands"
    yield Figure(f"{what}: sent without a lease", found.unleased, "", at_most=0)
    yield Figure(
        f"{what}: sent to the {found.moved} chargers that another node had",
        found.not_owned, "", at_most=0,
    )  # fmt: skip
    yield Figure(
        f"{what}: sockets of these not closed with 1012", found.open_sockets, "", at_most=0
    )
    yield from _common(what, found.verdict, found.stored)


def postgres() -> Iterable[Figure]:
    """PostgreSQL killed, then frozen."""
    for is_frozen in (False, True):
        with site(lease_s=LEASE_S) as fleet:
            found = asyncio.run(
                postgres_outage.play(fleet, SECONDS, FEW, LEASE_S, is_frozen=is_frozen)
            )
        what = f"PostgreSQL {'frozen' if is_frozen else 'away'} for {SECONDS:g} s"
        yield Figure(f"{what}: begins and ends acknowledged", found.acknowledged, "", at_most=0)
        yield Figure(f"{what}: commands sent after the lease", found.sent, "", at_most=0)
        yield Figure(
            f"{what}: of {found.reads} reads of a node's own chargers failed",
            found.failed_reads, "", at_most=0,
        )  # fmt: skip
        yield Figure(
            f"{what}: heartbeats of each idle charger answered", found.heartbeats, "", at_least=1
        )
        yield Figure(f"{what}: longest wait of one", found.longest_heartbeat_s, "s")
        yield Figure(f"{what}: then every charger ended a session within", found.recovery_s, "s")
        yield Figure(f"{what}: commands worked again within", found.commands_recovery_s, "s")
        yield from _common(what, found.verdict, found.stored)


def nats() -> Iterable[Figure]:
    """NATS killed, then frozen; then a server of three killed, and frozen."""
    for servers, is_frozen in ((1, False), (1, True), (3, False), (3, True)):
        with site(nats=servers, lease_s=LEASE_S) as fleet:
            found = asyncio.run(nats_outage.play(fleet, SECONDS, FEW, is_frozen=is_frozen))
        what = "NATS" if servers == 1 else "one of three NATS servers"
        what = f"{what} {'frozen' if is_frozen else 'away'} for {SECONDS:g} s"
        outcomes = ", ".join(f"{name} {n}" for name, n in sorted(found.elsewhere.items()))
        yield Figure(f"{what}: sessions ended meanwhile", found.sessions, "", at_least=1)
        yield Figure(
            f"{what}: of {found.local} commands to own chargers not done",
            len(found.local_failed), "", at_most=0,
        )  # fmt: skip
        wanted = "try_later" if servers == 1 else "done"
        others = sum(n for name, n in found.elsewhere.items() if name != wanted)
        yield Figure(
            f"{what}: commands through another node ({outcomes}) that were not {wanted}",
            others, "", at_most=0,
        )  # fmt: skip
        yield Figure(f"{what}: longest wait for one of these", found.slowest_s, "s", at_most=10)
        yield Figure(f"{what}: then commands worked again within", found.recovery_s, "s")
        yield from _common(what, found.verdict, found.stored)


def relays() -> Iterable[Figure]:
    """Three nodes, of which the one that sends events to a sink is killed."""
    with relay_kills.opened(3, lease_s=LEASE_S) as (fleet, sink):
        return asyncio.run(relay_kills.play(fleet, sink, KILLS, CHARGERS, SEED))


def _common(what: str, verdict: Verdict, found: Stored) -> Iterable[Figure]:
    yield Figure(f"{what}: sessions acknowledged", found.acknowledged, "")
    yield Figure(f"{what}: acknowledged and lost", len(found.lost), "", at_most=0)
    yield Figure(f"{what}: doubled", found.doubled, "", at_most=0)
    yield Figure(f"{what}: commands sent twice", len(verdict.twice), "", at_most=0)
    false = len([*verdict.unsent_but_received, *verdict.done_but_missing, *verdict.other])
    yield Figure(f"{what}: commands reported otherwise than carried out", false, "", at_most=0)


PARTS: dict[str, Callable[[], Iterable[Figure]]] = {
    "kills": kills,
    "accounts": accounts,
    "services": services,
    "freeze": freeze,
    "postgres": postgres,
    "nats": nats,
    "relays": relays,
}


def main() -> bool:
    """Play the parts; return True where every bound was kept."""
    is_good = True
    for name in (os.environ.get("ONLY") or " ".join(PARTS)).split():
        for figure in PARTS[name]():
            is_good &= figure.good
            mark = "" if figure.good else "  NOT KEPT"
            bound = f"  ({figure.bound})" if figure.bound else ""
            is_count = isinstance(figure.value, int)
            shown = f"{figure.value:,} {figure.unit}".rstrip() if is_count else figure.shown
            print(f"{figure.what}: {shown}{bound}{mark}", flush=True)
    return is_good


if __name__ == "__main__":
    sys.exit(not main())
