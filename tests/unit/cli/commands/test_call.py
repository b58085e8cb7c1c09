"""`chargepoint-driver call`: a request of OCPP over the control API of a running central system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.cli import main
from chargepoint_driver.simulator.ocpp import Twins

TOKEN = "not-a-real-token"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CentralSystem]:
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", TOKEN)
    config = {"listen": "127.0.0.1:0", "database": tmp_path / "db", "configuration_delay_s": None}
    made = CentralSystem(OcppConfig.from_dict(config))
    made.start(control="127.0.0.1:0")
    monkeypatch.setenv("CHARGEPOINT_CONTROL_URL", str(made.control_url))
    yield made
    made.stop()


@pytest.fixture
def twins(system: CentralSystem) -> Iterator[Twins]:
    with Twins(system.ocpp_url, [{"id": "A/1"}], speed=1) as made:
        made.wait_connected()
        yield made


def run(*words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["call", *words], input=given)


def answer(*words: str, given: str | None = None) -> Any:
    result = run(*words, given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_request(twins: Twins) -> None:
    payload = '{"key": ["HeartbeatInterval"]}'
    found = answer("A/1", "GetConfiguration", payload)
    assert found["configurationKey"][0]["key"] == "HeartbeatInterval"
    assert answer("A/1", "GetConfiguration", "-", given=payload) == found
    assert answer("A/1", "ClearCache") == {"status": "Accepted"}
    assert answer("A/1", "ClearCache", "-", given="") == {"status": "Accepted"}


def test_an_operation(twins: Twins) -> None:
    found = answer("A/1", "get_settings", '{"keys": ["HeartbeatInterval"]}')
    assert list(found["settings"]) == ["HeartbeatInterval"]
    limit = answer("A/1", "limit", '{"allowed_load_kw": 3}')["limit"]
    assert limit["requested_kw"] == 3


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("A/1", "ClearCahce"), "[bad_value]"),
        (("A/1", "SetChargingProfile", "{}"), "[bad_value]"),
        (("A/1", "ClearCache", "[1]"), "must be a JSON object"),
        (("A/1", "ClearCache", "{"), "not JSON"),
        (("A/1", "limit", '{"odd": 1}'), "[bad_value] limit"),
        (("B", "ClearCache"), "[nothing_there]"),
    ],
)
def test_errors_are_those_of_the_tree(twins: Twins, words: tuple[str, ...], shown: str) -> None:
    result = run(*words)
    assert result.exit_code not in {0, 70}
    assert shown in result.output
    assert result.stdout == ""


def test_a_refusal(twins: Twins) -> None:
    twins.quirk("A/1", "refuses_actions", actions=["ClearCache"])
    result = run("A/1", "ClearCache")
    assert result.exit_code not in {0, 70}
    assert "[write_rejected] ClearCache: the charge point answered NotSupported" in result.output


def test_a_wrong_token_and_no_central_system(
    system: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "another")
    assert "[wrong_credentials]" in run("A", "ClearCache").output
    monkeypatch.delenv("CHARGEPOINT_CONTROL_TOKEN")
    assert "set the environment variable" in run("A", "ClearCache").output
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", TOKEN)
    result = run("A", "ClearCache", "--central-system", "http://127.0.0.1:9")
    assert "[try_later] no central system answers" in result.output
    monkeypatch.delenv("CHARGEPOINT_CONTROL_URL")
    assert run("A", "ClearCache").exit_code == 2
