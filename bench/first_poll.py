"""First polls of 10,000 stations with the classic registry, when nothing is known yet.

What a user gains: the largest account has every value soon after a start.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench.figure import Figure
from bench.page import started
from bench.site import Seconds, classic_rows
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.registry import Selection, build
from chargepoint_driver.service import Service

STATIONS = 10_000
# One poll waits for a minute at most. Its calls go on, and the next poll has what they found.
MAX_POLLS = 8


def figures() -> Iterator[Figure]:
    """Missing values, calls and processor time until every point has a value."""
    with ExitStack() as stack:
        sim = stack.enter_context(
            started(
                ["sim", "--stations", str(STATIONS), "--ports-per-station", "1", "--speed", "1"], {}
            )
        )[1]
        account = AccountConfig(
            username=sim["username"], password=sim["password"], endpoint=sim["soap_url"]
        )
        points = _points(account)
        # The clock stands still, so no poll asks again for what was read.
        service = Service(SoapBackend(account), clock=Seconds())
        stack.callback(service.close)
        before, begun, begun_s = _calls(service), time.process_time(), time.perf_counter()
        polls, errors = 1, service.read(points).errors
        while errors and polls < MAX_POLLS:
            polls, errors = polls + 1, service.read(points).errors
        used_s, passed_s = time.process_time() - begun, time.perf_counter() - begun_s
        calls = _calls(service) - before
    what = f"{STATIONS:,} stations, {len(points):,} points, from nothing"
    yield Figure(f"{what}: without a value in the end", len(errors), "points", at_most=0)
    yield Figure(f"{what}: polls", polls, "polls", at_most=MAX_POLLS)
    yield Figure(f"{what}: calls", calls, "calls", at_most=2_200)
    yield Figure(f"{what}: processor", used_s / STATIONS * 1_000, "ms a station", at_most=3)
    yield Figure(f"{what}: until the last value", passed_s, "s")


def _points(account: AccountConfig) -> Selection:
    """Return the rows of the classic registry on each station."""
    service, rows, points = Service.of_account(account), classic_rows(), Selection()
    for number, station in enumerate(service.stations()):
        registry = build(rows, "bench", station.station_id)
        registry.raise_faults()
        points.update((f"s{number}/{name}", point) for name, point in registry.points.items())
    service.close()
    return points


def _calls(service: Service) -> int:
    return sum(service.backend.calls().values())
