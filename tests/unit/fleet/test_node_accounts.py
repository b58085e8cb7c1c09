"""Accounts of nodes: one holder at a time, which alone calls and commands."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import time

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
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


def test_a_failover_costs_no_read(start_node, sim) -> None:
    """What every call reads, also of stations that have nothing."""
    registers = {
        "stationModel": "StationRegister",
        "Status": "StationStatusRegister",
        "portLoad": "LoadRegister",
        "alarmType": "AlarmRegister",
        "sessionID": "ChargingSessionRegister",
        "stationRightsProfile": "StationRightsRegister",
    }
    points = {
        f"{name} {station}": {
            "attribute": name, "register": register, "station": station, "currency": 3_600,
            "port": None if name in ("stationModel", "stationRightsProfile") else 1,
        }
        for name, register in registers.items()
        for station in ("1:34001", "1:34002", "1:34003", "1:34004")
    }  # fmt: skip
    one = start_node("node-1")
    holding(one)
    before = one.ask("read", points=points)
    assert not before["errors"]
    calls = sim.calls.total
    two = start_node("node-2")
    one.stop()
    holding(two)
    after = two.ask("read", points=points)
    assert after["values"] == before["values"]
    assert all(after["ages_s"][each] > before["ages_s"][each] for each in points)
    assert sim.calls.total == calls


def test_a_report_from_before_a_shed_is_not_current_after_a_failover(start_node, sim) -> None:
    one = start_node("node-1")
    holding(one)
    assert one.read("portLoad", currency=3_600)[0] > 3.0
    one.write("allowedLoad", 3.0, shed_on_write=True)
    one.read("portLoad", currency=0)
    two = start_node("node-2")
    one.stop()
    stopped_s = time.monotonic()
    holding(two)
    _, age_s = two.read("portLoad", currency=3_600)
    assert age_s < time.monotonic() - stopped_s


def test_without_postgres_no_shed_is_sent_and_nothing_is_called(start_node, sim, postgres) -> None:
    node = start_node("node-1")
    holding(node)
    node.read("portLoad")
    postgres.stop()
    try:
        with pytest.raises(TransientError) as refused:
            node.write("allowedLoad", 3.0, shed_on_write=True)
        assert not isinstance(refused.value, OutcomeUnknownError)
        assert sim.calls.count("shedLoad") == 0
        # Once the lease has ended, nobody is asked for anything.
        eventually(lambda: ACCOUNT not in node.accounts._held)
        calls = sim.calls.total
        with pytest.raises(NotHolderError):
            node.read("portLoad", currency=0)
        assert sim.calls.total == calls
    finally:
        postgres.start()
    holding(node)
    assert node.write("allowedLoad", 3.0, shed_on_write=True) == 3.0
    assert sim.calls.count("shedLoad") == 1


def test_a_drained_node_gives_its_accounts_up(start_node, postgres, records) -> None:
    one = start_node("node-1")
    holding(one)
    two = start_node("node-2")
    postgres.rows("UPDATE nodes SET draining = true WHERE id = 'node-1'", database=records)
    assert holding(two)
    assert eventually(two.holder).node == "node-2"
    assert not one.accounts._held


def test_followers_hear_of_readings_that_differ_and_of_sheds(start_node, sim) -> None:
    node = start_node("node-1")
    holding(node)
    news: list[list[str]] = []
    end = node.accounts.follow(lambda _, stations: news.append(stations))
    node.read("portLoad")
    eventually(lambda: ["1:34001"] in news)
    news.clear()
    node.write("allowedLoad", 3.0, shed_on_write=True)
    eventually(lambda: ["1:34001"] in news)
    end()
    news.clear()
    node.read("portLoad", currency=0)
    assert news == []


def test_an_account_that_differs_between_nodes_stays_with_its_holder(
    start_node, account, caplog
) -> None:
    one = start_node("node-1")
    holding(one)
    two = start_node("node-2", main={**account, "username": "somebody else"})
    eventually(lambda: "another endpoint or user name" in caplog.text)
    assert eventually(two.holder).node == "node-1"


def test_an_alert_is_in_the_tables_until_it_is_over(start_node, postgres, records) -> None:
    node = start_node("node-1")
    held = holding(node).accounts._held[ACCOUNT].account.service.control.alerts
    held.raise_(Target("1:34001"), "it is so")

    def found() -> list[tuple[str, str]]:
        return postgres.rows("SELECT about, what FROM account_alerts", database=records)

    eventually(lambda: found() == [("1:34001", "it is so")])
    held.resolved(Target("1:34001"))
    eventually(lambda: found() == [])


def test_a_group_stays_held_to_its_total_after_a_failover(start_node, sim) -> None:
    one = start_node("node-1")
    holding(one)
    group = str(sim.world.groups[0].group_id)
    point = {"attribute": "allowedLoad", "group": group}
    one.ask("write", point=point, value=20.0, shed_on_write=True)
    sent, calls = sim.calls.count("shedLoad"), sim.calls.count("getStations")
    two = start_node("node-2")
    one.stop()
    holding(two)
    points = {"kw": point, "status": {"attribute": "shedStatus", "group": group}}
    answer = two.ask("read", points=points)
    assert not answer["errors"]
    assert answer["values"]["kw"] == 20.0
    assert answer["values"]["status"] in ("adopted", "in force", "pending")
    # The members are known from before.
    assert sim.calls.count("getStations") == calls
    assert sim.calls.count("shedLoad") == sent
    assert two.ask("revert", point=point)
    assert sim.calls.count("clearShedState") > 0
