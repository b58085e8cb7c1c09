"""Driver configs: what they may say, and every fault at once without a secret."""

from __future__ import annotations

import pytest

from chargepoint_driver.config import (
    HOST_KEYS,
    AccountConfig,
    AgentConfig,
    DeviceConfig,
    read_device,
)
from chargepoint_driver.errors import ConfigurationError

GOOD = {"username": "u", "password": "s3cr3t", "stationID": "1:34003"}


def device(**fields):
    return DeviceConfig.from_dict({**GOOD, **fields}, "device.config")


def fault(**fields):
    with pytest.raises(ConfigurationError) as caught:
        device(**fields)
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


def test_what_need_not_be_said():
    config = device()
    assert (config.region, config.api_version, config.timeout) == ("na", "5.0", 20.0)
    assert (config.portNumber, config.cacheExpiration, config.shed_on_write) == (None, None, False)
    assert config.account.url == (
        "https://webservices.chargepoint.com/webservices/chargepoint/services/5.0"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("na", "webservices.chargepoint.com"),
        ("eu", "webservices-eu.chargepoint.com"),
        ("ca", "webservices-ca.chargepoint.com"),
        ("fd", "webservices.fd.chargepoint.com"),
    ],
)
def test_regions(region, host):
    account = device(region=region, api_version="5.1").account
    assert account.url == f"https://{host}/webservices/chargepoint/services/5.1"
    assert account.place == f"region {region}"


def test_an_endpoint_counts_more_than_a_region():
    account = device(endpoint="http://127.0.0.1:8080/x", region="eu").account
    assert account.url == "http://127.0.0.1:8080/x"
    assert account.place == "endpoint 127.0.0.1:8080"


def test_the_same_account_whatever_the_station():
    key = device().key
    assert device(stationID="1:2", portNumber=2).key == key
    for other in ({"username": "v"}, {"region": "eu"}, {"api_version": "5.1"}):
        assert device(**other).key != key


@pytest.mark.parametrize("key", sorted(HOST_KEYS))
def test_keys_of_the_host_are_none_of_ours(key):
    assert device(**{key: "x"}) == device()


@pytest.mark.parametrize(("given", "port"), [("", None), (None, None), ("2", 2), (2, 2)])
def test_port_numbers(given, port):
    assert device(portNumber=given).portNumber == port


def test_blanks_around_names_are_taken_off():
    assert device(username=" u ", stationID=" 1:34003\n") == device()


BAD = [
    ({"portNumber": 0}, "portNumber: "),
    ({"portNumber": 1.5}, "portNumber: "),
    ({"portNumber": True}, "portNumber: must be the number of a port"),
    ({"portNumber": "two"}, "portNumber: "),
    ({"cacheExpiration": -1}, "cacheExpiration: "),
    ({"cacheExpiration": "x"}, "cacheExpiration: "),
    ({"timeout": 0}, "timeout: "),
    ({"timeout": 301}, "timeout: "),
    ({"timeout": float("nan")}, "timeout: "),
    ({"region": "us"}, "region: "),
    ({"api_version": "4.1"}, "api_version: "),
    ({"shed_duration": -1}, "shed_duration: "),
    ({"endpoint": "webservices.chargepoint.com"}, "endpoint: endpoint must be a full URL"),
    ({"endpoint": "ftp://host/"}, "endpoint: "),
    ({"endpoint": "http://["}, "endpoint: "),
    ({"endpoint": "http://host:99999/"}, "endpoint: invalid port number"),
    ({"endpoint": "https://me:s3cr3t@host/"}, "endpoint must not hold credentials"),
    ({"username": ""}, "username"),
    ({"username": " "}, "username: must be printable text"),
    ({"username": "a\x00"}, "username: must be printable text"),
    ({"stationID": ""}, "stationID: "),
    ({"stationID": "1:\x01"}, "stationID: must be printable text"),
    ({"stationID": 34003}, "stationID: "),
    ({"password": ""}, "password: is empty"),
    ({"password": None}, "exactly one of password, password_env, password_file"),
    ({"password_env": "X"}, "(found: password, password_env)"),
    ({"station": "1:2"}, "unknown key 'station'; did you mean 'stationID'?"),
    ({"zzz": 1}, "unknown key 'zzz'; remove it"),
]


@pytest.mark.parametrize(("fields", "words"), BAD, ids=str)
def test_a_faulty_key(fields, words):
    text = fault(**fields)
    assert words in text
    assert text.startswith("device.config: ")


def test_all_faults_come_at_once():
    with pytest.raises(ConfigurationError) as caught:
        DeviceConfig.from_dict(
            {"portNumber": 0, "timeout": -1, "pasword": "s3cr3t", 5: "x"}, "device.config"
        )
    text = str(caught.value)
    for key in ("portNumber", "timeout", "stationID", "username", "pasword", "exactly one of", "5"):
        assert key in text
    assert "s3cr3t" not in text
    assert isinstance(caught.value, ValueError)


def test_a_missing_key_says_so():
    with pytest.raises(ConfigurationError, match="'stationID' is missing; add it"):
        DeviceConfig.from_dict({"username": "u", "password": "p"})


def test_secrets_are_never_shown():
    for config in (device(), AccountConfig(username="u", password="s3cr3t")):
        assert (
            "s3cr3t" not in f"{config} {config!r} {config.model_dump()} {config.model_dump_json()}"
        )
        assert config.password.get_secret_value() == "s3cr3t"


@pytest.mark.parametrize("given", [9464, 0, "127.0.0.1:9464", "[::1]:0", None])
def test_a_port_for_metrics(given):
    fields = {"username": "u", "password": "p", "stationID": "1:1", "metrics_port": given}
    assert read_device(fields).metrics_port == given
    config, faults = AgentConfig.from_dict(
        {"accounts": {"a": {"username": "u", "password": "p"}}, "metrics_port": given}
    )
    assert (config.metrics_port, faults) == (given, [])


@pytest.mark.parametrize("given", [-1, 70_000, "9464", "host:9464", "0.0.0.0:x"])
def test_what_is_no_port_for_metrics(given):
    fields = {"username": "u", "password": "p", "stationID": "1:1", "metrics_port": given}
    with pytest.raises(ConfigurationError, match="metrics_port"):
        read_device(fields)
    account = {"username": "u", "password": "p"}
    config, faults = AgentConfig.from_dict({"accounts": {"a": account}, "metrics_port": given})
    assert config.metrics_port is None
    assert "metrics_port" in faults[0]
    # The accounts work all the same.
    assert list(config.accounts) == ["a"]
