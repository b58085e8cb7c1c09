"""After a write, nothing that left before it is believed."""

from __future__ import annotations

from collections.abc import Callable

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.catalogue import Data

from .conftest import Reader
from .fake import ALARMS, LOAD, STATIONS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)


def serial(reader: Reader | dict, station: str = A, call: str = LOAD) -> object:
    outcomes = reader.outcomes() if isinstance(reader, Reader) else reader
    record = outcomes[call, station].record
    assert record is not None, outcomes[call, station].error
    return record.values["serial"]


def test_what_was_known_is_asked_for_again(cache: SharedCache) -> None:
    assert serial(cache.get({(LOAD, A): 60.0})) == 1
    cache.touch(Data.LOAD, A)
    assert serial(cache.get({(LOAD, A): 60.0})) == 2
    assert serial(cache.get({(LOAD, A): 60.0})) == 2


def test_only_the_call_and_the_station_written_to(cache: SharedCache, backend: FakeBackend) -> None:
    wanted = {(call, station): 60.0 for call in (LOAD, ALARMS) for station in (A, B)}
    cache.get(wanted)
    before = len(backend.requests)
    cache.touch(Data.LOAD, A)
    cache.get(wanted)
    assert [(request.call, request.stations) for request in backend.requests[before:]] == [
        (LOAD, (A,))
    ]


def test_a_reader_after_the_write_does_not_join_a_fetch_that_left_before(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    cache.get({(ALARMS, E): 0.0})
    backend.hold()
    before = read((LOAD, A))
    backend.wait_for_requests(2)
    cache.touch(Data.LOAD, A)
    after = read({(LOAD, A): 3_600.0})
    backend.wait_for_requests(3)
    backend.release()
    assert (serial(before), serial(after)) == (2, 3)


def test_an_older_reply_that_comes_later_does_not_overwrite_a_newer_one(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader], clock: Time
) -> None:
    cache.get({(ALARMS, E): 0.0})
    backend.hold()
    slow = read((LOAD, A))
    backend.wait_for_requests(2)
    slow_gate, backend._open = backend._open, type(backend._open)()
    backend.release()
    cache.touch(Data.LOAD, A)
    assert serial(cache.get({(LOAD, A): 0.0})) == 3
    clock.pass_(5.0)
    slow_gate.set()
    assert serial(slow) == 2
    again = cache.get({(LOAD, A): 60.0})
    assert serial(again) == 3
    assert again[LOAD, A].age_s == 5.0


def test_an_older_reply_does_not_satisfy_a_read_after_the_write(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.hold()
    before = read((LOAD, A))
    backend.wait_for_requests(1)
    cache.touch(Data.LOAD, A)
    backend.release()
    assert serial(before) == 1
    assert serial(cache.get({(LOAD, A): 3_600.0})) == 2


def test_a_write_before_anything_was_read(cache: SharedCache) -> None:
    cache.touch(Data.LOAD, A)
    assert serial(cache.get({(LOAD, A): 60.0})) == 1
    assert serial(cache.get({(LOAD, A): 60.0})) == 1


def test_a_group_fetch_under_way_counts_no_more_for_the_station_written_to(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.groups = {"7": {A, B, C}}
    cache.get({(STATIONS, A): 60.0, (STATIONS, B): 60.0})
    backend.hold()
    group = read({(LOAD, A): 0.0, (LOAD, B): 0.0})
    backend.wait_for_requests(2)
    cache.touch(Data.LOAD, A)
    after = read((LOAD, A))
    joined = read((LOAD, B))
    backend.wait_for_requests(3)
    backend.release()
    assert serial(after) == 3
    assert serial(joined, B) == serial(group, B) == 2
    assert serial(cache.get({(LOAD, A): 60.0})) == 3
    # What the group's reply brings of others is as good as ever.
    assert serial(cache.get({(LOAD, C): 60.0}), C) == 2
    assert len(backend.requests) == 3


def test_an_account_fetch_under_way_counts_no_more_for_the_station_written_to(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    cache.get({(LOAD, E): 0.0})
    backend.hold()
    whole = read({(ALARMS, A): 0.0, (ALARMS, B): 0.0})
    backend.wait_for_requests(2)
    cache.touch(Data.ALARMS, A)
    after = read((ALARMS, A))
    backend.wait_for_requests(3)
    backend.release()
    assert serial(after, A, ALARMS) == 3
    assert serial(whole, B, ALARMS) == 2
    assert serial(cache.get({(ALARMS, A): 60.0}), A, ALARMS) == 3


def test_several_writes_each_count(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    cache.get({(ALARMS, E): 0.0})
    backend.hold()
    readers = []
    for number in range(4):
        cache.touch(Data.LOAD, A)
        readers.append(read((LOAD, A)))
        backend.wait_for_requests(2 + number)
    backend.release()
    assert [serial(reader) for reader in readers] == [2, 3, 4, 5]
    assert serial(cache.get({(LOAD, A): 60.0})) == 5
