"""Who takes an account that nobody holds, and when."""

from __future__ import annotations

from collections import Counter

import pytest

from chargepoint_driver.fleet.placement import Candidate, Seen, conflict_of, wait_s

NODES = tuple(Candidate(f"node-{n}", n, "key", is_draining=False) for n in range(1, 5))


def first(name: str, seen: Seen) -> Candidate:
    """Return the node that takes an account first; no two at once."""
    waits = sorted((wait_s(name, seen, each), each.node) for each in seen.candidates)
    assert len({wait for wait, _ in waits}) == len(waits)
    return next(each for each in seen.candidates if each.node == waits[0][1])


def test_accounts_spread_over_the_nodes_and_only_those_of_a_lost_node_move() -> None:
    names = [f"account {number}" for number in range(400)]
    of = {name: first(name, Seen(NODES, None, 0, 0.0)) for name in names}
    counts = Counter(of.values())
    assert min(counts.values()) > 60
    rest = NODES[:3]
    for name in names:
        if of[name] in rest:
            assert first(name, Seen(rest, None, 0, 0.0)) == of[name]


def test_an_account_stays_while_it_is_held_and_comes_later_to_the_others() -> None:
    seen = Seen(NODES, NODES[0].holder, 1, 2.0)
    waits = sorted(wait_s("a", seen, each) for each in NODES[1:])
    assert waits == pytest.approx([2.0, 2.4, 2.8])
    # Some time after its end each of them may, also where the first one does not.
    assert [wait_s("a", seen._replace(left_s=-5.0), each) for each in NODES[1:]] == [0.0] * 3
    assert wait_s("a", seen, NODES[0]) == 0.0


def test_a_draining_node_does_not_make_others_wait() -> None:
    draining = tuple(each._replace(is_draining=each is not NODES[2]) for each in NODES)
    assert wait_s("a", Seen(draining, None, 0, 0.0), NODES[2]) == 0.0


def test_nodes_that_mean_different_accounts_are_noticed() -> None:
    other = NODES[1]._replace(account="other")
    held = Seen((NODES[0], other), NODES[0].holder, 1, 2.0)
    assert "another endpoint or user name on node node-1" in conflict_of("a", {"a": held}, other)
    assert conflict_of("a", {"a": held}, NODES[0]) is None
    assert conflict_of("a", {"a": held._replace(left_s=-1.0)}, other) is None
    assert "is called a on node node-1" in conflict_of("b", {"a": held}, NODES[2])
    assert conflict_of("b", {"a": held}, other) is None
