"""`chargepoint-driver schedule`: what it shows, what it refuses, and a limit at a real charger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from chargepoint_driver.cli import main
from chargepoint_driver.simulator.ocpp import Twins

GROUP = {"devices": [{"station": "T1", "port": 1}]}
RULE = {"name": "always", "kw": 7.0}


def run(tmp_path, content, *words):
    path = tmp_path / "schedule.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return CliRunner().invoke(main, ["schedule", *words, "--config", str(path)])


def config(**fields):
    return {"timezone": "UTC", "groups": {"g": {**GROUP, "rules": [RULE]}}, **fields}


def test_what_applies_now(tmp_path) -> None:
    rule = {**RULE, "from": "08:00", "until": "09:00"}
    content = {"timezone": "Europe/Berlin", "groups": {"g": {**GROUP, "rules": [rule]}}}
    at = "2026-07-01T08:30:00+02:00"
    done = run(tmp_path, content, "show", "--json", "--at", at)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["groups"]["g"]
    assert found["now"] == {"kw": 7.0, "reason": "always", "until": "2026-07-01T07:00:00+00:00"}
    assert found["next"]["kw"] is None
    done = run(tmp_path, content, "show", "--at", at)
    assert done.stdout == (
        "g: 7 kW until 2026-07-01T07:00:00+00:00 (always)\n"
        "    then no limit until 2026-07-02T06:00:00+00:00\n"
    )


@pytest.mark.parametrize(
    ("content", "words", "code", "text"),
    [
        ("[]", ["show"], 2, "must be a JSON object"),
        ({"timezone": "UTC"}, ["show"], 2, "schedule.json: 'groups' is missing; add it"),
        (config(), [], 2, "'accounts' is missing"),
        (config(), ["show", "--at", "today"], 2, "--at: expected a time with its zone"),
        (config(accounts={"a": {}}), ["--at", "2026-01-01T00:00:00Z"], 2, "is for show"),
        (config(accounts={"a": {}}, prices_topic="p"), [], 2, "use prices_file"),
        (
            {**config(accounts={"a": {}}), "groups": {"g": {"devices": ["campus/a"]}}},
            [],
            2,
            "a device is written like",
        ),
        (config(accounts={"a": {"backend": "ocpp"}}), [], 2, "accounts.a"),
    ],
)
def test_faults_are_named(tmp_path, content, words, code, text) -> None:
    done = run(tmp_path, content, *words)
    assert text in done.output.replace("\n", " ").replace("  ", " ")
    assert done.exit_code == code, done.output


def test_prices_that_cannot_be_read_are_a_warning_of_show(tmp_path) -> None:
    group = {**GROUP, "prices": {"above": {"1": 3}}}
    content = {
        "timezone": "UTC",
        "groups": {"g": group},
        "prices_file": str(tmp_path / "none.json"),
    }
    done = run(tmp_path, content, "show")
    assert done.exit_code == 0
    assert "prices: cannot be read" in done.output


@pytest.mark.parametrize("plan", [False, True])
def test_a_charger_is_limited_and_given_back(tmp_path, plan) -> None:
    """Over real sockets, in a process of its own."""
    account = {
        "backend": "ocpp",
        "listen": "127.0.0.1:0",
        "database": str(tmp_path / "csms.sqlite"),
        "configuration_delay_s": None,
        "voltage": 230,
        "phases": 3,
        "charge_points": {"T1": {"rated_kw": 22}},
    }
    with_port = _free_port()
    account["listen"] = f"127.0.0.1:{with_port}"
    group = {**GROUP, "rules": [RULE], "plan": plan}
    content = {
        "timezone": "UTC",
        "groups": {"g": group},
        "accounts": {"yard": account},
        "look_seconds": 0.1,
    }
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps(content))
    program = str(Path(sys.executable).with_name("chargepoint-driver"))
    process = subprocess.Popen(
        [program, "schedule", "--config", str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True, "groups": ["g"]}
        with Twins(f"ws://127.0.0.1:{with_port}", [{"id": "T1"}], speed=1) as twins:
            twins.wait_connected()
            assert twins.start_charging("T1", max_ac_kw=22, battery_kwh=80) == "Accepted"
            twins.wait("T1", lambda state: state["connectors"][0]["limit_kw"] <= 7.0, 30)
            assert twins.state("T1")["connectors"][0]["limit_kw"] > 6.5
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=30)[0]
            assert process.returncode == 0
            changes = [json.loads(line) for line in rest.splitlines()]
            limits = [each for each in changes if each.get("group") == "g"]
            assert (limits[-1]["kw"], limits[-1]["reason"], limits[-1]["done"]) == (
                7.0,
                "always",
                True,
            )
            held = twins.state("T1")["connectors"][0]["limit_kw"]
            assert (held <= 7.0) if plan else (held > 20)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait(60)


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
