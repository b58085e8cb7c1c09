"""Records of a backend that answers from memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from chargepoint_driver.backend import Reply, Request
from chargepoint_driver.cache import DirectCache
from chargepoint_driver.errors import ChargePointError, NotFoundError, TransientError
from chargepoint_driver.records import StationRecord

LOAD, STATUS = ("getLoad", "A"), ("getStationStatus", "A")


class Memory:
    """A backend that counts how often each station is looked at."""

    def __init__(self) -> None:
        self.looks: list[dict[str, list[str]]] = []
        self.error: Exception | None = None
        self.groups = {"A": "7", "B": "7, 9"}

    def records(self, calls: Mapping[str, Collection[str]]) -> dict[tuple[str, str], StationRecord]:
        if self.error is not None:
            raise self.error
        self.looks.append({station: list(asked) for station, asked in calls.items()})
        return {
            (call, station): StationRecord(station, {"look": len(self.looks)})
            for station, asked in calls.items()
            if station in self.groups
            for call in asked
        }

    def fetch(self, request: Request) -> Reply:
        assert request.whole_account
        return Reply(
            {
                station: StationRecord(station, {"sgID": groups}, {1: {}, 2: {}})
                for station, groups in self.groups.items()
            }
        )


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def cache(memory: Any) -> DirectCache:
    return DirectCache(memory, clock=lambda: 5.0)


def test_each_read_looks_once_at_each_station_and_keeps_nothing(cache, memory):
    found = cache.get({LOAD: 60.0, STATUS: 0.0, ("getLoad", "B"): 0.0})
    assert memory.looks == [{"A": ["getLoad", "getStationStatus"], "B": ["getLoad"]}]
    assert {outcome.age_s for outcome in found.values()} == {0.0}
    assert cache.get({LOAD: 60.0})[LOAD].record.values == {"look": 2}
    assert len(cache) == 0


def test_a_station_that_is_not_there_is_an_error_of_its_own(cache):
    found = cache.get({LOAD: 0.0, ("getLoad", "Z"): 0.0})
    assert found[LOAD].error is None
    assert isinstance(found["getLoad", "Z"].error, NotFoundError)
    assert cache.peek("getLoad", "Z") is None


@pytest.mark.parametrize("error", [TransientError("stopped"), ValueError("a defect")])
def test_a_failure_is_the_error_of_each_key_until_a_read_works(cache, memory, error):
    memory.error = error
    found = cache.get({LOAD: 60.0, STATUS: 60.0})
    assert all(isinstance(outcome.error, ChargePointError) for outcome in found.values())
    assert all(outcome.within(1e9) is None for outcome in found.values())
    assert cache.down().keys() == {"getLoad", "getStationStatus"}
    memory.error = None
    assert cache.get({LOAD: 0.0})[LOAD].record is not None
    assert cache.down() == {}


def test_groups_are_read_anew(cache, memory):
    assert cache.members("7") == {"A", "B"}
    assert cache.ports("A") == {1, 2}
    memory.groups["A"] = ""
    assert cache.members("7") == {"B"}
    with pytest.raises(NotFoundError, match="station group 3"):
        cache.members("3")


def test_the_list_is_that_of_the_newest_read_of_the_station(cache, memory):
    listed = ("getStations", "A")
    first = cache.get({listed: 0.0, LOAD: 0.0})[listed].record
    assert cache.peek(*listed) is first
    assert len(memory.looks) == 1
    cache.get({LOAD: 0.0})
    assert cache.peek(*listed).values == {"look": 3}
    cache.forget_failures()
    assert cache.peek(*listed).values == {"look": 4}
    memory.error = TransientError("stopped")
    cache.get({LOAD: 0.0})
    assert cache.peek(*listed) is None
