"""Web service calls of a cycle, and their growth.

What a user gains: an account stays far below its call limits, and a poll takes seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from bench.figure import Figure
from bench.site import classic_rows, live_rows, site

_LIVE_DUE_S = 61.0


def figures() -> Iterator[Figure]:
    """Counts of calls as the simulator counted them."""
    yield from _cycles(100, "100 stations, classic rows", (8, 3, 0))
    for stations, groups in ((10, 1), (100, 1), (1_000, 10)):
        yield _live(stations, groups, at_most=25 if stations == 1_000 else None)
    yield _one_value()


def _cycles(stations: int, what: str, bounds: tuple[int, int, int]) -> Iterator[Figure]:
    with site(stations) as here:
        points = here.points(classic_rows())
        for due, wait_s, bound in zip(
            ("everything due", "only live rows due", "nothing due"),
            (0.0, _LIVE_DUE_S, 1.0),
            bounds,
            strict=True,
        ):
            here.clock.now += wait_s
            before = here.calls()
            reading = here.service.read(points)
            assert not reading.errors, next(iter(reading.errors.values()))
            assert len(reading.values) == len(points)
            yield Figure(f"calls, {what}, {due}", here.calls() - before, "calls", at_most=bound)


def _live(stations: int, groups: int, at_most: int | None) -> Figure:
    with site(stations, groups) as here:
        rows = [row for row in live_rows() if "alarm" not in row[1]["Attribute Name"]]
        points = here.points(rows)
        here.service.read(points)
        here.clock.now += _LIVE_DUE_S
        before = here.calls()
        reading = here.service.read(points)
        assert not reading.errors
        what = f"calls, {stations} stations in {groups} groups, live rows"
        return Figure(what, here.calls() - before, "calls", at_most=at_most)


def _one_value() -> Figure:
    """Two hundred readers that come at once for one stale value."""
    with site(1) as here:
        points = here.points(
            [(2, {"Attribute Name": "portLoad", "Register Name": "LoadRegister", "Port #": "1"})]
        )
        here.service.read(points)
        here.clock.now += _LIVE_DUE_S
        before = here.calls()
        here.simulator.faults.set("getLoad", "delay", seconds=0.5)
        start = threading.Barrier(200)

        def read() -> None:
            start.wait(30)
            assert not here.service.read(points).errors

        readers = [threading.Thread(target=read) for _ in range(200)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
        return Figure(
            "calls, 200 readers of one stale value", here.calls() - before, "calls", at_most=1
        )
