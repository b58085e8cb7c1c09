"""An account of a fleet over real sockets, as the account itself answers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidReplyError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)

STATION = "1:34001"
LOAD = {"attribute": "portLoad", "station": STATION, "port": 1}
LIMIT = {"attribute": "allowedLoad", "station": STATION, "port": 1}


def test_a_reading_is_that_of_the_account(fleet, account):
    points = {"a": LOAD, "b": {"attribute": "noSuch", "station": STATION}}
    found = account.read(points)
    wanted = fleet.accounts.read(points, "garage")
    assert found["values"] == wanted["values"]
    assert list(found["values"]) == ["a"]
    assert found["errors"] == wanted["errors"]
    assert found["ages_s"]["a"] >= 0


def test_a_node_that_does_not_hold_the_account_asks_the_holder(fleet, connect):
    other = connect(nodes=[fleet.nodes[1].url])
    assert other.read({"a": LOAD})["values"].keys() == {"a"}
    assert other.write(LIMIT, 3.0, shed_on_write=True) == 3.0
    assert fleet.nodes[1].accounts.begun == []
    assert fleet.nodes[0].accounts.begun == ["read", "write"]


def test_200_reads_on_5_clients_of_a_stale_value_make_one_call(fleet, sim, connect):
    clients = [connect(nodes=[fleet.urls[each % 2]]) for each in range(5)]
    start = threading.Barrier(40)

    def read(number):
        start.wait(10)
        return {clients[number % 5].read({"a": LOAD})["values"]["a"] for _ in range(5)}

    with ThreadPoolExecutor(40) as pool:
        values = set().union(*pool.map(read, range(40)))
    assert len(values) == 1
    assert sim.calls.count("getLoad") == 1


def test_writes_and_what_follows_are_those_of_the_account(fleet, account, sim):
    assert account.write(LIMIT, 3.0, shed_on_write=True, writer="test") == 3.0
    assert sim.calls.count("shedLoad") == 1
    assert account.writes()[0]["writer"] == "test"
    assert account.revert(LIMIT) is True
    assert sim.calls.count("clearShedState") == 1
    assert account.release(LIMIT) is False
    assert {each["station"] for each in account.stations()} >= {STATION}
    assert account.sessions(STATION, "2020-01-01") == fleet.accounts.sessions(
        STATION, "2020-01-01", account="garage"
    )
    assert account.stats()["total"] > 0
    assert account.health() == {}


def test_warnings_of_a_write_come_back(account):
    warnings = []
    assert account.write(LIMIT, 0.0, shed_on_write=True, warnings=warnings) == 0.0
    assert "stops charging" in warnings[0]


def test_an_error_of_the_account_is_the_same_error_and_ends_it(fleet, account):
    with pytest.raises(InvalidValueError) as found:
        account.write(LIMIT, -1)
    with pytest.raises(InvalidValueError) as wanted:
        fleet.accounts.write(LIMIT, -1, "garage")
    assert str(found.value) == str(wanted.value)
    assert fleet.nodes[1].requests == []


def test_an_error_of_a_charger_account_only_is_said(account):
    with pytest.raises(InvalidValueError, match="connect directly"):
        account.command("reset", STATION, None, "Soft")
    with pytest.raises(InvalidValueError, match="connect directly"):
        account.call(STATION, "Reset", {"type": "Soft"})
    with pytest.raises(InvalidValueError, match="connect directly"):
        account.operate("trigger", STATION, {"message": "BootNotification"})
    with pytest.raises(InvalidValueError, match="connect directly"):
        account.stored_messages(STATION)


def test_arguments_that_json_cannot_carry_are_refused_here(fleet, account):
    with pytest.raises(InvalidValueError, match="nothing was sent"):
        account.write(LIMIT, float("nan"))
    assert fleet.nodes[0].requests == []


def test_the_kind_of_account_is_checked(connect):
    with pytest.raises(ConfigurationError, match="account_backend: garage of the fleet is of"):
        connect(account_backend="ocpp").read({"a": LOAD})


def test_an_account_that_the_fleet_does_not_have(connect):
    with pytest.raises(NotFoundError, match="no account 'attic'; this node knows garage"):
        connect(account="attic").stations()


def test_a_wrong_token_is_said(monkeypatch, account):
    monkeypatch.setenv("FLEET_TOKEN", "w" * 16)
    with pytest.raises(PermissionDeniedError, match="token_env or token_file"):
        account.write(LIMIT, 3.0)
    monkeypatch.delenv("FLEET_TOKEN")
    with pytest.raises(ConfigurationError, match="FLEET_TOKEN"):
        account.stations()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"values": {}},
        {"values": {"x": 1}, "errors": {}, "ages_s": {}},
        {"values": {"a": 1}, "errors": {"a": {"code": "error"}}, "ages_s": {}},
        {"values": {}, "errors": {"a": "text"}, "ages_s": {}},
        {"values": {"a": 1}, "errors": {}, "ages_s": {"a": "old"}},
    ],
)
def test_an_answer_that_is_no_reading_is_an_error(fleet, account, monkeypatch, answer):
    monkeypatch.setattr(fleet.accounts, "read", lambda *_, **__: answer)
    with pytest.raises(InvalidReplyError, match="not a reading"):
        account.read({"a": LOAD})


def test_a_large_answer_and_a_large_question_pass_between_nodes(fleet, connect, monkeypatch):
    rows = [{"station": f"1:{number}", "values": {"x": "y" * 100}} for number in range(20_000)]
    monkeypatch.setattr(fleet.accounts, "stations", lambda account: rows)
    other = connect(nodes=[fleet.nodes[1].url])
    assert other.stations() == rows
    points = {f"p{number}": LOAD for number in range(5_000)}
    assert other.read(points)["values"].keys() == points.keys()
