"""Every command in the documents is run, and what they say of exit codes is so."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.cli import main
from chargepoint_driver.cli.support.exit_codes import MEANINGS
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.ocpp import Twins

from .conftest import COMMANDS, command

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "reference" / "cli.md"
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = "chargepoint-driver "


def commands(path: Path) -> list[str]:
    """The lines of a document's blocks that start this program."""
    blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.startswith(PROGRAM)]


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Iterator[Path]:
    """Who follows a document: in an empty folder with a historian, and an account."""
    database = sqlite3.connect(tmp_path / "historian.sqlite")
    database.executescript(
        """
        CREATE TABLE data (ts, topic_id, value_string);
        CREATE TABLE topics (topic_id, topic_name, metadata);
        INSERT INTO topics VALUES (1, 'campus/garage/station1/port1/portLoad', '{}');
        INSERT INTO data VALUES ('2026-11-21T20:00:00+00:00', 1, '3.5');
        INSERT INTO data VALUES ('2026-11-21T20:01:00+00:00', 1, '3.6');
        """
    )
    database.close()
    with Simulator(stations=3, groups=2, clock=ManualClock()) as simulator:
        simulator.accounts.add("api-user", simulator.password)
        monkeypatch.setenv("CHARGEPOINT_USERNAME", "api-user")
        monkeypatch.setenv("CHARGEPOINT_PASSWORD", simulator.password)
        monkeypatch.setenv("CHARGEPOINT_ENDPOINT", simulator.soap_url)
        monkeypatch.chdir(tmp_path)
        with central_system(monkeypatch):
            yield tmp_path


@contextmanager
def central_system(monkeypatch) -> Iterator[None]:
    """A `csms` with a charge point."""
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "not-a-real-token")
    system = CentralSystem(OcppConfig(listen="127.0.0.1:0", database=Path("ocpp.db")))
    system.start(control="127.0.0.1:0")
    reported = threading.Event()
    system.subscribe(lambda event: event["connector"] == 1 and reported.set())
    try:
        with Twins(charge_points=1, csms_url=system.ocpp_url, speed=1):
            assert reported.wait(30), "the twin reported nothing of its connector"
            monkeypatch.setenv("CONTROL_URL", system.control_url)
            yield
    finally:
        system.stop()


def words_of(line: str) -> list[str]:
    """The words as a shell would hand them over."""
    found: list[str] = []
    for word in shlex.split(os.path.expandvars(line)):
        paths = sorted(map(str, Path().glob(word))) if "*" in word else [word]
        assert paths, f"no file is like {word}"
        found += paths
    return found[1:]


@pytest.mark.parametrize("path", [GUIDE, README], ids=lambda path: path.name)
def test_the_commands_of_a_document_work_as_they_follow_each_other(path, run, reader):
    lines = [line for line in commands(path) if "--deploy" not in line]
    assert len(lines) >= 3
    for line in lines:
        done = run(*words_of(line))
        assert done.exit_code == 0, f"{line}\n{done.output}"
        if "--json" in line:
            json.loads(done.stdout)
        assert done.output.strip()


def test_the_guide_shows_every_command():
    text = GUIDE.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`{name}`" not in text] == []


def test_the_guide_shows_the_exit_codes():
    text = GUIDE.read_text(encoding="utf-8")
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    assert "\n".join(rows) in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_the_help_are_commands(name):
    found = command(name)
    lines = [line.strip() for line in found.epilog.splitlines() if line.strip().startswith(PROGRAM)]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" >> ")[0])[1:]
        assert words[0] == name
        found = command(name)
        context = click.Context(main, **main.context_settings)
        while isinstance(found, click.Group) and not (
            found.invoke_without_command and words[1].startswith("-")
        ):
            context = click.Context(found, context)
            found, words = found.commands[words[1]], words[1:]
        assert found.make_context(words[0], words[1:], parent=context).args == []
