"""The demo's chain of events: platform, driver, relay, file and JetStream, latest status.

The driver reaches the broker by its name, in a process that gevent has patched.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from chargepoint_driver.events import schema
from tests.unit.events import engines

from .demos import finished_demo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


def test_the_demo_shows_the_chain_of_events(tmp_path: Path) -> None:
    if not engines.nats_binaries():
        engines.missing("nats-server")
    demo = finished_demo(tmp_path, "--events")
    assert demo.code == 0, demo.text
    assert (demo.homes_left, demo.processes_left) == ([], [])
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    validator = Draft202012Validator(schema())
    for event in events:
        validator.validate(event)
    assert {event["account"] for event in events} == {"garage"}
    assert {"status", "load", "session", "shed"} <= {event["kind"] for event in events}
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    sheds = [event["data"] for event in events if event["kind"] == "shed"]
    limits = [data["allowed_load_kw"] for data in sheds if data["allowed_load_kw"] is not None]
    assert pytest.approx(demo.report["allowed_load_kw"], abs=0.01) == limits[0]
    # What is printed was read from the broker, by a client of its own.
    found = re.search(r"(\d+) events in the JetStream stream CHARGEPOINT", demo.text)
    assert found is not None, demo.text
    assert 0 < int(found[1]) <= len(events)
    assert len(re.findall(r"^  1:\d+: \w+, (?:up|down), load ", demo.text, re.MULTILINE)) == 4
    log = (tmp_path / "logs" / "platform.driver.log").read_text()
    assert "takes no events" not in log
