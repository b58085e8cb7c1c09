"""Configs of chargers that connect directly: every fault at once, and what they share."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.config import AgentConfig, DeviceConfig, OcppDevice, read_device
from chargepoint_driver.errors import ConfigurationError

GOOD = {"backend": "ocpp", "chargePointID": "CP1", "database": "ocpp.db"}


def device(**fields: Any) -> OcppDevice:
    found = read_device({**GOOD, **fields}, "x.config")
    assert isinstance(found, OcppDevice)
    return found


def test_the_backend_decides_what_a_device_is():
    assert isinstance(
        read_device({"stationID": "1:1", "username": "u", "password_env": "P"}), DeviceConfig
    )
    with pytest.raises(
        ConfigurationError, match="unknown backend 'occp'; write chargepoint, ocpp or fleet"
    ):
        read_device({**GOOD, "backend": "occp"})


@pytest.mark.parametrize("key", ["connectorId", "evseId"])
def test_a_connector_has_two_names(key):
    found = device(**{key: "2"})
    assert (found.stationID, found.portNumber, found.name) == ("CP1", 2, "CP1 connector 2")
    assert device(**{key: ""}).portNumber is None


def test_devices_of_one_database_share_their_central_system():
    assert device().key == device(chargePointID="CP2", listen="127.0.0.1:9001").key
    assert device().key != device(database="other.db").key
    behind = {"backend": "ocpp", "chargePointID": "CP1", "cache_agent": "platform.chargepoint"}
    assert read_device(behind).key == read_device({**behind, "connectorId": 3}).key


def test_every_fault_at_once_with_its_cure():
    with pytest.raises(ConfigurationError) as caught:
        device(
            databas="x",
            connectorID=1,
            listen="here",
            charge_points={"CP1": {"password_en": "SECRET"}},
            shed_duration=-1,
            account="chargers",
        )
    lines = str(caught.value).splitlines()
    assert all(line.startswith("x.config: ") for line in lines)
    for words in (
        "unknown key 'databas'; did you mean 'database'?",
        "unknown key 'connectorID'; did you mean 'connectorId'?",
        "unknown key 'charge_points.CP1.password_en'; did you mean 'password_env'?",
        "listen: must be address:port",
        "shed_duration:",
        "account: is of use with cache_agent only",
    ):
        assert any(words in line for line in lines), words
    assert "SECRET" not in str(caught.value)


def test_the_agent_s_keys_belong_to_the_agent():
    with pytest.raises(ConfigurationError) as caught:
        device(cache_agent="platform.chargepoint", listn="x")
    assert "database: is of use in the caching agent's account; move it there" in str(caught.value)
    assert "did you mean 'listen'" in str(caught.value)


def test_connector_and_evse_must_agree():
    with pytest.raises(ConfigurationError, match="differ"):
        device(connectorId=1, evseId=2)


def test_the_agent_holds_accounts_of_both_kinds():
    config, faults = AgentConfig.from_dict(
        {
            "accounts": {
                "web": {"username": "u", "password_env": "P"},
                "direct": {"backend": "ocpp", "database": "a.db"},
                "again": {"backend": "ocpp", "database": "a.db", "listen": "127.0.0.1:9001"},
                "wrong": {"backend": "ocpp", "databas": "b.db"},
                "none": {"backend": "x"},
            }
        }
    )
    assert list(config.accounts) == ["web", "direct"]
    text = "\n".join(faults)
    assert "accounts.again: is the same account as direct" in text
    assert "accounts.wrong: unknown key 'databas'; did you mean 'database'?" in text
    assert "accounts.none: backend: unknown backend 'x'" in text
