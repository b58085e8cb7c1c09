"""Verdict of a run: each promise that is not kept fails it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from . import report
from .fleets import SEEN_S, Ended, owed

ONE = Ended("soak/a", 1, "7", 12.5, end_s=10_000.0, next_s=10_000.0 + SEEN_S)
TWO = Ended("soak/a", 2, "8", 3.0, end_s=20_000.0)
KEPT = {("soak/a", 1): {"7": 12.5}, ("soak/a", 2): {"8": 3.0}}


def test_all_sessions_kept() -> None:
    found = report.compared([ONE, TWO], KEPT, 1e-6)
    assert found["passed"]
    assert (found["sessions"], found["lost"], found["wrong energy"]) == (2, 0, 0)
    assert found["simulator_kwh"] == found["kept_kwh"] == 15.5


def test_a_lost_session() -> None:
    found = report.compared([ONE, replace(TWO, session="9")], KEPT, 1e-6)
    assert not found["passed"]
    assert (found["lost"], found["wrong energy"]) == (1, 0)
    assert "'9'" in found["examples"][0]


def test_a_session_at_the_wrong_port_is_lost() -> None:
    assert report.compared([replace(ONE, port=2)], KEPT, 1e-6)["lost"] == 1


def test_a_watt_hour_less() -> None:
    found = report.compared([ONE, replace(TWO, energy_kwh=3.001)], KEPT, 1e-6)
    assert not found["passed"]
    assert (found["lost"], found["wrong energy"]) == (0, 1)


def test_nothing_to_compare_is_no_success() -> None:
    assert not report.compared([], KEPT, 1e-6)["passed"]


def test_owed_is_what_showed_for_long_enough() -> None:
    shown, settled_s = [ONE, TWO], TWO.end_s + SEEN_S
    assert owed(shown, from_s=0.0, settled_s=settled_s) == shown
    assert owed(shown, from_s=0.0, settled_s=settled_s - 1) == [ONE]
    assert owed(shown, from_s=ONE.end_s + 1, settled_s=settled_s) == [TWO]
    soon = replace(ONE, next_s=ONE.end_s + SEEN_S - 1)
    assert owed([soon, TWO], from_s=0.0, settled_s=settled_s) == [TWO]


def test_missing_publishes() -> None:
    found = report.missing({"a": 9, "b": 12}, ["a", "b", "c"], wanted=10)
    assert found == {"wanted": 30, "missing": 11}


@pytest.mark.parametrize("broken", ["driver", "keeping up", "twins"])
def test_one_broken_promise_fails_the_run(
    broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {name: {"passed": name != broken} for name in ("driver", "keeping up", "twins")}
    assert report.write({**figures, "calls": {"total": 3}}, tmp_path) == 1
    assert json.loads((tmp_path / "figures.json").read_text())["passed"] is False
    assert ("did not keep up" in capsys.readouterr().out) == (broken == "keeping up")


def test_all_promises_kept(tmp_path: Path) -> None:
    assert report.write({"keeping up": {"passed": True}}, tmp_path) == 0


def test_the_types_that_grow_are_named(tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    flat = dict.fromkeys(("memory_mib", "descriptors", "threads", "greenlets", "tasks"), 10)
    lines = [
        {
            "time_s": 10.0 * step,
            **flat,
            "objects": 1000 + step,
            "types": {"builtins.dict": 900, "leak.Leaked": 100 + step},
        }
        for step in range(180)
    ]
    samples.write_text("\n".join(map(json.dumps, lines)))
    found = report.held(samples)
    assert found["passed"]
    assert list(found["grown types"]) == ["leak.Leaked"]
    assert found["objects"]["growth"] == found["grown types"]["leak.Leaked"] > 90
