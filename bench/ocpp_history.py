"""Cost of a long history in the central system: a day of it, and more than a year.

What a user gains: chargers never wait for records of the past.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.figure import Figure
from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.storage.store import Store

# Events, transactions, and transactions that run.
DAY, YEAR = (14_000, 300), (5_000_000, 100_000)
ACTIVE = 5_000
CHARGERS = 5_000
NOW_S = 1_800_000_000.0
REPEATS = 50
STEPS = 200

_EVENTS = """
WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < :number)
INSERT INTO events (id, received, time, charge_point, connector, action, data)
SELECT n, :begin + n * :step, :begin + n * :step, 'CP' || (n % 5000), 1,
    CASE WHEN n % 20 THEN 'MeterValues' ELSE 'StatusNotification' END, :data FROM each"""
_TRANSACTIONS = """
WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < :number)
INSERT INTO transactions (charge_point, connector, wire_id, id_tag, start_time, meter_start,
    stop_time, meter_stop, reason, state, origin, received, request)
SELECT 'CP' || (n % 5000), 1, n, 'TAG' || (n % 500), :begin + n * :step, 0,
    :begin + n * :step + 3600, 9000, 'Local',
    CASE WHEN n > :number - :active THEN 'active' ELSE 'completed' END, 'start',
    :begin + n * :step, 'request ' || n FROM each"""
_DATA = '{"transactionId":17,"samples":[{"time":"2026-01-01T00:00:00.000Z","values":{' + ",".join(
    f'"value{number}":{number * 1000.5}' for number in range(14)
)  # fmt: skip


def figures() -> Iterator[Figure]:
    """Processor time of the thread that would be the loop's."""
    with tempfile.TemporaryDirectory() as folder:
        small = _costs(Path(folder) / "day.sqlite", *DAY, active=100)
        large = _costs(Path(folder) / "year.sqlite", *YEAR, active=ACTIVE)
    size = f"{YEAR[0]:,} events and {YEAR[1]:,} transactions"
    for name, at_most_ms in (
        ("retention, nothing to delete", 0.2),
        ("retention of events, longest step", 5.0),
        ("retention of transactions, longest step", 5.0),
        (f"StartTransaction with {ACTIVE:,} active, in the database", 0.2),
        ("newest sessions of a charger", 1.0),
    ):
        yield Figure(f"{name}, {size}", large[name], "ms", at_most=at_most_ms)
        yield Figure(f"{name}, a day of {DAY[0]:,} events", small[name], "ms")
    month = "transactions of a month as a list"
    yield Figure(f"{month}, {size}", large[month], "ms")


def _costs(path: Path, events: int, transactions: int, active: int) -> dict[str, float]:
    with closing(Store(path, lambda: NOW_S)) as store:
        _fill(store, events, transactions, active)
    found: dict[str, float] = {}
    with closing(Store(path, lambda: NOW_S)) as store:
        begin_s = _begin_s(events)
        walk = store.sweep("meter_values", begin_s)
        store.end_sweep(walk)
        found["retention, nothing to delete"] = _median(
            lambda: store.sweep_step(store.sweep("meter_values", begin_s))
        )
        # Half of all is due at once: more than an hour makes.
        half_s = (begin_s + NOW_S) / 2
        for kind, name in (("meter_values", "events"), ("transactions", "transactions")):
            found[f"retention of {name}, longest step"] = _longest_step(store, kind, half_s)
        found[f"StartTransaction with {ACTIVE:,} active, in the database"] = _starts(store)
        found["newest sessions of a charger"] = _median(
            lambda: queries.newest_sessions(path, ["CP4321"])
        )
        begun = time.perf_counter()
        queries.transactions(path, "2027-01")
        month = "transactions of a month as a list"
        found[month] = 1000 * (time.perf_counter() - begun)
    return found


def _begin_s(events: int) -> float:
    """So that the last one is of now: 14,000 events a day."""
    return NOW_S - events / DAY[0] * 86_400


def _fill(store: Store, events: int, transactions: int, active: int) -> None:
    begin_s = _begin_s(events)
    for sql, number in ((_EVENTS, events), (_TRANSACTIONS, transactions)):
        given = {"number": number, "begin": begin_s, "step": (NOW_S - begin_s) / number}
        store._db.execute("BEGIN")
        store._db.execute(sql, {**given, "active": active, "data": _DATA})
        store._db.execute("COMMIT")


def _longest_step(store: Store, kind: str, before_s: float) -> float:
    walk, longest_s = store.sweep(kind, before_s), 0.0
    for _ in range(STEPS):
        begun = time.thread_time()
        more = store.sweep_step(walk)
        store._try_commit()
        longest_s = max(longest_s, time.thread_time() - begun)
        if not more:
            break
    return 1000 * longest_s


def _starts(store: Store) -> float:
    numbers = iter(range(10 * REPEATS))

    def start() -> None:
        number = next(numbers)
        started, _ = store.start(
            "CP4321", 1, "TAG7", NOW_S, 0.0, NOW_S, request=f"of the bench {number}"
        )
        store.mark_superseded("CP4321", 1, started.transaction_id, NOW_S)
        store.running_with("TAG7", started.transaction_id)

    return _median(start)


def _median(work: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        begun = time.thread_time()
        work()
        took.append(time.thread_time() - begun)
    return 1000 * sorted(took)[REPEATS // 2]
