"""Sessions of a central system: costs by time of use, and a long history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.storage.store import Store

from ..depot import Depot, add, at, october

NOW = "2026-11-10T12:00"
MONTH = {"start": "2026-10-01T00:00:00+02:00", "end": "2026-10-31T00:00:00+01:00"}


@pytest.fixture
def make_depot(tmp_path: Path) -> Iterator[Callable[..., Depot]]:
    made: list[Depot] = []

    def make(fill: Any, **config: Any) -> Depot:
        made.append(Depot(tmp_path, fill, NOW, **config))
        return made[-1]

    yield make
    for depot in made:
        depot.close()


def fill(store: Store) -> None:
    """Add one session of each kind on a day."""
    day = "2026-11-09T"
    add(store, at(f"{day}07:00"), 120, readings={3_600.0: 4_000.0}, connector=1)
    near = {3_000.0: 3_000.0, 3_900.0: 4_500.0}
    add(store, at(f"{day}07:00"), 120, readings=near, connector=2)
    add(store, at(f"{day}07:00"), 120, connector=3)
    add(store, at(f"{day}09:00"), 60, connector=4)
    add(store, at(f"{day}09:00"), 60, None, connector=5)
    add(store, at(f"{day}09:00"), None, connector=6)


def test_costs_by_time_of_use(make_depot):
    depot = make_depot(fill)
    page = depot.get("/sessions", start="2026-11-09T00:00:00+01:00")
    found = {each["connectorId"]: each for each in page["sessions"]}
    costs = {
        number: (each["cost"], each["costReason"], each["costIsEstimated"])
        for number, each in found.items()
    }
    assert costs == {
        # 4 kWh at 0.20, 6 kWh at 0.50
        1: ("3.80", None, False),
        # Two thirds of the 1.5 kWh before 8.
        2: ("3.80", None, True),
        3: (None, "cannot_split", False),
        4: ("5.00", None, False),
        5: (None, "no_energy", False),
        6: (None, "running", False),
    }
    sums = depot.get("/sessions/sums", start="2026-11-09T00:00:00+01:00")
    assert (sums["sessions"], sums["running"], sums["energyUnknown"]) == (6, 1, 1)
    assert sums["costs"] == {"EUR": "12.60"}
    assert (sums["costUnknown"], sums["costEstimated"]) == (2, 1)
    assert sums["costReasons"] == {"cannot_split": 1, "no_energy": 1}


def test_a_long_history_comes_in_pages(make_depot):
    depot = make_depot(october)
    found: list[str] = []
    after = None
    while True:
        page = depot.get("/sessions", **MONTH, limit=100, after=after)
        found += [each["transactionId"] for each in page["sessions"]]
        after = page["after"]
        if after is None:
            break
    assert len(found) == len(set(found)) == 240
    assert depot.get("/sessions", **MONTH, limit=1)["sessions"][0]["transactionId"] == found[0]
    sums = depot.get("/sessions/sums", **MONTH)
    assert (sums["sessions"], sums["costs"], sums["costUnknown"]) == (240, {"EUR": "1200.00"}, 0)
    of_anna = depot.get("/sessions/sums", **MONTH, idTag="anna", cpid="CP1", account="depot")
    assert of_anna["sessions"] == 60
    report = depot.get("/report", month="2026-10")
    assert report["total"]["costs"] == {"EUR": "1200.00"}
    assert [(row["idTag"], row["sums"]["sessions"]) for row in report["idTags"]] == [
        ("ANNA", 90),
        ("BOB", 90),
        ("carol", 60),
    ]
    assert depot.get("/report")["month"] == "2026-11"
    assert depot.get("/report")["total"]["sessions"] == 0
