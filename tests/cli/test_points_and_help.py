from __future__ import annotations

import json

import pytest

from chargepoint_driver import __version__
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.cli import main
from chargepoint_driver.cli.exits import MEANINGS


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


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_help_of_every_command_shows_an_example(name, run):
    done = run(name, "--help")
    assert done.exit_code == 0
    assert f"Example:\n    chargepoint-driver {name}" in done.output
    assert run(name, "-h").output == done.output


def test_the_groups_help(run):
    done = run("--help")
    for code, meaning in MEANINGS.items():
        assert f"{code:3d}  {meaning}" in done.output
    for name, command in main.commands.items():
        assert f"  {name} " in done.output
        assert command.get_short_help_str(40).removesuffix("...") in done.output


def test_the_version(run):
    assert __version__ in run("--version").output
