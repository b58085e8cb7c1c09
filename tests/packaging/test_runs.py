"""`make test`: three processes, of which each one that fails is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import __main__ as runs

ROOT = Path(__file__).parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_output_of_each_and_one_failure_fail_all(capfd: pytest.CaptureFixture[str]) -> None:
    found = runs.run(
        {
            "unit": python("print('dots')"),
            "gevent": python("print('one is wrong'); raise SystemExit(1)"),
            "system": python("print('all is well')"),
        }
    )
    printed = capfd.readouterr().out
    assert found == 1
    assert [word in printed for word in ("dots", "one is wrong", "all is well")] == [True] * 3
    assert printed.splitlines()[-3:] == [
        "unit: passed",
        "gevent: FAILED, exit code 1",
        "system: passed",
    ]


@pytest.mark.parametrize(
    ("codes", "expected"), [((0, 0), 0), ((5, 0), 0), ((0, 5), 0), ((5, 5), 5), ((2, 0), 1)]
)
def test_the_exit_code(codes: tuple[int, ...], expected: int) -> None:
    """A keyword that matches in one process only is not a failure of the other."""
    found = {str(number): python(f"raise SystemExit({code})") for number, code in enumerate(codes)}
    assert runs.run(found) == expected


def test_a_process_that_does_not_end_fails(capfd: pytest.CaptureFixture[str]) -> None:
    waits = python("import threading; threading.Event().wait()")
    assert runs.run({"unit": waits, "gevent": python("")}, limit_s=0.2) == 1
    assert "unit: FAILED" in capfd.readouterr().out


def test_options_go_to_every_process_and_paths_to_one() -> None:
    pytest.importorskip("platform_driver")
    found = runs.commands(["-k", "shed"])
    assert list(found) == ["unit", "gevent", "system"]
    assert all(command[-2:] == ["-k", "shed"] for command in found.values())
    (command,) = runs.commands(["tests/packaging/test_runs.py::test_the_exit_code", "-x"]).values()
    assert command[1:] == ["-m", "pytest", "tests/packaging/test_runs.py::test_the_exit_code", "-x"]


def test_every_folder_of_tests_is_in_exactly_one_process_or_twice_under_gevent() -> None:
    """What one process leaves out, another one runs."""
    left_out = {word.removeprefix("--ignore=") for word in runs.RUNS["unit"][1:]}
    others = {
        word
        for name in ("gevent", "system")
        for word in runs.RUNS[name]
        if word.startswith("tests/")
    }
    assert left_out <= others
    assert all((ROOT / folder).is_dir() for folder in others)


def test_without_a_platform_driver_the_rest_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    assert list(runs.commands([])) == ["unit"]
    assert "gevent: skipped, needs a platform driver" in capsys.readouterr().out
