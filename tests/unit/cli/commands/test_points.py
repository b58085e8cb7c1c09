from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from chargepoint_driver import __version__
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.cli.support.exit_codes import MEANINGS

from ..conftest import COMMANDS, command


def test_points_lists_the_whole_catalogue(run):
    done = run("points", "--json")
    assert done.exit_code == 0
    listed = json.loads(done.stdout)
    assert [(row["register"], row["attribute"]) for row in listed] == [
        (row.register, row.name) for row in CHARGEPOINT
    ]
    assert {row["attribute"] for row in listed if row["writable"]} == {
        row.name for row in CHARGEPOINT if row.writable
    }


def test_points_of_one_register(run):
    done = run("points", "--register", "LoadRegister")
    assert done.exit_code == 0
    assert "allowedLoad" in done.output
    assert "alarmType" not in done.output
    done = run("points", "--register", "Load")
    assert done.exit_code == 2
    assert "one of StationStatusRegister, LoadRegister" in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example(name, run, monkeypatch):
    # click keeps the help options of the first context: that of a test which calls it directly.
    monkeypatch.setattr(command(name), "_help_option", None, raising=False)
    done = run(name, "--help")
    assert done.exit_code == 0
    assert f"Example:\n    chargepoint-driver {name}" in done.output
    assert run(name, "-h").output == done.output


def test_the_groups_help(run):
    done = run("--help")
    for code, meaning in MEANINGS.items():
        assert f"{code:3d}  {meaning}" in done.output
    said = " ".join(done.output.split())
    for name in COMMANDS:
        # The list is made without importing the commands: it must be the commands' own texts.
        assert f" {name} {command(name).get_short_help_str(200)}" in said


def test_the_version(run):
    assert __version__ in run("--version").output


HEAVY = {"aiohttp", "chargepoint_driver.simulator", "lxml", "ocpp", "pydantic", "requests", "zeep"}
COUNTED = """
import sys
before = len(sys.modules)
from chargepoint_driver.cli import main
try:
    main(sys.argv[1:], "chargepoint-driver")
except SystemExit as end:
    assert not end.code
print(len(sys.modules) - before, *sys.modules, file=sys.stderr)
"""


def imported(*words: str, **variables: str) -> tuple[int, set[str], str]:
    """(how many modules a command imports, which there are then, what it printed)."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    number, *modules = done.stderr.split()
    return int(number), set(modules), done.stdout


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("completion", "bash")])
def test_what_needs_no_command_imports_none(words):
    _, modules, said = imported(*words)
    assert said
    assert not modules & (HEAVY | {"rich", "chargepoint_driver.catalogue"})


def test_completion_of_commands_imports_none():
    _, modules, said = imported(
        _CHARGEPOINT_DRIVER_COMPLETE="bash_complete",
        COMP_WORDS="chargepoint-driver ",
        COMP_CWORD="1",
    )
    assert [line.removeprefix("plain,") for line in said.splitlines()] == COMMANDS
    assert not modules & (HEAVY | {"rich"})


def test_points_imports_the_table_and_little_else():
    few, modules, said = imported("points", "--register", "AlarmRegister", "--json")
    assert "clearAlarms" in said
    assert not modules & HEAVY
    # As it was when every command was imported for each.
    everything = (
        "import sys; before = len(sys.modules); from chargepoint_driver.cli.commands import "
        + ", ".join(name.replace("-", "_") for name in COMMANDS)
        + "; print(len(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", everything], capture_output=True, text=True, check=True, timeout=60
    )
    assert few < int(done.stdout) / 3, (few, done.stdout)
