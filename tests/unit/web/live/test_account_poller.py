"""What of an account is read, and when."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.web.live import account_poller
from chargepoint_driver.web.live.account_poller import AccountPoller


class Chargers:
    """Accounts with 20 chargers of a connector each; counts which stations are read."""

    def __init__(self) -> None:
        self.load_kw = 1.0
        self.count = 20
        self.read_of: list[set[str]] = []

    def stations(self, account: str) -> list[dict[str, Any]]:
        return [
            {"station": f"CP{number}", "values": {"sgID": "north"}, "ports": {"1": {}}}
            for number in range(self.count)
        ]

    def read(self, plan: dict[str, dict[str, Any]], account: str) -> dict[str, Any]:
        self.read_of.append({point.get("station", "") for point in plan.values()})
        return {
            "values": dict.fromkeys(plan, self.load_kw),
            "errors": {},
            "ages_s": dict.fromkeys(plan, 0.0),
        }

    def sessions(self, *_: Any) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def chargers() -> Chargers:
    return Chargers()


@pytest.fixture
def watch(chargers: Any) -> AccountPoller:
    made = AccountPoller(chargers, "yard", OCPP, lambda: 1_000.0)
    made.refresh()
    return made


@pytest.fixture
def watch_of_many(chargers: Any, monkeypatch: pytest.MonkeyPatch) -> AccountPoller:
    """20 chargers, read in parts of 5."""
    monkeypatch.setattr(account_poller, "_MIN_PART", 1)
    monkeypatch.setattr(account_poller, "_PARTS", 4)
    made = AccountPoller(chargers, "yard", OCPP, lambda: 1_000.0)
    made.refresh()
    chargers.read_of.clear()
    return made


def names(*numbers: int) -> set[str]:
    return {"", *(f"CP{number}" for number in numbers)}


def test_what_was_heard_and_a_part_of_the_others_is_read(watch_of_many, chargers):
    watch, before = watch_of_many, watch_of_many.snapshot
    for heard in ("CP13", "CP17", "stranger"):
        watch.heard(heard)
    chargers.load_kw = 2.0
    assert watch.refresh_next()
    assert chargers.read_of == [names(0, 1, 2, 3, 4, 13, 17)]
    loads = {
        cpid: each.ports[0].values["portLoad"] for cpid, each in watch.snapshot.stations.items()
    }
    assert names(*(int(cpid[2:]) for cpid in loads if loads[cpid] == 2.0)) == chargers.read_of[0]
    assert list(watch.snapshot.stations) == list(before.stations)
    assert watch.snapshot.stations["CP9"] is before.stations["CP9"]
    assert set(watch.snapshot.groups["north"].values.values()) == {2.0}
    assert watch.snapshot.is_listed


def test_all_are_read_within_so_many_parts(watch_of_many, chargers):
    for _ in range(4):
        watch_of_many.refresh_next()
    assert set().union(*chargers.read_of) == names(*range(20))
    assert [len(each) for each in chargers.read_of] == [6, 6, 6, 6]


def test_a_charger_that_is_new_is_shown_with_the_next_list(watch_of_many, chargers):
    chargers.count = 21
    watch_of_many.heard("CP20")
    for _ in range(5):
        watch_of_many.refresh_next()
    assert "CP20" in watch_of_many.snapshot.stations
    chargers.count = 19
    for _ in range(5):
        watch_of_many.refresh_next()
    assert len(watch_of_many.snapshot.stations) == 19


def test_few_chargers_are_read_each_time(watch, chargers):
    watch.refresh_next()
    watch.refresh_next()
    assert chargers.read_of == [names(*range(20))] * 3
