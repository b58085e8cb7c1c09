"""Commands with a config whose account nodes of a fleet hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chargepoint_driver.cli import main
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import ManualClock, Simulator
from tests.unit.fleet.plain_nodes import TOKEN, PlainFleet

PASSWORD = "secret"
STATION = "1:34001"
ROOT = Path(__file__).parents[4]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(clock=ManualClock(), password=PASSWORD) as made:
        yield made


@pytest.fixture
def fleet(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlainFleet]:
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    accounts = Accounts()
    garage = {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}
    assert accounts.configure({"accounts": {"garage": garage}}) == []
    made = PlainFleet(accounts, 1)
    yield made
    made.close()
    accounts.close()


@pytest.fixture
def access(fleet: PlainFleet) -> dict[str, Any]:
    given = {"nodes": fleet.urls, "token_env": "FLEET_TOKEN", "account": "garage"}
    return {"backend": "fleet", **given}


@pytest.fixture
def device(access, tmp_path: Path) -> str:
    path = tmp_path / "port.config"
    content = {
        "driver_config": {**access, "stationID": STATION, "portNumber": 1},
        "driver_type": "chargepoint",
        "registry_config": "config://port.csv",
        "publish_depth_first_all": True,
        "all_publish_interval": 60,
    }
    path.write_text(json.dumps(content))
    (tmp_path / "port.csv").write_text((ROOT / "registry_configs" / "port.csv").read_text())
    return str(path)


@pytest.fixture
def agent(access, tmp_path: Path) -> str:
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps({"accounts": {"garage": access}}))
    return str(path)


def run(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_read_check_and_diagnostics_take_the_device(device, fleet, tmp_path):
    assert json.loads(run("check", device, "--json"))["faults"] == []
    found = json.loads(run("read", device, "--json"))
    assert found["errors"] == {}
    assert found["values"]["portLoad"] > 0
    assert fleet.nodes[0].accounts.begun == ["read"]
    run("diagnostics", device, "--read", "--output", str(tmp_path / "out.zip"))
    assert fleet.nodes[0].accounts.begun == ["read", "read"]


def test_a_written_limit_ends_after_its_minutes(device, fleet, sim):
    words = ("write", "allowedLoad", "3", "--config", device, "--minutes", "30", "--yes", "--json")
    found = json.loads(run(*words))
    assert (found["after"]["allowedLoad"], found["after"]["shedState"]) == (3.0, 1)
    assert sim.calls.count("shedLoad") == 1
    (asked,) = [each for each in fleet.nodes[0].accounts.asked if "value" in each]
    # The fleet would renew it else.
    assert (asked["minutes"], asked["shed_duration"], asked["shed_on_write"]) == (30.0, 30, True)
    assert asked["writer"] == "cli"


def test_watch_and_sessions_and_discover_take_the_account(agent, tmp_path):
    board = json.loads(run("watch", "--once", "--config", agent, "--json"))
    assert {port["station_id"] for port in board["ports"]} >= {STATION}
    sessions = json.loads(run("sessions", "--config", agent, "--json"))
    assert {each["station"] for each in sessions} >= {STATION}
    folder = tmp_path / "site"
    run("discover", "--config", agent, "--write", str(folder))
    configs = sorted((folder / "driver_configs").glob("*.config"))
    assert run("check", *map(str, configs))
    made = json.loads(configs[0].read_text())["driver_config"]
    assert (made["backend"], made["account"], made["token_env"]) == (
        "fleet",
        "garage",
        "FLEET_TOKEN",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("sessions", "--transactions"),
        ("sessions", "--interval"),
        ("export", "--out", "never"),
    ],
)
def test_commands_that_need_the_account_itself_say_so(agent, words):
    output = run(*words, "--config", agent, code=2)
    assert "nodes of a fleet hold this account" in output


def test_the_page_does_not_start_without_what_it_shall_show(agent):
    output = run("web", "--config", agent, code=2)
    assert "accounts.garage: nodes of a fleet hold it, and the page shows accounts of" in output


def test_options_of_another_account_are_refused(agent):
    output = run("watch", "--once", "--config", agent, "--region", "eu", code=2)
    assert "leave --region out" in output
