"""A whole run: configs, reads, writes, outages, files, bundle. The passwords are in the
requests and nowhere else."""

from __future__ import annotations

import json
import logging
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import ManualClock, Simulator

PASSWORDS = {"in_config": "pa$$-one-<&>", "in_file": "two-zweï-phrase", "old": "old-pass-phrase"}
FAULTS = ("drop_reply", "truncated_xml", "soap_fault", "refused", "entity_expansion")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is ever logged, arguments and all."""
    lines: list[str] = []

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.args!r} {record.__dict__!r}")

    handler, root = Everything(logging.NOTSET), logging.getLogger()
    loggers = [root, *map(logging.getLogger, logging.Logger.manager.loggerDict)]
    levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


def points(station: str) -> dict[str, Any]:
    names = ("portLoad", "Status", "Energy", "alarmType", "stationModel")
    found: dict[str, Any] = {name: {"attribute": name, "station": station} for name in names}
    for name in ("portLoad", "Status", "Energy", "alarmType"):
        found[name]["port"] = 1
    found["stationRightsProfile"] = {"attribute": "stationRightsProfile", "station": station}
    return found


def test_no_file_no_log_and_no_error_holds_a_password(
    run: Callable[..., Any],
    device: Callable[..., Path],
    registry: Callable[..., Path],
    tmp_path: Path,
    logged: list[str],
) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    given.mkdir()
    made.mkdir()
    (given / "password").write_text(PASSWORDS["in_file"], encoding="utf-8")
    said: list[str] = []

    def reported(action: Callable[[], Any]) -> None:
        try:
            said.append(repr(action()))
        except Exception as error:
            said.append(repr(error.args) + "".join(traceback.format_exception(error)))

    with Simulator(username="one", password=PASSWORDS["in_config"], clock=ManualClock()) as sim:
        sim.accounts.add("two", PASSWORDS["in_file"])
        common = {"endpoint": sim.soap_url, "timeout": 10}
        accounts = {
            "first": {
                **common,
                "username": "one",
                "password": PASSWORDS["in_config"],
                "cache_file": str(made / "one.json"),
                "command_file": str(made / "one.sqlite"),
            },
            "second": {
                **common,
                "username": "two",
                "password_file": str(given / "password"),
                "cache_file": str(made / "two.json"),
                "command_file": str(made / "two.sqlite"),
            },
        }
        held = Accounts()
        faulty = {**accounts["first"], "password": PASSWORDS["old"], "regoin": "eu"}
        reported(lambda: held.configure({"accounts": {"first": faulty}}))
        reported(lambda: held.configure({"accounts": accounts}))
        shed = {"attribute": "shedState", "station": "1:34001", "port": 1}
        for name in accounts:
            for fault in (None, *FAULTS):
                if fault is not None:
                    sim.faults.set("*", fault)
                reported(lambda name=name: held.read(points("1:34001"), name))
                reported(
                    lambda name=name: held.write({**shed, "attribute": "allowedLoad"}, 3, name)
                )
                reported(lambda name=name: held.write(shed, 1, name))
                reported(lambda name=name: held.sessions(None, "2026-01-01", None, name))
                sim.faults.clear()
            reported(lambda name=name: held.revert(shed, name))
        sim.accounts.add("one", "changed meanwhile")
        reported(lambda: held.sessions(None, "2026-01-01", None, "first"))
        reported(held.health)
        reported(held.stats)
        said += [repr(held), repr(vars(held))]
        sim.accounts.add("one", PASSWORDS["in_config"])

        registry("load,portLoad,LoadRegister,1,float,kW,,FALSE,,,")
        config = device(**{**common, "username": "one", "password": PASSWORDS["in_config"]})
        agent = given / "agent.json"
        agent.write_text(json.dumps({"accounts": accounts}), encoding="utf-8")
        log = given / "driver.log"
        log.write_text("\n".join(f"ERROR password={p}" for p in PASSWORDS.values()))
        for command in (
            ("check", config),
            ("read", config, "--json"),
            ("--debug", "read", config),
            ("diagnostics", config, agent, "--log", log, "--read", "--output", made / "d.zip"),
        ):
            said.append(run(*command).output)
        held.close()

    with zipfile.ZipFile(made / "d.zip") as bundle:
        for name in bundle.namelist():
            (made / name.replace("/", "-")).write_bytes(bundle.read(name))
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert {"one.json", "one.sqlite", "two.json", "two.sqlite", "d.zip"} <= set(files)
    assert len(files["one.sqlite"]) > 1_000
    assert any("urllib3" in line for line in logged)
    assert len(said) > 30
    for password in PASSWORDS.values():
        for form in {password, escape(password), repr(password)[1:-1], json.dumps(password)[1:-1]}:
            assert [name for name, text in files.items() if form.encode() in text] == []
            assert [line for line in logged if form in line] == []
            assert [text for text in said if form in text] == []
