"""What is handed out: whole, the same each time, and a good neighbour."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from .minima import minima, sections
from .wheel import ROOT, build

NEEDED = {
    "chargepoint_driver/py.typed",
    "chargepoint_driver/backends/soap/chargepoint.wsdl",
    "chargepoint_driver/backends/ocpp/storage/schema.sql",
    "chargepoint_driver/backends/ocpp/model/quirks.json",
    "volttron/driver/interfaces/chargepoint/chargepoint.py",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


def files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


def test_twice_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "second")
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)}
    assert len(digests) == 1
    assert wheel.name == again.name


def test_everything_is_in_it_and_nothing_else(wheel: Path) -> None:
    found = files(wheel)
    assert found >= NEEDED
    sources = {
        str(path.relative_to(ROOT))
        for folder in ("chargepoint_driver", "volttron")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in found if ".dist-info/" not in name} == sources
    # Namespaces shared with the platform: a file of ours there would hide its own.
    assert not {"volttron/__init__.py", "volttron/driver/__init__.py"} & found
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in found if name.endswith("METADATA")]
        text = file.read(names[0]).decode()
    assert "License-File: LICENSE" in text
    assert "# ChargePoint driver for VOLTTRON" in text


def test_twine_finds_nothing_wrong(wheel: Path, tmp_path: Path) -> None:
    source = build(tmp_path, "sdist")
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(source)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == 2


def test_no_requirement_has_an_upper_bound() -> None:
    """An installation next to a platform then never asks for an older version than is there."""
    for name, lines in sections().items():
        for line in lines:
            bound = re.sub(r";.*", "", line)
            assert not re.search(r"<|==|~=|!=", bound), f"{name}: {line}"
    required = sections()["install_requires"]
    assert len(list(minima("install_requires"))) == len(required)


@pytest.mark.skipif(find_spec("volttron.utils") is None, reason="needs volttron-core")
def test_the_platform_s_own_versions_are_new_enough() -> None:
    """What volttron-core asks for and so do we: its lowest version is enough for us."""
    theirs = {
        match[1].lower(): match[2]
        for line in metadata.requires("volttron-core") or ()
        if (match := re.match(r"([\w.-]+)\s*\(?>=([\d.]+)", line)) is not None
    }
    assert "gevent" in theirs
    ours = dict(pin.split("==") for pin in minima("install_requires"))
    for name in theirs.keys() & ours.keys():
        assert _parts(theirs[name]) >= _parts(ours[name]), name


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
