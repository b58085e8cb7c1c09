"""The short form of `make kills`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.system.kills.kills import Outcome, judge, kill, running

from .demos import Mark

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


@pytest.mark.parametrize("agent", [False, True], ids=["driver", "agent"])
def test_kills_around_sheds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: bool) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    outcome = Outcome()
    with running(tmp_path, agent=agent, ports=2) as site:
        kill(site, 2, 11, outcome)
    assert outcome.is_good, outcome
    assert outcome.kills == 2
    assert mark.alive() == []


class Scripted:
    """A site that reports and is what a test wants."""

    def __init__(self, status: str, commanded: float | None, actual: float | None) -> None:
        state = {"shedState": int(actual is not None), "allowed_kw": actual}
        reported = {"shedState": state["shedState"], "allowedLoad": actual or 0.0}
        self._said = {**reported, "commandedLoad": commanded, "shedStatus": status}
        self._state = state

    def answers(self) -> dict[str, object]:
        return {"a": self._said}

    def actual(self) -> dict[str, object]:
        return {"a": self._state}


@pytest.mark.parametrize(
    ("status", "commanded", "actual", "wrong"),
    [
        ("in force", 2.0, 2.0, None),
        ("adopted", None, 2.0, None),
        ("pending", 2.0, None, None),
        ("in force", 2.0, None, "false"),
        ("in force", 3.0, 2.0, "false"),
        ("adopted", None, None, "false"),
        ("none", None, 2.0, "orphans"),
        ("none", None, None, None),
    ],
)
def test_the_judge_sees_what_is_wrong(
    status: str, commanded: float | None, actual: float | None, wrong: str | None
) -> None:
    outcome = Outcome(kills=1)
    judge(Scripted(status, commanded, actual), "here", outcome)  # type: ignore[arg-type]
    assert outcome.is_good == (wrong is None)
    assert wrong is None or len(getattr(outcome, wrong)) == 1
