"""The check for known vulnerabilities fails on what pip-audit finds, and on what it cannot ask."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from . import audit


def pip_audit(folder: Path, answer: str, code: int = 0) -> str:
    """A program in the place of pip-audit."""
    program = folder / "pip-audit"
    program.write_text(f"#!{sys.executable}\nprint({answer!r})\nraise SystemExit({code})\n")
    program.chmod(0o755)
    return str(program)


def of(*dependencies: dict[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_what_is_installed_is_looked_at() -> None:
    names = {pin.partition("==")[0] for pin in audit.installed()}
    assert {"lxml", "pytest", "typing-extensions"} <= names
    assert audit.OURS not in names
    assert len(audit.lowest()) > 15


def test_what_the_index_knows_fails_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {"id": "PYSEC-1", "fix_versions": ["3.2"], "aliases": []}
    answer = of({"name": "rich", "version": "13", "vulns": [found]})
    assert audit.main("lowest", pip_audit(tmp_path, answer, code=1)) == 1
    assert "rich==13: PYSEC-1, fixed in 3.2" in capsys.readouterr().out


def test_what_could_not_be_asked_about_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = of({"name": "rich", "skip_reason": "not found"})
    assert audit.main("lowest", pip_audit(tmp_path, answer)) == 2
    assert "does not know 1: rich" in capsys.readouterr().out
    assert audit.main("lowest", pip_audit(tmp_path, "no JSON")) == 2
    assert "lowest: not asked: pip-audit failed" in capsys.readouterr().out


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = of({"name": "rich", "version": "13", "vulns": []})
    assert audit.main("lowest", pip_audit(tmp_path, answer)) == 0
    assert "0 advisories" in capsys.readouterr().out
