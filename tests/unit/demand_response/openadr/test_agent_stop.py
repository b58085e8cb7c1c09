"""A stop of the agent: it releases at once, and again until the chargers take it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from chargepoint_driver.demand_response.chargers import Measured
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig

from .rig import PATIENCE_S, free_port

pytest.importorskip("aiohttp", reason="needs the extra openadr")
from chargepoint_driver.demand_response.openadr import agent as agents


class SlowChargers:
    """Chargers that answer no look, and refuse the first releases."""

    def __init__(self, refusals: int = 0) -> None:
        self.looked, self.answers = threading.Event(), threading.Event()
        self.calls: list[str] = []
        self.refusals = refusals

    def measure(self) -> Measured:
        self.looked.set()
        self.answers.wait(PATIENCE_S)
        return Measured(None, None, None, 1, 0)

    def hold(self, total_kw: float) -> list[str]:
        self.calls.append(f"hold {total_kw:g}")
        return []

    def release(self) -> list[str]:
        self.calls.append("release")
        if self.refusals:
            self.refusals -= 1
            return ["refused"]
        return []

    def close(self) -> None:
        pass


def config(folder: Path, **fields: object) -> OpenAdrConfig:
    vtn = {"version": "3", "url": f"http://127.0.0.1:{free_port()}"}
    state = folder / "openadr.sqlite"
    return OpenAdrConfig.from_dict(
        {"ven_name": "ven", "vtns": {"away": vtn}, "state_file": state, **fields}
    )


def stopped_in_a_look(chargers: SlowChargers, settings: OpenAdrConfig) -> agents.OpenAdrAgent:
    """An agent that holds a limit, and is stopped while the chargers do not answer."""

    async def life() -> agents.OpenAdrAgent:
        agent = agents.OpenAdrAgent(settings, chargers)
        agent.ven.is_limiting = True
        running = asyncio.create_task(agent.run())
        await asyncio.to_thread(chargers.looked.wait, PATIENCE_S)
        agent.stop()
        await asyncio.wait_for(running, PATIENCE_S)
        return agent

    try:
        return asyncio.run(life())
    finally:
        chargers.answers.set()


def test_the_release_does_not_wait_for_a_look_in_progress(tmp_path: Path) -> None:
    chargers = SlowChargers()
    stopped_in_a_look(chargers, config(tmp_path))
    assert chargers.calls == ["release"]


def test_a_release_that_failed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "_RETRY_S", 0.01)
    chargers = SlowChargers(refusals=2)
    stopped_in_a_look(chargers, config(tmp_path))
    assert chargers.calls == ["release"] * 3


def test_chargers_that_never_take_it_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agents, "_RETRY_S", 0.01)
    monkeypatch.setattr(agents, "_STOP_LIMIT_S", 0.1)
    stopped_in_a_look(SlowChargers(refusals=1000), config(tmp_path, lease_seconds=120))
    assert "the limit stays until its lease of 120 seconds ends" in caplog.text


def test_leave_writes_nothing(tmp_path: Path) -> None:
    chargers = SlowChargers()
    stopped_in_a_look(chargers, config(tmp_path, on_stop="leave"))
    assert chargers.calls == []
