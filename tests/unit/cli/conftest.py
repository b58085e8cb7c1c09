from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from chargepoint_driver.cli import main
from chargepoint_driver.cli.support.account import PASSWORD_ENV
from chargepoint_driver.simulator import ManualClock, Simulator

HEAD = (
    "Volttron Point Name,Attribute Name,Register Name,Port #,Type,Units,Starting Value,Writable,"
    "Notes,Scrape Interval,Currency"
)
CONTEXT = click.Context(main)
COMMANDS = sorted(main.list_commands(CONTEXT))
Run = Callable[..., Result]


def command(name: str) -> click.Command:
    """A command of the program, which is imported for it."""
    found = main.get_command(CONTEXT, name)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The command configures logging for its process; here the process goes on."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch) -> None:
    """Remove what the user has set for commands outside the tests."""
    ours = ("CHARGEPOINT_USERNAME", "CHARGEPOINT_ENDPOINT", PASSWORD_ENV, "VOLTTRON_HOME")
    for name in (*ours, "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(monkeypatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        # click.testing keeps what was raised; anything but an exit is a traceback to a user.
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    return run


@pytest.fixture
def registry(tmp_path) -> Callable[..., Path]:
    """Writes a registry: rows as texts below the default columns."""

    def registry(*rows: str, name: str = "points.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
        return path

    return registry


@pytest.fixture
def device(tmp_path) -> Callable[..., Path]:
    """Writes a driver config; keywords go into its driver_config."""

    def device(
        name: str = "station.config", top: dict[str, Any] | None = None, **fields: Any
    ) -> Path:
        content = {
            "driver_type": "chargepoint",
            "registry_config": "config://points.csv",
            "interval": 60,
            "publish_depth_first_all": True,
            "all_publish_interval": 60,
            "driver_config": {
                "username": "fleet-account",
                "password": "s3cr3t",
                "stationID": "1:34003",
                **fields,
            },
            **(top or {}),
        }
        path = tmp_path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return device


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    before = set(threading.enumerate())
    with Simulator(stations=2, clock=ManualClock()) as simulator:
        yield simulator
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= before


@pytest.fixture
def account(simulator, monkeypatch) -> Simulator:
    """The simulator's account in the environment, where every command finds it."""
    monkeypatch.setenv("CHARGEPOINT_USERNAME", simulator.username)
    monkeypatch.setenv("CHARGEPOINT_ENDPOINT", simulator.soap_url)
    monkeypatch.setenv(PASSWORD_ENV, simulator.password)
    return simulator
