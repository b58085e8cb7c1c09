"""One judgement: `check`, the driver and the platform's config store agree about a file."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from volttron.services.config_store.config_store_service import process_raw_config

from chargepoint_driver.cli import main

from ..registry import saved
from .conftest import Driver

ROOT = Path(__file__).parents[3]


def check(*paths: Path) -> dict[str, Any]:
    """Return the report of `check` without the line about the password in these tests' configs."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level  # the command sets up a process of its own
    try:
        done = CliRunner().invoke(main, ["check", "--json", *map(str, paths)])
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == int(bool(found["faults"]))
    found["warnings"] = [line for line in found["warnings"] if "the password is in" not in line]
    return found


def stored(path: Path, kind: str) -> Any:
    """What an agent gets of a file that `vctl config store` was given. Raises ValueError or
    csv.Error."""
    with path.open(encoding="utf-8") as file:  # in text mode, as vctl opens it
        return json.loads(json.dumps(process_raw_config(file.read(), kind)))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path / "station.config", saved.JSONS["plain"][0])


def topics(driver: Driver, content: dict[str, Any], rows: list[dict[str, Any]]) -> set[str] | None:
    """The points that the platform driver gets; None where it refuses the device."""
    driver.start({"a/one": {**content, "registry_config": rows}})
    if not driver.devices:
        return None
    return (
        {topic.rsplit("/", 1)[-1] for topic in driver.topics("a/one")} if driver.remotes else None
    )


@pytest.mark.parametrize(("content", "points", "words"), saved.CSVS.values(), ids=saved.CSVS)
def test_a_registry(content, points, words, driver, config, tmp_path, caplog):
    path = write(tmp_path / "points.csv", content)
    found = check(config, path)
    said = "\n".join(found["faults"] + found["warnings"])
    for word in words:
        assert word in said
    assert bool(said) == bool(words)
    assert (points is None) == bool(found["faults"])
    if points is not None:
        assert found["points"] == points
    seen = topics(driver, stored(config, "json"), stored(path, "csv"))
    assert (None if seen is None else len(seen)) == points
    # The driver's log has the same words, but for what only the file shows.
    of_file = ("NUL", "text follows", "blank line", "row ", "quote the whole", "remove")
    for word in words:
        assert word.startswith(of_file) or word in caplog.text


@pytest.mark.parametrize(
    ("content", "words"), saved.UNREADABLE.values(), ids=list(saved.UNREADABLE)
)
@pytest.mark.parametrize("kind", ["csv", "config"])
def test_a_file_that_nobody_can_read(content, words, kind, tmp_path):
    path = write(tmp_path / f"points.{kind}", content)
    (fault,) = check(path)["faults"]
    for word in (str(path), *words):
        assert word in fault
    try:
        rows = stored(path, "csv" if kind == "csv" else "json")
    except ValueError:
        return
    # UTF-16 without mark can be decoded: every second letter is a NUL.
    assert "Attribute Name" not in rows[0]


@pytest.mark.parametrize(("content", "words"), saved.LOST.values(), ids=list(saved.LOST))
def test_a_registry_that_the_store_takes_apart(content, words, tmp_path):
    path = write(tmp_path / "points.csv", content)
    (fault,) = check(path)["faults"]
    for word in words:
        assert word in fault
    assert len(stored(path, "csv")) < 3


@pytest.mark.parametrize(("content", "taken", "words"), saved.JSONS.values(), ids=saved.JSONS)
def test_a_driver_config(content, taken, words, driver, tmp_path):
    write(tmp_path / "points.csv", saved.csv())
    path = write(tmp_path / "station.config", content)
    found = check(path)
    said = "\n".join(found["faults"] + found["warnings"])
    for word in words:
        assert word in said
    assert bool(said) == bool(words)
    if not taken:
        with pytest.raises(ValueError):  # noqa: PT011 - the message is the host's
            stored(path, "json")
        return
    device = stored(path, "json")
    seen = topics(driver, device, stored(tmp_path / "points.csv", "csv")) if device else None
    assert (seen is None) == bool(found["faults"])


def test_the_rows_may_stand_in_the_config_itself(driver, tmp_path, config):
    device = json.loads(config.read_text())
    rows = list(csv.DictReader(saved.csv().splitlines()))
    path = write(tmp_path / "whole.config", json.dumps({**device, "registry_config": rows}))
    assert check(path) == {"faults": [], "warnings": [], "points": 3}
    assert len(topics(driver, device, rows) or ()) == 3
    rows[1]["Attribute Name"] = "Statsu"
    write(path, json.dumps({**device, "registry_config": rows}))
    (fault,) = check(path)["faults"]
    assert f"{path}: registry_config: row 3: Attribute Name: unknown attribute 'Statsu'" in fault


def test_the_specifications_own_sample_says_where_its_comma_is(tmp_path):
    written = """{
    "driver_config": {
        "stationID"  : "1:34003",
    },
    "driver_type": "chargepoint"
}"""
    (fault,) = check(write(tmp_path / "spec.config", written))["faults"]
    assert "line 3, column 33: not JSON (a comma before }); remove the comma" in fault


def test_the_shipped_samples_are_taken_by_the_store():
    samples = [*ROOT.glob("driver_configs/*.config"), *ROOT.glob("registry_configs/*.csv")]
    assert len(samples) >= 8
    for path in samples:
        assert stored(path, "csv" if path.suffix == ".csv" else "json")


def test_the_shipped_registry_passes_its_own_check_without_a_warning():
    for path in ROOT.glob("registry_configs/*.csv"):
        found = check(path)
        assert (found["faults"], found["warnings"]) == ([], []), path
        assert found["points"] > 5
