"""`make pythons`: what is not there is passed over by name, and what fails is not."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from . import pythons


def program(folder: Path, text: str) -> str:
    path = folder / "python3.99"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_is_there() -> None:
    assert pythons.version(sys.executable) == platform.python_version()


def test_one_that_is_not_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shim = program(tmp_path, "echo 'version not chosen' >&2; exit 127")
    assert pythons.main(tmp_path, ["python0.1", shim]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["python0.1 is not here: skipped", f"{shim} is not here: skipped"]


def test_one_without_environments_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells its version, and no more."""
    strange = program(tmp_path, 'test "$1" = -c && echo 3.99.0')
    assert pythons.main(tmp_path, ["python0.1", strange]) == 1
    assert f"{strange} 3.99.0: FAILED" in capsys.readouterr().out


def test_pip_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's packages do not install: the others are tried, and the reason is kept."""
    monkeypatch.setattr("subprocess.run", lambda *_, **__: None)
    said = {pythons.ALL: "No matching distribution found for gevent", pythons.WITHOUT_PLATFORM: ""}
    monkeypatch.setattr(pythons, "_pip", lambda _, what: said[what])
    assert pythons.install("python3.13", tmp_path) == said[pythons.ALL]
    said[pythons.WITHOUT_PLATFORM] = "no network"
    with pytest.raises(RuntimeError, match="no network"):
        pythons.install("python3.13", tmp_path)
