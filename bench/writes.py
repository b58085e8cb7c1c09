"""Cost of shed control: per write, and for supervising a thousand sheds.

What a user gains: a demand-response event reaches the station at once, however many are held.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.figure import Figure, medians
from bench.host import interface
from bench.site import Site, account_of, site
from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.soap import SoapBackend, transport
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.service import CommandFile, Service, ShedOptions

ROUNDS = 101
STATIONS = 1_000
POLL_S = 60.0
LIMIT_S = 60
ROWS = [
    {
        "Volttron Point Name": name,
        "Attribute Name": name,
        "Register Name": "LoadRegister",
        "Port #": "1",
        "Writable": "TRUE" if name in ("allowedLoad", "shedState") else "FALSE",
    }
    for name in ("allowedLoad", "shedState", "portLoad")
]


def figures() -> Iterator[Figure]:
    """A difference of times within this run, counts, and a ratio."""
    yield _more_than_the_bare_call()
    yield from _looking_after()


def _more_than_the_bare_call() -> Figure:
    """From set_point to the request leaving, on a station that was polled a minute ago."""
    rows = list(enumerate(ROWS, start=2))
    with site(4) as here, _with_file(here) as (service, _), leaving() as left:
        driver, topics = interface(here, rows)
        driver._account.stations.close()  # type: ignore[attr-defined]
        driver._account.stations = service
        (topic,) = (name for name in topics if name.endswith(f"{here.stations[0]}/allowedLoad"))
        target = Target(here.stations[1], 1)
        backend = SoapBackend(account_of(here.simulator))
        service.write(driver.point_map[topic].point, 1.0, ShedOptions(on_write=True))
        works: dict[str, Callable[[float], object]] = {
            "bare": lambda kw: backend.shed(target, Limit(allowed_load_kw=kw), 60),
            "set_point": lambda kw: driver.set_point(topic, kw),
        }
        took_s: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(ROUNDS):
            values, errors = driver.get_multiple_points(topics)
            assert values, errors
            here.clock.now += POLL_S
            for name, work in works.items():
                left.clear()
                begun = time.perf_counter()
                work(2.0 + turn / 100)
                took_s[name].append(left["shedLoad"] - begun)
        backend.close()
    more_s = statistics.median(took_s["set_point"]) - statistics.median(took_s["bare"])
    return Figure(
        "from set_point to its request leaving, more than the bare call",
        more_s * 1000,
        "ms",
        at_most=20,
    )


def _looking_after() -> Iterator[Figure]:
    with site(STATIONS, groups=10) as here, _with_file(here) as (service, saves):
        points = here.points([(2, ROWS[1])])
        limits = here.points([(2, ROWS[0])])
        run_due = service.control.supervisor.run_due
        service.read(points)
        gc.collect()
        tracemalloc.start()
        for point in limits.values():
            service.control.write(point, 3.0, ShedOptions(on_write=True))
        gc.collect()
        held_bytes = sum(
            entry.size
            for entry in tracemalloc.take_snapshot().statistics("filename")
            if "/shed_control/" in entry.traceback[0].filename
        )
        tracemalloc.stop()
        yield Figure(f"memory of {STATIONS:,} sheds held", held_bytes / 2**20, "MiB", at_most=8)

        def cost(what: str, most: tuple[int, int]) -> Iterator[Figure]:
            calls, written = here.calls(), saves.number
            run_due()
            said = f"looking after {STATIONS:,} sheds, {what}"
            yield Figure(f"{said}: calls", here.calls() - calls, "calls", at_most=most[0])
            yield Figure(
                f"{said}: writes to the file", saves.number - written, "writes", at_most=most[1]
            )

        yield from cost("all to be confirmed", (20, STATIONS))
        yield from cost("nothing due", (0, 0))
        service.read(points)
        took = medians({"look": run_due, "read": lambda: service.read(points)})
        yield Figure(
            f"looking after {STATIONS:,} sheds, nothing due, against reading shedState of each",
            took["look"] / took["read"],
            "times",
            at_most=5,
        )
        here.clock.now += 30 * 60
        yield from cost("all to be renewed", (STATIONS + 20, STATIONS))


class _Saves(CommandFile):
    """Counts what is written to the file."""

    number = 0

    def save(self, changes: Mapping[Target, Any]) -> None:
        self.number += 1
        super().save(changes)

    def save_period(self, *period: Any) -> None:
        self.number += 1
        super().save_period(*period)


@contextmanager
def _with_file(here: Site) -> Iterator[tuple[Service, _Saves]]:
    """A service for the site that keeps its commands on disk."""
    with TemporaryDirectory() as folder:
        account = account_of(here.simulator)
        store = _Saves(Path(folder) / "commands.sqlite", account.key)
        service = Service(SoapBackend(account), timeout_s=LIMIT_S, clock=here.clock, commands=store)
        try:
            yield service, store
        finally:
            service.close()


@contextmanager
def leaving() -> Iterator[dict[str, float]]:
    """Operation to the moment (of perf_counter) at which its last request left."""
    post = transport.HttpTransport.post
    left: dict[str, float] = {}

    def note(
        self: transport.HttpTransport, content: bytes, action: str, caller: Caller
    ) -> transport.Answer:
        left[caller.call] = time.perf_counter()
        return post(self, content, action, caller)

    transport.HttpTransport.post = note  # type: ignore[method-assign]
    try:
        yield left
    finally:
        transport.HttpTransport.post = post  # type: ignore[method-assign]
