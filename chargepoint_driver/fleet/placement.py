"""Placement of accounts on nodes: who takes one that nobody holds, and when.

Of the nodes that run, each account has an order (rendezvous hashing). The first takes it at once,
each other one a moment later than the one before. An account moves only when its holder ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Candidate", "Seen", "conflict_of", "wait_s"]

# How much later the next node in the order takes an account: longer than the first one needs.
_STEP_S = 0.4


class Candidate(NamedTuple):
    """A node that runs and has the account in its config. `account`: endpoint and user name there,
    as a digest."""

    node: str
    run: int
    account: str
    is_draining: bool

    @property
    def holder(self) -> str:
        """Return what it is called as the holder of a lease."""
        return f"{self.node}/{self.run}"


class Seen(NamedTuple):
    """An account as PostgreSQL has it. `holder`: of its lease, now or last; None: nobody ever.
    `left_s`: until its lease ends; below 0: for how long nobody has held it."""

    candidates: tuple[Candidate, ...]
    holder: str | None
    epoch: int
    left_s: float

    @property
    def is_held(self) -> bool:
        """Return True if a node holds it."""
        return self.holder is not None and self.left_s > 0


def wait_s(name: str, seen: Seen, own: Candidate) -> float:
    """Return in how many seconds a node takes an account, unless another one does before."""
    if seen.holder == own.holder:
        return 0.0
    return max(0.0, seen.left_s + _rank(name, seen, own) * _STEP_S)


def conflict_of(name: str, seen: Mapping[str, Seen], own: Candidate) -> str | None:
    """Return why a node must not take an account that it has in its config: another node means
    another account by the name, or the same account by another name. None where it may."""
    for other, each in seen.items():
        for candidate in each.candidates:
            is_holder = each.is_held and each.holder == candidate.holder
            if other == name and candidate.account != own.account and is_holder:
                return (
                    f"has another endpoint or user name on node {candidate.node}, which holds it; "
                    "correct `accounts` of one of the two nodes"
                )
            if other != name and candidate.account == own.account and is_holder:
                return (
                    f"is called {other} on node {candidate.node}, which holds it; correct "
                    "`accounts` of one of the two nodes"
                )
    return None


def _rank(name: str, seen: Seen, own: Candidate) -> int:
    """Return the place of a node in the order. The last holder has none: it has ended, or given the
    account up."""
    others = [
        each.node
        for each in seen.candidates
        if not each.is_draining and each.account == own.account and each.holder != seen.holder
    ]
    return sum(_score(name, each) > _score(name, own.node) for each in _without(others, own.node))


def _without(nodes: Iterable[str], node: str) -> list[str]:
    return [each for each in nodes if each != node]


def _score(name: str, node: str) -> bytes:
    return hashlib.sha256(f"{name}\0{node}".encode()).digest()
