"""The examples of the guide are what the code accepts and answers."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

from chargepoint_driver.config import DeviceConfig
from chargepoint_driver.demand_response.event_messages import Events
from chargepoint_driver.service.shed_control.records.command_state import Status

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "demand-response.md").read_text(encoding="utf-8")
SHOWN = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]


def test_every_word_of_shed_status_is_explained() -> None:
    explained = re.findall(r"^\| `([a-z ]+)` \|", GUIDE, re.MULTILINE)
    assert {status.value for status in Status} <= set(explained)


def test_the_group_that_is_shown_is_a_good_device() -> None:
    (fields,) = (shown["driver_config"] for shown in SHOWN if "driver_config" in shown)
    assert DeviceConfig.from_dict(fields).division == "load"


def test_the_event_that_is_shown_is_accepted() -> None:
    (message,) = (shown for shown in SHOWN if "event_id" in shown)
    events = Events({"levels": {"2": 20.0}, "prices": {}}, [], datetime.now(timezone.utc))
    before = datetime(2026, 7, 1, 20, 59, tzinfo=timezone.utc)
    assert events.take(message, before) == "accepted"
    assert events.allowed_kw(before.replace(hour=21)) == 20.0


def test_the_agent_of_the_demo_is_short() -> None:
    path = ROOT / "chargepoint_driver" / "examples" / "demand_response_agent.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) < 150
