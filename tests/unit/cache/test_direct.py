"""Records of a backend that answers from memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chargepoint_driver.backend import Reply, Request
from chargepoint_driver.cache import DirectCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError, NotFoundError, TransientError
from chargepoint_driver.records import StationRecord

A = ("state", "A")


class Memory:
    """A backend that counts how often each station is looked at."""

    def __init__(self) -> None:
        self.looks: list[list[str]] = []
        self.error: Exception | None = None
        self.groups = {"A": "7", "B": "7, 9"}

    def records(self, stations: Iterable[str]) -> dict[str, StationRecord]:
        if self.error is not None:
            raise self.error
        asked = list(stations)
        self.looks.append(asked)
        return {
            station: StationRecord(station, {"look": len(self.looks)})
            for station in asked
            if station in self.groups
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
    found = cache.get({A: 60.0, ("state", "B"): 0.0})
    assert memory.looks == [["A", "B"]]
    assert {outcome.age_s for outcome in found.values()} == {0.0}
    assert cache.get({A: 60.0})[A].record.values == {"look": 2}
    assert len(cache) == 0


def test_a_station_that_is_not_there_is_an_error_of_its_own(cache):
    found = cache.get({A: 0.0, ("state", "Z"): 0.0})
    assert found[A].error is None
    assert isinstance(found["state", "Z"].error, NotFoundError)
    assert cache.peek(Data.LOAD, "Z") is None


def test_one_call_reports_everything(cache):
    every = (Data.STATUS, Data.LOAD, Data.ALARMS, Data.SESSIONS, Data.STATIONS)
    assert {cache.key(data, "A") for data in every} == {A}


@pytest.mark.parametrize("error", [TransientError("stopped"), ValueError("a defect")])
def test_a_failure_is_the_error_of_each_key_until_a_read_works(cache, memory, error):
    memory.error = error
    found = cache.get({A: 60.0, ("state", "B"): 60.0})
    assert all(isinstance(outcome.error, ChargePointError) for outcome in found.values())
    assert all(outcome.within(1e9) is None for outcome in found.values())
    assert cache.down().keys() == {"state"}
    memory.error = None
    assert cache.get({A: 0.0})[A].record is not None
    assert cache.down() == {}


def test_groups_are_read_anew(cache, memory):
    assert cache.members("7") == {"A", "B"}
    assert cache.ports("A") == {1, 2}
    memory.groups["A"] = ""
    assert cache.members("7") == {"B"}
    with pytest.raises(NotFoundError, match="station group 3"):
        cache.members("3")


def test_the_list_is_that_of_the_newest_read_of_the_station(cache, memory):
    listed = (Data.STATIONS, "A")
    first = cache.get({A: 0.0})[A].record
    assert cache.peek(*listed) is first
    assert len(memory.looks) == 1
    # What is asked of the load is always looked at again.
    assert cache.peek(Data.LOAD, "A").values == {"look": 2}
    assert cache.peek(*listed).values == {"look": 2}
    cache.forget_failures()
    assert cache.peek(*listed).values == {"look": 3}
    memory.error = TransientError("stopped")
    cache.get({A: 0.0})
    assert cache.peek(*listed) is None
