"""A reader never gets a record older than it asks for; one that is fresh costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.catalogue import CHARGEPOINT, Data
from chargepoint_driver.errors import (
    ChargePointError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)

from .conftest import Reader
from .fake import ALARMS, LOAD, STATIONS, STATUS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)


def test_a_fresh_record_is_given_again(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    key = (STATUS, A)
    first = cache.get({key: 30.0})[key]
    assert (first.error, first.age_s) == (None, 0.0)
    clock.pass_(30.0)
    again = cache.get({key: 30.0})[key]
    assert again.record is first.record
    assert again.age_s == 30.0
    clock.pass_(0.001)
    newer = cache.get({key: 30.0})[key]
    assert newer.record is not first.record
    assert newer.age_s == 0.0
    assert len(backend.requests) == 2


def test_readers_differ_in_what_they_call_old(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    key = (LOAD, A)
    cache.get({key: 0.0})
    clock.pass_(10.0)
    assert cache.get({key: 60.0})[key].age_s == 10.0
    assert cache.get({key: 5.0})[key].age_s == 0.0
    assert cache.get({key: 60.0})[key].age_s == 0.0
    assert len(backend.requests) == 2


def test_age_counts_from_the_reply(
    cache: SharedCache, backend: FakeBackend, clock: Time, read: Callable[..., Reader]
) -> None:
    backend.hold()
    reader = read((STATUS, A))
    backend.wait_for_requests(1)
    clock.pass_(7.0)
    backend.release()
    assert reader.outcomes()[STATUS, A].age_s == 0.0
    clock.pass_(2.0)
    assert cache.get({(STATUS, A): 60.0})[STATUS, A].age_s == 2.0


def test_only_what_is_stale_is_asked_for(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    cache.get({(STATUS, A): 30.0, (STATUS, B): 30.0})
    cache.get({(STATUS, A): 30.0, (STATUS, B): 30.0, (STATUS, C): 30.0})
    assert [request.stations for request in backend.requests] == [(A, B), (C,)]


def test_what_a_reply_brings_unasked_is_kept(cache: SharedCache, backend: FakeBackend) -> None:
    cache.get({(STATIONS, A): 30.0, (STATIONS, B): 30.0})
    assert cache.get({(STATIONS, C): 30.0})[STATIONS, C].record is not None
    assert len(backend.requests) == 1


def test_nobody_asks_for_a_call_that_nobody_wants(cache: SharedCache, backend: FakeBackend) -> None:
    cache.get({(STATUS, station): 30.0 for station in ids(5)})
    assert {request.call for request in backend.requests} == {STATUS}


def test_nothing_wanted_nothing_asked(cache: SharedCache, backend: FakeBackend) -> None:
    assert cache.get({}) == {}
    assert backend.requests == []


@pytest.mark.parametrize(
    "error", [TransientError("no connection"), PermissionDeniedError("not yours")]
)
def test_stale_and_down_is_an_error_that_names_the_age(
    cache: SharedCache, backend: FakeBackend, clock: Time, error: ChargePointError
) -> None:
    key = (STATUS, A)
    cache.get({key: 30.0})
    clock.pass_(95.0)
    backend.fail_with(error)
    for moment in range(3):  # the failure itself, then the answers of the back-off
        outcome = cache.get({key: 30.0})[key]
        assert outcome.record is None
        assert type(outcome.error) is type(error)
        assert error.message in str(outcome.error)
        assert f"{95 + moment} s old" in str(outcome.error)
        assert outcome.age_s == 95.0 + moment
        clock.pass_(1.0)


def test_down_and_not_yet_stale_is_no_error(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    key = (STATUS, A)
    cache.get({key: 30.0})
    backend.fail_with(TransientError("no connection"))
    clock.pass_(29.0)
    assert cache.get({key: 30.0})[key].age_s == 29.0


def test_an_error_does_not_push_out_the_last_good_record(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    key = (STATUS, A)
    cache.get({key: 30.0})
    backend.fail_with(TransientError("no connection"))
    assert cache.get({key: -1.0})[key].error is not None
    assert cache.get({key: 30.0})[key].error is None


def test_never_asked_and_down_is_an_error_without_age(
    cache: SharedCache, backend: FakeBackend
) -> None:
    backend.fail_with(TransientError("no connection"))
    outcome = cache.get({(STATUS, A): 30.0})[STATUS, A]
    assert (outcome.record, outcome.age_s) == (None, None)
    assert "old" not in str(outcome.error)


wants = st.dictionaries(
    st.tuples(st.sampled_from([STATUS, LOAD, ALARMS, STATIONS]), st.sampled_from(ids(5))),
    st.floats(0, 400),
    max_size=8,
)
failures = st.sampled_from(
    [None, None, TransientError("down"), NotFoundError("gone"), PermissionDeniedError("no")]
)


class CurrencyLaw(RuleBasedStateMachine):
    """Readers, writers, outages and time, in any order."""

    @initialize(grouped=st.booleans())
    def begin(self, grouped: bool) -> None:
        self.clock = Time()
        self.backend = FakeBackend(self.clock, ids(5))
        if grouped:
            self.backend.groups = {"7": {A, B, C}, "8": {C, D}}
        self.cache = SharedCache(self.backend, clock=self.clock, jitter=lambda: 0.5, limit_s=20.0)
        self.written: dict[tuple[str, str], int] = {}

    @rule(wanted=wants)
    def read(self, wanted: dict[tuple[str, str], float]) -> None:
        outcomes = self.cache.get(wanted)
        assert outcomes.keys() == wanted.keys()
        for key, outcome in outcomes.items():
            assert (outcome.record is None) != (outcome.error is None)
            if outcome.record is None or "made" not in outcome.record.values:
                continue
            assert outcome.record.station_id == key[1]
            made_s = outcome.record.values["made"]
            assert isinstance(made_s, float)
            assert self.clock() - made_s <= wanted[key]
            assert outcome.age_s == pytest.approx(self.clock() - made_s)
            # Nothing of before a write is given after it.
            serial = outcome.record.values["serial"]
            assert isinstance(serial, int)
            assert serial > self.written.get(key, 0)

    @rule(seconds=st.floats(0, 500))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_(seconds)

    @rule(call=st.sampled_from([STATUS, LOAD, ALARMS]), error=failures)
    def service_changes(self, call: str, error: ChargePointError | None) -> None:
        self.backend.fail_with(error, call)

    @rule(key=st.tuples(st.sampled_from([LOAD, ALARMS]), st.sampled_from(ids(5))))
    def write(self, key: tuple[str, str]) -> None:
        call, station = key
        self.cache.touch(CHARGEPOINT.calls[call].data[0], station)
        self.written[key] = len(self.backend.requests)

    @rule()
    def configuration_changes(self) -> None:
        self.cache.forget_failures()

    @rule(group=st.sampled_from(["7", "8"]), station=st.sampled_from(ids(5)))
    def a_group_loses_a_station(self, group: str, station: str) -> None:
        self.backend.absent.setdefault(group, set()).add(station)

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "cache"):
            assert len(self.cache) <= 6 * 5


def test_the_currency_law() -> None:
    run_state_machine_as_test(CurrencyLaw)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_one_value_and_one_reader(age_s: float, currency_s: float) -> None:
    clock = Time()
    backend = FakeBackend(clock, ids(1))
    cache = SharedCache(backend, clock=clock)
    cache.get({(STATUS, A): 0.0})
    clock.pass_(age_s)
    outcome = cache.get({(STATUS, A): currency_s})[STATUS, A]
    assert outcome.age_s is not None
    assert outcome.age_s <= currency_s
    assert len(backend.requests) == (1 if clock() - 1_000.0 <= currency_s else 2)


def test_the_last_good_record_is_a_value_for_those_whose_currency_it_meets(cache, backend, clock):
    key = (LOAD, A)
    cache.get({key: 0.0})
    clock.pass_(20.0)
    backend.fail_with(TransientError("down"))
    outcome = cache.get({key: 10.0})[key]
    assert outcome.record is None
    assert outcome.within(10.0) is None
    assert outcome.within(19.9) is None
    assert outcome.within(20.0).values["made"] == 1_000.0
    # So it is while the call is held back.
    outcome = cache.get({key: 10.0})[key]
    assert outcome.within(30.0).values["made"] == 1_000.0


def test_a_write_makes_the_last_good_record_nobodys_value(cache, backend, clock):
    key = (LOAD, A)
    cache.get({key: 0.0})
    cache.touch(Data.LOAD, A)
    backend.fail_with(TransientError("down"))
    outcome = cache.get({key: 10.0})[key]
    assert outcome.age_s == 0.0
    assert outcome.within(3_600.0) is None


def test_that_a_station_has_nothing_is_known_for_as_long(cache, backend, clock):
    wanted = {(ALARMS, A): 0.0, (ALARMS, B): 0.0}
    backend.absent[ALARMS] = set(backend.stations)
    cache.get(wanted)
    clock.pass_(20.0)
    backend.fail_with(TransientError("down"))
    # Also for one that nobody asked for: the reply for the whole account left it out.
    outcome = cache.get({(ALARMS, C): 10.0})[ALARMS, C]
    assert outcome.within(10.0) is None
    assert outcome.within(20.0).values == {}
    assert cache.get(wanted)[ALARMS, A].within(20.0).values == {}


def test_without_any_good_record_there_is_no_value(cache, backend):
    backend.fail_with(TransientError("down"))
    assert cache.get({(LOAD, A): 0.0})["getLoad", A].within(1e9) is None
