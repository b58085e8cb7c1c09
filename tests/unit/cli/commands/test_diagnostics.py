"""The bundle that is handed on: what is in it, and that no secret is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.cli.support.redact import REMOVED, plain, scrub, secrets_of
from chargepoint_driver.simulator import ManualClock, Simulator

SECRET = "s3cr3t-<&>\"'é phrase"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(password=SECRET, clock=ManualClock()) as simulator:
        yield simulator


def texts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


@pytest.fixture
def bundle(tmp_path: Path, run: Any) -> Any:
    def bundle(*arguments: object) -> dict[str, str]:
        path = tmp_path / "bundle.zip"
        result = run("diagnostics", *arguments, "--output", path)
        assert result.exit_code == 0, result.output
        assert SECRET not in result.output
        return texts(path)

    return bundle


def test_what_is_in_it(bundle, device, registry, sim, tmp_path) -> None:
    registry(
        "load,portLoad,LoadRegister,1,float,kW,,FALSE,,,", "odd,userID,ChargingSessionRegister,2"
    )
    config = device(
        username=sim.username, password=SECRET, endpoint=sim.soap_url, stationID="1:34001"
    )
    log = tmp_path / "volttron.log"
    log.write_text(
        "INFO all well\n"
        f"ERROR no luck with password={SECRET} at https://me:{SECRET}@host/\n"
        'ERROR <wsse:Password Type=\'x\'>another-one</wsse:Password> "password": "third one"\n',
        encoding="utf-8",
    )
    found = bundle(config, "--log", log, "--read")
    assert set(found) == {
        "README.txt",
        "versions.json",
        "configs/1-station.config",
        "faults/1-station.config.json",
        "points/1-station.config.json",
        "reading/1-station.config.json",
        "logs/1-volttron.log.txt",
    }
    assert all(name in found["README.txt"] for name in found if name != "README.txt")
    assert "requests" in json.loads(found["versions.json"])["packages"]
    kept = json.loads(found["configs/1-station.config"])["driver_config"]
    assert kept["password"] == REMOVED
    assert kept["username"] == sim.username
    points = json.loads(found["points/1-station.config.json"])
    assert points["load"]["call"] == "getLoad"
    reading = json.loads(found["reading/1-station.config.json"])
    assert "load" in reading["read"]
    assert "odd" in reading["read"]
    assert reading["stats"]["total"] >= 2
    log_text = found["logs/1-volttron.log.txt"]
    assert "no luck" in log_text
    assert "all well" not in log_text
    everything = "\n".join(found.values())
    for secret in (SECRET, "s3cr3t", "another-one", "third one"):
        assert secret not in everything
    # A value may be personal.
    user = sim.world.stations[0].ports[0].session.visit.driver.user_id
    assert f'"{user}"' not in everything


def test_reading_that_fails_is_told(bundle, device, registry, sim) -> None:
    registry("load,portLoad,LoadRegister,1,float,kW,,FALSE,,,")
    config = device(
        username=sim.username, password="not-the-one", endpoint=sim.soap_url, stationID="1:34001"
    )
    reading = json.loads(bundle(config, "--read")["reading/1-station.config.json"])
    assert reading["errors"]["load"]["code"] == "wrong_credentials"


def test_configs_that_are_wrong_are_no_obstacle(bundle, device, tmp_path) -> None:
    broken = tmp_path / "broken.config"
    broken.write_text(f'{{"password": "{SECRET}"', encoding="utf-8")
    agent = tmp_path / "agent.json"
    agent.write_text(
        json.dumps({"accounts": {"garage": {"username": "u", "password": SECRET, "regoin": "eu"}}})
    )
    found = bundle(broken, device(region="mars", password=SECRET), agent, tmp_path / "missing")
    assert "not JSON" in found["configs/1-broken.config.txt"]
    assert "region" in found["faults/2-station.config.json"]
    assert "regoin" in found["faults/3-agent.json.json"]
    assert "FileNotFoundError" in found["configs/4-missing.txt"]
    assert "s3cr3t" not in "".join(found.values())


def test_secrets_that_a_config_only_names(bundle, device, tmp_path, monkeypatch) -> None:
    file = tmp_path / "password"
    file.write_text("from-the-file\n")
    monkeypatch.setenv("CP_TEST_PASSWORD", "from-the-environment")
    log = tmp_path / "x.log"
    log.write_text("ERROR from-the-file\nERROR from-the-environment\n")
    found = bundle(
        device("a.config", password=None, password_env="CP_TEST_PASSWORD"),
        device("b.config", password=None, password_file=str(file)),
        *("--log", log),
    )
    everything = "".join(found.values())
    assert "CP_TEST_PASSWORD" in everything
    assert str(file) in everything
    assert "from-the" not in everything
    assert found["logs/1-x.log.txt"] == f"ERROR {REMOVED}\n" * 2


def test_a_place_that_cannot_be_written(run, tmp_path) -> None:
    result = run("diagnostics", "--output", tmp_path / "no" / "bundle.zip")
    assert result.exit_code == 2
    assert "--output: " in result.output


KEYS = st.sampled_from(["password", "Password", "control_token", "secret", "credentials"])


@given(KEYS, st.text(min_size=8, max_size=20))
def test_no_form_of_a_secret_is_left(key: str, secret: str) -> None:
    content = {"a": [{key: secret}]}
    assert secrets_of(content) == {secret}
    assert secret not in json.dumps(plain(content), ensure_ascii=False)
    written = f"x {secret} {json.dumps(secret)} {secret!r} y"
    left = scrub(written, {secret})
    assert secret not in left.replace(REMOVED, "")
    assert json.dumps(secret)[1:-1] not in left.replace(REMOVED, "")


def test_what_is_no_secret_stays() -> None:
    text = "getLoad (account fleet, region na): no connection; correct password_env, then retry"
    assert scrub(text, {"hunter2hunter2"}) == text
    assert plain({"password_env": "X", "stationID": "1:1"}) == {
        "password_env": "X",
        "stationID": "1:1",
    }
