"""The plan: few requests that cover what is wanted, and nothing that nobody wants."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Request
from chargepoint_driver.cache.batching import plan
from chargepoint_driver.catalogue import CHARGEPOINT, Batch

from .fake import ALARMS, LOAD, STATIONS, STATUS, ids

CALLS = CHARGEPOINT.calls


def test_nothing_wanted_costs_nothing() -> None:
    for call in CALLS.values():
        assert plan(call, [], {"7": set(ids(3))}) == []


def test_lists_of_a_hundred() -> None:
    wanted = ids(250)
    requests = plan(CALLS[STATUS], wanted, {})
    assert [len(request.stations) for request in requests] == [100, 100, 50]
    assert [station for request in requests for station in request.stations] == wanted


def test_a_station_wanted_twice_is_asked_for_once() -> None:
    assert plan(CALLS[STATUS], ["1:2", "1:1", "1:2"], {}) == [Request(STATUS, ("1:1", "1:2"))]


def test_one_group_instead_of_a_hundred_stations() -> None:
    wanted = ids(100)
    assert plan(CALLS[LOAD], wanted, {"7": set(wanted)}) == [Request(LOAD, group="7")]


def test_the_group_that_saves_most_comes_first() -> None:
    a, b, c, d, e = ids(5)
    groups = {"1": {a, b}, "2": {b, c, d}, "3": {d, e}}
    assert plan(CALLS[LOAD], ids(5), groups) == [
        Request(LOAD, group="2"),
        Request(LOAD, (a,)),
        Request(LOAD, (e,)),
    ]


def test_of_two_that_cover_the_same_the_smaller_group() -> None:
    wanted = ids(3)
    groups = {"1": set(ids(50)), "2": set(ids(4)), "3": set(ids(9))}
    assert plan(CALLS[LOAD], wanted, groups) == [Request(LOAD, group="2")]


def test_a_group_for_one_station_saves_nothing() -> None:
    (station,) = ids(1)
    assert plan(CALLS[LOAD], [station], {"7": set(ids(50))}) == [Request(LOAD, (station,))]


def test_stations_in_no_group_are_asked_singly() -> None:
    assert plan(CALLS[LOAD], ids(3), {}) == [Request(LOAD, (station,)) for station in ids(3)]


@pytest.mark.parametrize("call", [ALARMS, STATIONS])
@pytest.mark.parametrize(
    ("stations", "account_pages", "whole"),
    [(1, 1, False), (2, 1, True), (100, 1, True), (5, 10, False), (10, 10, False), (11, 10, True)],
)
def test_the_whole_account_when_that_is_cheaper(
    call: str, stations: int, account_pages: int, whole: bool
) -> None:
    requests = plan(CALLS[call], ids(stations), {}, account_pages)
    assert requests == (
        [Request(call)] if whole else [Request(call, (station,)) for station in ids(stations)]
    )
    assert all(request.whole_account is whole for request in requests)


stations = st.sampled_from(ids(30))
members = st.dictionaries(
    st.integers(1, 99).map(str), st.frozensets(stations, max_size=30), max_size=6
)


@given(st.sampled_from(sorted(CALLS)), st.lists(stations), members, st.integers(1, 5))
def test_covers_exactly_what_is_wanted(
    call: str, wanted: list[str], groups: dict[str, frozenset[str]], account_pages: int
) -> None:
    requests = plan(CALLS[call], wanted, groups, account_pages)
    batch, left = CALLS[call].batch, set(wanted)
    for request in requests:
        assert request.call == call
        if request.group is not None:
            assert batch is Batch.GROUP
            # Each group saves at least one request.
            assert len(left & groups[request.group]) > 1
            left -= groups[request.group]
        elif request.whole_account:
            assert batch is Batch.ACCOUNT
            assert len(left) > account_pages
            left.clear()
        else:
            # No station is asked for that nobody wants, or that a request before brings.
            assert set(request.stations) <= left
            assert batch is Batch.LIST or len(request.stations) == 1
            assert len(request.stations) <= CALLS[call].most
            left -= set(request.stations)
    assert not left
    assert len(requests) <= len(set(wanted))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 10), st.randoms())
def test_groups_that_do_not_overlap_are_planned_with_the_fewest_requests(
    sizes: list[int], loners: int, shuffle: random.Random
) -> None:
    everyone = ids(sum(sizes) + loners)
    shuffle.shuffle(everyone)
    groups, rest = {}, list(everyone)
    for number, size in enumerate(sizes):
        groups[str(number)], rest = set(rest[:size]), rest[size:]
    requests = plan(CALLS[LOAD], everyone, groups)
    assert len(requests) == len(sizes) + loners


@given(st.lists(stations), members)
def test_the_order_in_which_stations_are_wanted_does_not_matter(
    wanted: list[str], groups: dict[str, frozenset[str]]
) -> None:
    backwards = dict(reversed(groups.items()))
    assert plan(CALLS[LOAD], wanted, groups) == plan(CALLS[LOAD], wanted[::-1], backwards)
