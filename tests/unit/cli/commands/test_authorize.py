"""`authorize`, and what `check` and `diagnostics` say of a platform where everybody may write."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.adapters.authorization import (
    AGENT,
    AGENT_WRITES,
    DRIVER,
    DRIVER_WRITES,
    SET_TOPIC,
    rules_of,
)
from chargepoint_driver.cli.support.exit_codes import exit_code
from chargepoint_driver.errors import TransientError

CLOSED: dict[str, Any] = {
    "protected_topics": ["/devices/actuators.*/"],
    "agents": {
        AGENT: {"protected_rpcs": list(AGENT_WRITES)},
        DRIVER: {"protected_rpcs": list(DRIVER_WRITES)},
    },
}


def home_with(folder: Path, rules: Any) -> Path:
    (folder / "authz.json").write_text(rules if isinstance(rules, str) else json.dumps(rules))
    return folder


@pytest.mark.parametrize("role", ["driver", "demand-response", "viewer"])
def test_a_dry_run_needs_no_platform_and_closes_everything(run, role: str, tmp_path: Path) -> None:
    options = ["--role", role, "--dry-run", "--volttron-home", tmp_path / "nothing"]
    options += [] if role == "driver" else ["--identity", "some.agent"]
    done = run("authorize", *options)
    assert done.exit_code == 0, done.output
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all(line[:3] == ["vctl", "authz", "add"] for line in lines)
    assert ["vctl", "authz", "add", "topics", "/devices/actuators.*/"] in lines
    for identity, methods in ((AGENT, AGENT_WRITES), (DRIVER, DRIVER_WRITES)):
        assert ["vctl", "authz", "add", "agent", identity, "--protected-rpcs", *methods] in lines
    # The driver may go on before anything is closed to it.
    assert lines[0][4:6] == [DRIVER, "--rpc-capabilities"]
    given = [line for line in lines if line[4] == "some.agent"]
    assert len(given) == (role == "demand-response")
    assert "nothing was changed" in done.stderr


def test_demand_response_gets_limits_and_no_commands() -> None:
    (rule,) = (r for r in rules_of("demand-response", "dr") if r.identity == "dr")
    assert {f"{DRIVER}.set_point", f"{AGENT}.write", f"{AGENT}.revert"} <= {*rule.rpc_capabilities}
    for method in ("command", "remote_start", "reset", "call", "release"):
        assert f"{AGENT}.{method}" not in rule.rpc_capabilities
    assert f"{DRIVER}.call" not in rule.rpc_capabilities


def test_other_identities(run) -> None:
    done = run(
        *("authorize", "--role", "driver", "--dry-run", "--json"),
        *("--driver-identity", "driver.two", "--agent-identity", "agent.two"),
    )
    (*_, line) = done.stdout.splitlines()
    answer = json.loads(line)
    assert answer["identity"] == "driver.two"
    assert "agent.two.write" in answer["commands"][0]
    assert not [text for text in answer["commands"] if AGENT in text or DRIVER in text]


def test_a_role_is_somebody_s(run) -> None:
    done = run("authorize", "--role", "viewer", "--dry-run")
    assert done.exit_code == 2
    assert "--identity" in done.stderr


def test_no_platform(run, tmp_path: Path) -> None:
    done = run("authorize", "--role", "driver", "--volttron-home", tmp_path)
    assert done.exit_code == exit_code(TransientError(""), asked=True)
    assert "no platform runs" in done.stderr
    assert "vctl authz add" in done.stdout  # to be run where the platform is


OPEN_SET_POINT = {
    **CLOSED,
    "agents": {
        **CLOSED["agents"],
        DRIVER: {"protected_rpcs": [name for name in DRIVER_WRITES if name != "set_point"]},
    },
}


@pytest.mark.parametrize(
    ("rules", "opened"),
    [
        (None, f"{DRIVER}.set_point"),
        ({}, f"{DRIVER}.set_point"),
        ({**CLOSED, "protected_topics": None}, SET_TOPIC),
        ({**CLOSED, "protected_topics": ["/devices/campus.*/", "/[/"]}, SET_TOPIC),
        ({**CLOSED, "agents": {**CLOSED["agents"], AGENT: {}}}, f"{AGENT}.write"),
        (OPEN_SET_POINT, f"({DRIVER}.set_point)"),
        (CLOSED, None),
        ({**CLOSED, "protected_topics": ["devices/actuators"]}, None),
    ],
)
def test_check_and_diagnostics_say_whether_writing_is_open(
    run, tmp_path: Path, rules: Any, opened: str | None
) -> None:
    if rules is not None:
        home_with(tmp_path, rules)
    done = run("check", "--json", "--volttron-home", tmp_path)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["writing"] == ("protected" if opened is None else "open")
    (warning,) = found["warnings"] or [None]
    if opened is None:
        assert warning is None
    else:
        assert "every agent of the platform may write" in warning
        assert opened in warning
        assert "chargepoint-driver authorize --role driver" in warning

    path = tmp_path / "bundle.zip"
    assert run("diagnostics", "--volttron-home", tmp_path, "--output", path).exit_code == 0
    with zipfile.ZipFile(path) as file:
        reported = json.loads(file.read("authorization.json"))
    assert reported["writing"] == found["writing"]


@pytest.mark.parametrize("rules", ["no JSON", "[]"])
def test_rules_that_cannot_be_read(run, tmp_path: Path, rules: str) -> None:
    done = run("check", "--volttron-home", home_with(tmp_path, rules))
    assert done.exit_code == 1
    assert "authz.json" in done.stdout
    assert "correct or remove it" in " ".join(done.stdout.split())


def test_a_home_that_is_not_there(run, tmp_path: Path) -> None:
    done = run("check", "--volttron-home", tmp_path / "nowhere")
    assert done.exit_code == 1
    assert "is not a folder" in " ".join(done.stdout.split())
