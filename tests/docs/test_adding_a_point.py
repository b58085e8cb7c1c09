"""The steps of the page about adding a point work: a row and a recorded reply, in a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .blocks import ROOT, blocks_of, page_of
from .shell import Shell, ShellFailedError
from .telling import story_of, tell

PAGE = page_of("adding-a-point.md")
TABLE = Path("chargepoint_driver") / "catalogue" / "chargepoint.py"
OCPP_TABLE = Path("chargepoint_driver") / "catalogue" / "measurands.py"
COPIED = (
    *("chargepoint_driver", "docs", "tests/data"),
    *("tests/unit/backends", "tests/unit/catalogue", "tests/unit/events"),
)
FILES = ("setup.cfg", "tests/unit/__init__.py")


def project(here: Shell) -> Path:
    """A copy of what the page touches, in the shell's folder."""
    for name in COPIED:
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, here.folder / name, ignore=leave)
    helpers = [f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py")]
    for name in (*FILES, *helpers):
        shutil.copy(ROOT / name, here.folder / name)
    return here.folder


def add_row(folder: Path, table: Path = TABLE, name: str = "_STATUS") -> str:
    """Put the page's row behind the last one of its table; the row's name."""
    rows = [block for block in blocks_of(PAGE) if block.labels.get("row") == name]
    (block,) = rows
    before = (folder / table).read_text(encoding="utf-8")
    begin = before.index(f"{name} = ")
    end = before.index("\n)", begin) + 1
    row = "".join(f"    {line.strip()}\n" for line in block.text.splitlines())
    (folder / table).write_text(before[:end] + row + before[end:], encoding="utf-8")
    return block.text.split('"')[1]


def open_copy(shell: Callable[..., Shell]) -> Shell:
    here = shell()
    project(here)
    # The copy is looked in before what is installed.
    here.run(f"export PYTHONPATH={here.folder}")
    return here


def test_the_page_is_followed_and_the_point_is_read(shell: Callable[..., Shell]):
    here = open_copy(shell)
    name = add_row(here.folder)
    tell(here, story_of(PAGE, "adding"))
    # What the page promises besides: the reader's copy and the command know it.
    assert f"| `{name}` | float | degC |" in (
        here.folder / "docs" / "reference" / "points.md"
    ).read_text("utf-8")
    assert name in here.run("chargepoint-driver points")
    here.run("python -m docs.generators --check")
    tests = "tests/unit/backends/soap/test_recorded.py"
    read = here.run(f"python -m pytest -rA {tests} -k {name} | grep PASSED")
    assert f"getStationStatus.{name}" in read


def test_a_row_that_no_reply_holds_is_noticed(shell: Callable[..., Shell]):
    here = open_copy(shell)
    add_row(here.folder)
    story = [block for block in story_of(PAGE, "adding") if "file" not in block.labels]
    with pytest.raises(ShellFailedError, match="no recorded reply holds"):
        tell(here, story)


def test_the_page_is_followed_and_the_measurand_is_a_point(shell: Callable[..., Shell]):
    here = open_copy(shell)
    assert add_row(here.folder, OCPP_TABLE, "MEASURANDS") == "RPM"
    tell(here, story_of(PAGE, "measurand"))
    assert "| `fanSpeed` | float | rpm |" in (
        here.folder / "docs" / "reference" / "points.md"
    ).read_text("utf-8")
    assert "fanSpeed" in here.run("chargepoint-driver points --backend ocpp")
    here.run("python -m docs.generators --check")
    assert "| `fan_rpm` |" in (here.folder / "docs" / "reference" / "export.md").read_text("utf-8")
