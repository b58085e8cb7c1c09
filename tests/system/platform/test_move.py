"""Devices that are stored again with `cache_agent`, on a real platform: the driver reports that it
must be restarted, and the caching agent keeps up what is in force."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from examples.demo.run import CACHE, DRIVER
from tests.system.kills.kills import running

from .demos import Mark

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


def test_a_shed_moves_with_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with running(tmp_path, agent=False, ports=2) as site:
        logs = {name: tmp_path / f"{name}.log" for name in (CACHE, DRIVER)}

        def answer(name: str, words: str) -> bool:
            return words in logs[name].read_text(errors="replace")

        (topic, other) = site.ports
        assert site.write(topic, "allowedLoad", 2.0) is None
        site.start(CACHE)  # it has the account too, and takes nothing from the driver
        site.store({"cache_agent": CACHE, "account": "garage"})
        warning = f"devices/{topic}, devices/{other}: reached in another way now"
        site.wait_for("The warning", lambda: answer(DRIVER, warning))
        assert not answer(CACHE, "took over")
        assert site.answers()[topic]["shedStatus"] == "in force"

        site.stop(DRIVER)
        site.start(DRIVER)
        site.answers()
        site.wait_for("The move", lambda: answer(CACHE, "took over 1 limits that platform.driver"))
        found = site.answers()[topic]
        assert (found["shedStatus"], found["commandedLoad"]) == ("adopted", 2.0)
        assert site.actual()[topic]["allowed_kw"] == 2.0
        assert site.write(topic, "shedState", 0) is None
        assert site.actual()[topic]["shedState"] == 0
    assert mark.alive() == []
