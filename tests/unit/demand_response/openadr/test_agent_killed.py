"""The agent as a process of its own, killed in the middle of an event."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import STATION, Garage, eventually
from .vtn3 import SECRET, StubVtn

PROGRAM = Path(sys.executable).with_name("chargepoint-driver")


@pytest.fixture
def vtn() -> Iterator[StubVtn]:
    found = StubVtn()
    yield found
    found.close()


@pytest.fixture
def run(garage: Garage, vtn: StubVtn, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start the console command with the fields of its config that differ."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, **fields: Any) -> subprocess.Popen[str]:
        config = {
            "ven_name": "garage-ven",
            "vtns": {
                "utility": {
                    "version": "3",
                    "url": vtn.url,
                    "client_id": "ven",
                    "client_secret_env": "OPENADR_SECRET",
                    "poll_seconds": 0.2,
                }
            },
            "chargers": {
                "accounts": {"garage": garage.account()},
                "devices": [{"station": STATION, "port": 1}],
            },
            "levels": {"2": 3.0},
            "look_seconds": 0.2,
            "lease_seconds": 60,
            "state_file": str(tmp_path / "openadr.sqlite"),
            **fields,
        }
        path = tmp_path / "openadr.json"
        path.write_text(json.dumps(config))
        env = {**os.environ, "OPENADR_SECRET": SECRET, "NO_PROXY": "*"}
        env.pop("PYTHONWARNINGS", None)
        process = subprocess.Popen(
            [str(PROGRAM), "openadr", "--config", str(path), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


def test_killed_the_lease_ends_the_limit(
    run: Callable[..., Any], vtn: StubVtn, garage: Garage
) -> None:
    process = run()
    assert json.loads(process.stdout.readline())["vtns"] == ["utility"]
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    process.kill()
    process.wait(60)
    # The service counts whole minutes: what was sent ends with the lease of one minute.
    sent = garage.sim.world.commands[-1].arguments
    assert sent["timeInterval"] == 1


def test_killed_and_started_again_it_goes_on_without_the_vtn(
    run: Callable[..., Any], vtn: StubVtn, garage: Garage
) -> None:
    process = run(on_start="continue")
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    process.kill()
    process.wait(60)
    vtn.status = 503
    sent = len(garage.sim.world.commands)
    again = run(on_start="continue", lease_seconds=10)
    eventually(lambda: len(garage.sim.world.commands) > sent)
    assert garage.ceiling() == 3.0
    # The event was cancelled meanwhile: it is given back when the VTN reports it.
    vtn.delete("peak")
    vtn.status = None
    eventually(lambda: garage.ceiling() is None)
    again.terminate()
    assert again.wait(30) == 0


def test_stopped_it_gives_back(run: Callable[..., Any], vtn: StubVtn, garage: Garage) -> None:
    process = run()
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    process.terminate()
    assert process.wait(30) == 0
    assert garage.ceiling() is None


def test_the_operator_asks_and_decides(
    run: Callable[..., Any], vtn: StubVtn, garage: Garage
) -> None:
    run()
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    shown, _ = run("--status").communicate(timeout=30)
    assert [event["id"] for event in json.loads(shown)["events"]] == ["peak"]
    said, wrong = run("--opt-out", "utility/other").communicate(timeout=30)
    assert "known are utility/peak" in wrong, said
    run("--opt-out", "utility/peak").communicate(timeout=30)
    eventually(lambda: garage.ceiling() is None)
    run("--opt-in", "utility/peak").communicate(timeout=30)
    eventually(lambda: garage.ceiling() == 3.0)
