"""Accounts of this process and of a fleet, side by side."""

from __future__ import annotations

import threading

import pytest

from chargepoint_driver.errors import ConfigurationError, InvalidValueError
from chargepoint_driver.fleet_client import ForwardingAccounts

from .conftest import PASSWORD

STATION = "1:34001"
LOAD = {"attribute": "portLoad", "station": STATION, "port": 1}
LIMIT = {"attribute": "allowedLoad", "station": STATION, "port": 1}


@pytest.fixture
def accounts():
    made = ForwardingAccounts()
    yield made
    made.close()


@pytest.fixture
def access(fleet, account):
    del account  # which sets the token
    given = {"nodes": fleet.urls, "token_env": "FLEET_TOKEN", "account": "garage"}
    return {"backend": "fleet", **given}


@pytest.fixture
def own(sim):
    return {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}


def test_whole_calls_are_forwarded(accounts, access, fleet):
    assert accounts.configure({"accounts": {"far": access}}) == []
    assert accounts.names == ("far",)
    # The only account needs no name.
    found = accounts.read({"a": LOAD, "b": {"attribute": "x", "station": STATION}})
    assert (list(found["values"]), list(found["errors"])) == (["a"], ["b"])
    assert accounts.write(LIMIT, 3.0, "far", shed_on_write=True, writer="w", minutes=30) == 3.0
    assert accounts.writes("far")[0]["writer"] == "w"
    assert accounts.revert(LIMIT, "far", writer="w") is True
    assert accounts.release(LIMIT, "far") is False
    assert {each["station"] for each in accounts.stations("far")} >= {STATION}
    assert accounts.sessions(STATION, "2020-01-01", account="far")
    assert accounts.stats()["far"]["total"] > 0
    assert accounts.health() == {"good": True, "faults": [], "accounts": {"far": {}}}
    assert accounts.tables().keys() == {"far"}
    with pytest.raises(InvalidValueError, match="connect directly"):
        accounts.command("reset", STATION, None, "Soft", "far")
    with pytest.raises(InvalidValueError, match="ask a node of the fleet"):
        accounts.service_of("far")
    event = accounts.create_load_shed_event(
        "2030-01-01T00:00:00Z", 30, STATION, allowed_load_per_port=3.0, account="far"
    )
    accounts.remove_load_shed_event(event, "far")


def test_accounts_of_both_kinds_are_found_by_name(accounts, access, own, fleet):
    assert accounts.configure({"accounts": {"near": own, "far": access}}) == []
    assert accounts.names == ("near", "far")
    accounts.read({"a": LOAD}, "near")
    assert fleet.nodes[0].accounts.begun == []
    accounts.read({"a": LOAD}, "far")
    assert fleet.nodes[0].accounts.begun == ["read"]
    with pytest.raises(ConfigurationError, match=r"no account is named.*near, far"):
        accounts.read({"a": LOAD})
    assert accounts.stats().keys() == {"near", "far"}
    assert accounts.service_of("near") is not None


def test_a_fleet_that_is_away_is_an_error_of_each_point_and_of_health(accounts, access, fleet):
    accounts.configure({"accounts": {"far": access}})
    fleet.kill(0)
    fleet.kill(1)
    found = accounts.read({"a": LOAD}, "far")
    assert (found["values"], found["errors"]["a"]["code"]) == ({}, "try_later")
    health = accounts.health()
    assert (health["good"], health["accounts"]["far"]["fleet"]["code"]) == (False, "try_later")
    assert accounts.stats()["far"]["error"]["code"] == "try_later"


def test_an_account_that_is_configured_again_goes_on_or_ends(accounts, access, monkeypatch):
    accounts.configure({"accounts": {"far": access}})
    before = accounts.fleet_account("far")
    accounts.configure({"accounts": {"far": access}})
    assert accounts.fleet_account("far") is before
    accounts.configure({"accounts": {"far": {**access, "timeout": 5}}})
    assert accounts.fleet_account("far") is not before
    monkeypatch.delenv("FLEET_TOKEN")
    (fault,) = accounts.configure({"accounts": {"far": access}})
    assert fault.startswith("config: accounts.far: token_env: the environment variable")
    accounts.configure({"accounts": {}})
    assert accounts.names == ()


def test_news_of_stations_are_passed_on_under_the_agents_name(accounts, access, fleet):
    seen = []
    came = threading.Condition()

    def changed(name, stations):
        with came:
            seen.append((name, stations))
            came.notify_all()

    accounts.follow_changes(changed)
    accounts.configure({"accounts": {"far": access}})
    with came:
        # At the start any station may have news.
        assert came.wait_for(lambda: ("far", None) in seen, 20)
        for _ in range(20):
            # The first ones may fall together with the news of who holds the account.
            fleet.nodes[0].accounts.followers[0]("garage", [STATION])
            if came.wait_for(lambda: ("far", [STATION]) in seen, 1):
                break
        assert ("far", [STATION]) in seen
