"""A disk that takes 5 ms for each flush, as an SD card does: what it stops, and what waits for it.

What a user gains: meter values and commands go on while a session waits until it is stored.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from chargepoint_driver.backends.ocpp.storage import disk_writer
from chargepoint_driver.backends.ocpp.storage.store import Store

FLUSH_S = 0.005
STARTS = 300
EVENTS_A_START = 20


def figures() -> Iterator[Figure]:
    """Commits on the loop, by the clock: the median of all and the one at 95 %; starts that were
    acknowledged earlier than a flush takes."""
    before = disk_writer._to_disk

    def slow(handle: int) -> None:
        before(handle)
        time.sleep(FLUSH_S)

    disk_writer._to_disk = slow
    try:
        with tempfile.TemporaryDirectory() as folder:
            commits, waits = asyncio.run(_play(Path(folder) / "slow.sqlite"))
    finally:
        disk_writer._to_disk = before
    what = "a disk of 5 ms a flush"
    commits.sort()
    yield Figure(f"{what}: a commit stops the loop, median", 1e3 * commits[len(commits) // 2], "ms")
    yield Figure(
        f"{what}: a commit stops the loop, 95 of 100 for at most",
        1e3 * commits[len(commits) * 95 // 100],
        "ms",
        at_most=2,
    )
    early = sum(wait_s < FLUSH_S for wait_s in waits)
    yield Figure(f"{what}: starts acknowledged before they were stored", early, "", at_most=0)
    yield Figure(f"{what}: a start waits, median", 1e3 * sorted(waits)[len(waits) // 2], "ms")


async def _play(path: Path) -> tuple[list[float], list[float]]:
    """(seconds that each commit took on the loop, seconds until each start was stored)."""
    store = Store(path)
    commits: list[float] = []
    commit = store._commit

    def timed() -> None:
        begun = time.perf_counter()
        commit()
        commits.append(time.perf_counter() - begun)

    store._commit = timed  # type: ignore[method-assign]

    async def start(number: int) -> float:
        begun = time.perf_counter()
        now_s = time.time()
        await store.writable()
        store.start("CP", number, "TAG", now_s, 0.0, now_s, request=str(number))
        await asyncio.shield(store.durable())
        return time.perf_counter() - begun

    waiting = []
    for number in range(STARTS):
        waiting.append(asyncio.ensure_future(start(number)))
        for _ in range(EVENTS_A_START):
            store.event(time.time(), time.time(), "CP", 1, "MeterValues", b'{"samples":[]}')
            await asyncio.shield(store.committed())
        await asyncio.sleep(0.002)
    waits = await asyncio.gather(*waiting)
    store.close()
    return commits, list(waits)
