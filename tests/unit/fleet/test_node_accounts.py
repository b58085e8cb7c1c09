"""Accounts of nodes: one holder at a time, which alone calls and commands."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import pytest

from chargepoint_driver.errors import InvalidValueError, NotFoundError
from chargepoint_driver.simulator.ocpp import Twins
from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.fleet.interface import NotHolderError

from .conftest import ACCOUNT, eventually


def holding(*nodes):
    """Return the node that holds the account."""
    return eventually(
        lambda: next((each for each in nodes if ACCOUNT in each.accounts._held), None)
    )


def test_one_node_holds_an_account_and_answers(start_node, sim) -> None:
    one = start_node("node-1")
    holding(one)
    two = start_node("node-2")
    kw, _ = one.read("portLoad")
    assert kw > 0
    assert eventually(two.holder) == one.holder()
    with pytest.raises(NotHolderError) as refused:
        two.read("portLoad")
    assert refused.value.holder.node == "node-1"
    assert sim.calls.count("getLoad") == 1
    assert {each["station"] for each in one.ask("stations")} >= {"1:34001", "1:34004"}
    with pytest.raises(InvalidValueError, match="missing a required"):
        one.ask("read", spots={})
    with pytest.raises(NotFoundError, match="no method"):
        one.ask("close")
    with pytest.raises(NotFoundError, match="no account"):
        one.ask("read", account="other", points={})


def test_a_shed_goes_on_where_a_node_gives_the_account_up(start_node, sim) -> None:
    one = start_node("node-1")
    holding(one)
    two = start_node("node-2")
    assert one.write("allowedLoad", 3.0, shed_on_write=True, writer="agent") == 3.0
    one.stop()
    holding(two)
    assert two.read("allowedLoad")[0] == 3.0
    status, _ = two.read("shedStatus")
    assert status in ("adopted", "in force")
    assert [each["writer"] for each in two.ask("writes")] == ["agent"]
    assert sim.calls.count("shedLoad") == 1
    assert two.ask("revert", point={"attribute": "allowedLoad", "station": "1:34001", "port": 1})


def test_the_chargers_of_all_nodes_are_an_account(start_node) -> None:
    node = start_node("node-1")
    assert node.accounts.backends == {ACCOUNT: "chargepoint", "chargers": "ocpp"}
    eventually(lambda: "chargers" in node.accounts._held)
    news: list[tuple[str, list[str]]] = []
    end = node.accounts.follow(lambda account, stations: news.append((account, stations)))
    with Twins(node.system.ocpp_url, [{"id": "T1"}], speed=1):
        eventually(lambda: ("chargers", ["T1"]) in news)
        assert [each["station"] for each in node.ask("stations", account="chargers")] == ["T1"]
        point = {"attribute": "allowedLoad", "station": "T1", "port": 1}
        written = node.ask("write", account="chargers", point=point, value=3, shed_on_write=True)
        assert written == 3.0
        assert node.ask("revert", account="chargers", point=point)
    end()
