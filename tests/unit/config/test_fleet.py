"""The config of a node: every fault at once, and no password in the address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chargepoint_driver.config.fleet import read_node_config
from chargepoint_driver.errors import ConfigurationError

GOOD = {
    "node": "node-1",
    "postgres": {"dsn": "postgresql://chargepoint@db1,db2/chargepoint?sslmode=verify-full"},
    "central_system": {"listen": "127.0.0.1:0", "database": "node-1.db"},
}


@pytest.fixture
def read(tmp_path: Path):
    def read(**changes):
        path = tmp_path / "fleet.json"
        path.write_text(json.dumps({**GOOD, **changes}))
        return read_node_config(path)

    return read


def test_a_config(read) -> None:
    config = read()
    assert (config.node, config.lease_s, config.control) == ("node-1", 4.0, None)
    assert config.postgres.read_password() is None


def test_a_file_that_is_not_there_is_a_sentence(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_node_config(tmp_path / "none.json")


def test_every_fault_is_named(read) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(
            node="",
            postgres={"dsn": "mysql://x", "pasword_env": "X"},
            central_system={"listen": "nowhere", "databse": "x"},
            control="5",
            lease_s=0.1,
        )
    text = str(caught.value)
    for part in (
        "node:",
        "postgres.dsn: must begin with postgresql://",
        "did you mean 'password_env'",
        "central_system: listen",
        "did you mean 'database'",
        "control:",
        "lease_s:",
    ):
        assert part in text, text


def test_the_address_has_no_password(read) -> None:
    with pytest.raises(ConfigurationError, match="password_env") as caught:
        read(postgres={"dsn": "postgresql://chargepoint:secret@db/chargepoint"})
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="password_env") as caught:
        read(postgres={"dsn": "postgresql://chargepoint@db/chargepoint?password=secret"})
    assert "secret" not in str(caught.value)


def test_the_password_is_read_when_it_is_used(read, monkeypatch, tmp_path) -> None:
    config = read(postgres={**GOOD["postgres"], "password_env": "FLEET_PASSWORD"})
    monkeypatch.delenv("FLEET_PASSWORD", raising=False)
    with pytest.raises(ConfigurationError, match="FLEET_PASSWORD"):
        config.postgres.read_password()
    monkeypatch.setenv("FLEET_PASSWORD", "x")
    assert config.postgres.read_password() == "x"
    with pytest.raises(ConfigurationError, match="not both"):
        read(postgres={**GOOD["postgres"], "password_env": "X", "password_file": "y"})


def test_a_node_deletes_no_transactions(read) -> None:
    with pytest.raises(ConfigurationError, match="transactions_days"):
        read(central_system={**GOOD["central_system"], "retention": {"transactions_days": 5}})


@pytest.mark.parametrize(
    "nats",
    [
        {"servers": ["nats://127.0.0.1:4222", "nats://localhost:4222", "nats://[::1]:4222"]},
        {"servers": ["tls://nats1:4222"], "tls": True, "token_env": "TOKEN"},
        {"servers": ["tls://nats1:4222"], "tls": True, "username": "a", "password_env": "P"},
        {"servers": ["tls://nats1:4222"], "tls": True, "certificate": "a.pem", "key": "a.key"},
    ],
)
def test_nats_between_nodes(read, nats) -> None:
    assert read(nats=nats).nats.servers == tuple(nats["servers"])


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"tls": True},
        {"token_env": "TOKEN"},
        {"username": "a", "password_env": "P"},
    ],
)
@pytest.mark.parametrize("server", ["nats://10.1.2.3:4222", "nats://nats1:4222"])
def test_nats_beyond_loopback_needs_tls_and_a_login(read, server, login) -> None:
    with pytest.raises(ConfigurationError, match="could command chargers; set tls true"):
        read(nats={"servers": ["nats://127.0.0.1:4222", server], **login})


def test_a_misspelt_key_of_nats_is_named(read) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'token_file'"):
        read(nats={"servers": ["nats://127.0.0.1:4222"], "token_fil": "x"})
