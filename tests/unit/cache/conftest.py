"""A shared cache on a fake backend and a clock that stands still; no thread is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from chargepoint_driver.cache import Key, Outcome, SharedCache
from chargepoint_driver.cache.single_flight import SharedFetch

from .fake import LIMIT_S, FakeBackend, Time, ids


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def backend(clock: Time) -> FakeBackend:
    """Five stations, in no group."""
    return FakeBackend(clock, ids(5))


@pytest.fixture
def make_cache(backend: FakeBackend, clock: Time) -> Callable[..., SharedCache]:
    def make(**options: Any) -> SharedCache:
        return SharedCache(
            options.pop("backend", backend),
            **{"clock": clock, "jitter": lambda: 1.0, "limit_s": LIMIT_S, **options},
        )

    return make


@pytest.fixture
def cache(make_cache: Callable[..., SharedCache]) -> SharedCache:
    """Jitter is at its largest, so that back-offs have their full length."""
    return make_cache()


@pytest.fixture(autouse=True)
def _no_thread_is_left(backend: FakeBackend) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    backend.release()
    end = time.monotonic() + LIMIT_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, end - time.monotonic()))
    assert set(threading.enumerate()) <= before


class Reader:
    """A reader in a thread of its own. Made, it has its answer or waits for a fetch."""

    def __init__(self, cache: SharedCache, wanted: Mapping[Key, float]) -> None:
        self._future: Future[dict[Key, Outcome]] = Future()
        self._settled = threading.Event()
        self._future.add_done_callback(lambda future: self._settled.set())
        self._thread = threading.Thread(target=self._run, args=(cache, wanted))
        self._thread.start()
        assert self._settled.wait(LIMIT_S)

    def _run(self, cache: SharedCache, wanted: Mapping[Key, float]) -> None:
        _waiting_here.settled = self._settled
        try:
            self._future.set_result(cache.get(wanted))
        except BaseException as error:
            self._future.set_exception(error)

    @property
    def waits(self) -> bool:
        return not self._future.done()

    def outcomes(self) -> dict[Key, Outcome]:
        found = self._future.result(LIMIT_S)
        self._thread.join(LIMIT_S)
        return found


_waiting_here = threading.local()


@pytest.fixture(autouse=True)
def _waiting_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = SharedFetch.wait

    def seen(fetch: SharedFetch, limit_s: float) -> bool:
        settled = getattr(_waiting_here, "settled", None)
        if settled is not None:
            settled.set()
        return wait(fetch, limit_s)

    monkeypatch.setattr(SharedFetch, "wait", seen)


@pytest.fixture
def read(cache: SharedCache) -> Callable[..., Reader]:
    """Start a reader: `read({key: currency})`, or `read(key)` for one that wants fresh data."""

    def start(wanted: Mapping[Key, float] | Key) -> Reader:
        return Reader(cache, wanted if isinstance(wanted, Mapping) else {wanted: 0.0})

    return start
