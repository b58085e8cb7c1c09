"""Lists of all nodes: each charger once, as its newest owner has it, or an error."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.status import view_of
from chargepoint_driver.errors import ChargePointError, StoreError, TransientError

pytest.importorskip("asyncpg")

from chargepoint_driver.backends.ocpp.postgres import fleet_lists
from chargepoint_driver.backends.ocpp.postgres.fleet_lists import FleetLists
from chargepoint_driver.backends.ocpp.postgres.ownership import RunningNode

LIMIT_S = 15.0


def view(name: str, mark: str) -> Any:
    """A charger as it stands; `mark` is where."""
    charger = Charger(name, Electrical(230.0, 3))
    charger.boot = {"vendor": mark}
    return view_of(charger, 0.0, 60)


class Fleet:
    """This node is run 1. `own` and `others`: chargers with their epochs, by run."""

    def __init__(self, own: dict[str, int], others: dict[int, dict[str, int]]) -> None:
        self.others: dict[int, Any] = dict(others)
        self.ids: list[str] = sorted({*own, *(name for each in others.values() for name in each)})
        self.rest: dict[str, Any] = {}
        self.without: list[str] = []
        points = dict.fromkeys(own)
        statuses = SimpleNamespace(
            account="ocpp", document=lambda name: {"charge_point_id": name, "by": "own"}
        )
        csms: Any = SimpleNamespace(
            points={name: SimpleNamespace(station_id=name) for name in points},
            view=lambda point: view(point.station_id, "own"),
            statuses=statuses,
            now=lambda: 0.0,
        )
        membership: Any = SimpleNamespace(run=1, epochs=own)
        self.lists = FleetLists(csms, membership, self, self)  # type: ignore[arg-type]

    async def running_nodes(self) -> list[RunningNode]:
        return [RunningNode(f"node-{run}", run) for run in (1, *self.others)]

    async def without_node(self) -> list[str]:
        return self.without

    async def known(self) -> list[str]:
        return self.ids

    async def read(self, names: list[str]) -> dict[str, Any]:
        return {name: self.rest[name] for name in names if name in self.rest}

    async def ask(self, node: RunningNode) -> list[dict[str, Any]]:
        """Return the rows of a node, or raise what it has instead."""
        found = self.others[node.run]
        if isinstance(found, Exception):
            raise found
        if callable(found):
            return await found()
        rows = [{"epoch": epoch, "view": view(name, node.node)} for name, epoch in found.items()]
        found = msgspec.json.decode(msgspec.json.encode(rows))
        for row in found:
            row["view"]["charge_point_id"] = row["view"]["id"]
        return found

    def places(self) -> dict[str, str]:
        """Return charger to where it was read."""
        found = asyncio.run(asyncio.wait_for(self.lists.charge_points(self.ask), LIMIT_S))
        names = [each.id for each in found.views]
        assert names == sorted(names)
        return {each.id: str(each.boot.get("vendor")) for each in found.views}


def test_each_charger_is_read_where_it_was_claimed_last() -> None:
    fleet = Fleet(
        {"A": 2, "B": 2, "C": 3}, {2: {"B": 3, "C": 2, "D": 5, "E": 4}, 3: {"D": 6, "E": 1}}
    )
    assert fleet.places() == {
        "A": "own", "B": "node-2", "C": "own", "D": "node-3", "E": "node-2"
    }  # fmt: skip


def test_who_was_listed_by_no_node_is_read_alone() -> None:
    """It moved while the nodes were asked, or no running node has it."""
    fleet = Fleet({"A": 1}, {2: {"B": 1}})
    fleet.ids += ["C", "D"]
    fleet.rest = {"C": view("C", "stored"), "D": view("D", "node-3")}
    fleet.without = ["C", "forgotten", "A"]
    assert fleet.places() == {"A": "own", "B": "node-2", "C": "stored", "D": "node-3"}
    found = asyncio.run(fleet.lists.charge_points(fleet.ask))
    assert found.without_node == ["C"]


async def _never() -> Any:
    await asyncio.sleep(2 * LIMIT_S)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (TransientError("the chargers of node node-2: no answer"), "node node-2: no answer"),
        (StoreError("PostgreSQL is away"), "PostgreSQL is away"),
        (_never, "were not read within"),
    ],
)
def test_a_node_that_does_not_answer_is_an_error_whatever_it_has(
    monkeypatch: pytest.MonkeyPatch, answer: Any, words: str
) -> None:
    monkeypatch.setattr(fleet_lists, "_LIMIT_S", 0.05)
    fleet = Fleet({"A": 1}, {3: {"C": 1}})
    fleet.others[2] = answer  # whose chargers may be known nowhere else
    for ask in (fleet.lists.charge_points, fleet.lists.live_status):
        with pytest.raises(TransientError, match=words):
            asyncio.run(asyncio.wait_for(ask(fleet.ask), LIMIT_S))


def test_a_charger_that_cannot_be_read_is_an_error() -> None:
    fleet = Fleet({"A": 1}, {2: {"B": 1}})
    fleet.ids.append("C")
    fleet.rest = {"C": TransientError("it connects to another node just now")}
    with pytest.raises(TransientError, match="C: it connects"):
        fleet.places()


@pytest.mark.parametrize("row", [{}, {"epoch": 1}, {"epoch": 1, "view": None}, {"view": {}}])
def test_an_answer_of_another_release_is_an_error(row: dict[str, Any]) -> None:
    fleet = Fleet({"A": 1}, {})

    async def odd() -> Any:
        return [row]

    fleet.others[2] = odd
    with pytest.raises(ChargePointError, match="use one release for all nodes"):
        fleet.places()


def test_the_latest_status_is_that_of_each_node() -> None:
    fleet = Fleet({"A": 1}, {})

    async def documents() -> Any:
        return [{"epoch": 1, "view": {"charge_point_id": "B", "by": "node-2"}}]

    fleet.others[2] = documents
    fleet.ids += ["B", "C"]
    fleet.rest = {"C": view("C", "stored")}
    found = asyncio.run(fleet.lists.live_status(fleet.ask))
    assert [each["charge_point_id"] for each in found] == ["A", "B", "C"]
    assert [each.get("by") for each in found] == ["own", "node-2", None]
    assert found[2]["connected"] is False
