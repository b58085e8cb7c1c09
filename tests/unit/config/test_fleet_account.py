"""Configs of accounts that nodes of a fleet hold."""

from __future__ import annotations

import pytest

from chargepoint_driver.config import AgentConfig, FleetDevice, read_device
from chargepoint_driver.errors import ConfigurationError

ACCESS = {
    "backend": "fleet",
    "nodes": ["https://node1:9100/", "http://127.0.0.1:9100"],
    "token_env": "TOKEN",
    "account": "campus",
}


def device(**fields):
    return read_device({**ACCESS, "stationID": "1:1", **fields})


def test_a_station_and_a_charger_are_devices_of_the_same_shape():
    station = device(portNumber="2", shed_duration=30, driver_type="chargepoint")
    assert isinstance(station, FleetDevice)
    assert (station.stationID, station.portNumber, station.name) == ("1:1", 2, "1:1 port 2")
    assert station.catalogue_name == "chargepoint"
    assert station.access.nodes == ("https://node1:9100", "http://127.0.0.1:9100")
    charger = device(
        stationID="", chargePointID="CP1", evseId=2, account_backend="ocpp", portNumber=""
    )
    assert (charger.stationID, charger.portNumber) == ("CP1", 2)
    assert (charger.catalogue_name, charger.name) == ("ocpp", "CP1 connector 2")
    group = device(stationID="", stationGroup=39491)
    assert (group.stationGroup, group.name) == ("39491", "station group 39491")


def test_devices_of_one_account_share_it_whatever_the_order_of_nodes():
    one = device()
    other = device(stationID="1:2", nodes=ACCESS["nodes"][::-1])
    assert one.key == other.key
    assert one.key != device(account="attic").key
    assert one.shared != device(timeout=5).shared
    assert "TOKEN" in str(one.shared)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": []}, "nodes: "),
        ({"nodes": ["node1:9100"]}, "must be the URL of a node, like https://node1:9100"),
        ({"nodes": ["http://node1:9100"]}, "others could read the token; write https://"),
        ({"nodes": ["https://u:p@node1:9100"]}, "must not contain a login; use token_env"),
        ({"nodes": ["https://node1:port"]}, "must be the URL of a node"),
        ({"token_file": "/x"}, "exactly one of token_env and token_file must be given"),
        ({"token_env": None}, "exactly one of token_env and token_file must be given"),
        ({"account": None}, "account: "),
        ({"chargePointID": "CP1"}, r"exactly one of stationID, .*\(found: stationID, chargeP"),
        ({"stationID": ""}, r"exactly one of stationID, .*\(found: none\)"),
        ({"portNumber": 1, "connectorId": 2}, "portNumber, connectorId and evseId differ"),
        ({"stationID": "", "stationGroup": "1", "portNumber": 1}, "a station group has no port"),
        ({"portNumber": True}, "portNumber: must be the number of a port"),
        ({"cache_agent": "x"}, "cache_agent: a device reaches the fleet itself or through"),
        ({"account_backend": "soap"}, "account_backend: "),
        ({"accounts": "x"}, "unknown key 'accounts'; did you mean 'account'?"),
        ({"username": "x"}, "unknown key 'username'"),
    ],
)
def test_faults_name_the_key_and_what_to_do(fields, words):
    with pytest.raises(ConfigurationError, match=f"driver_config: .*{words}"):
        device(**fields)


def test_the_account_must_be_named():
    with pytest.raises(ConfigurationError, match="'account' is missing; add it"):
        read_device({key: ACCESS[key] for key in ACCESS if key != "account"} | {"stationID": "1"})


def test_the_token_is_read_when_it_is_needed(monkeypatch, tmp_path):
    access = device().access
    assert "TOKEN" in str(access.missing_secret())
    monkeypatch.setenv("TOKEN", "abc")
    assert access.missing_secret() is None
    file = tmp_path / "token"
    file.write_text("first\nsecond\n")
    assert device(token_env=None, token_file=str(file)).access.read_token() == "first"


def test_the_agent_has_accounts_of_both_kinds():
    own = {"username": "u", "password_env": "P"}
    config, faults = AgentConfig.from_dict(
        {"accounts": {"own": own, "far": ACCESS, "twice": ACCESS, "bad": {**ACCESS, "nodes": 1}}}
    )
    assert list(config.accounts) == ["own"]
    assert list(config.fleet_accounts) == ["far"]
    assert len(faults) == 2
    assert "accounts.twice: is the same account as far" in faults[0]
    assert "accounts.bad: nodes: " in faults[1]
