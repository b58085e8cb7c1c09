"""What is kept is bounded by stations and calls, not by time."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.cache import SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import TransientError

from .fake import ALARMS, LOAD, SESSIONS, STATIONS, STATUS, FakeBackend, Time, ids

CALLS = (STATUS, LOAD, ALARMS, SESSIONS, STATIONS)


def test_a_thousand_cycles_keep_no_more_than_ten(
    make_cache: Callable[..., SharedCache], clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # kept log lines would hold the errors they name
    stations = ids(20)
    backend = FakeBackend(clock, stations)
    backend.groups = {"7": set(stations[:15])}
    cache = make_cache(backend=backend)
    wanted = {(call, station): 30.0 for call in CALLS for station in stations}

    def cycles(number: int) -> tuple[int, int]:
        for cycle in range(number):
            # Every sort of thing that could leave something behind.
            backend.absent["7"] = {stations[cycle % 15]} if cycle % 7 == 0 else set()
            if cycle % 5 == 0:
                backend.failure = outage
            cache.get(wanted)
            backend.failure = fine
            cache.touch(Data.LOAD, stations[cycle % 20])
            cache.get({(LOAD, stations[cycle % 20]): 30.0})
            clock.pass_(60.0)
        cache.get(wanted)
        gc.collect()
        return len(backend.alive), len(cache)

    def outage(request: Request) -> TransientError | None:
        return TransientError("down") if request.call == STATUS else None

    def fine(request: Request) -> None:
        return None

    records = len(CALLS) * len(stations)
    assert cycles(10) == (records, records)
    assert cycles(1_000) == (records, records)
