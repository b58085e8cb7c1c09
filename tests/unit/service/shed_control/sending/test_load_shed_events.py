"""Load shed events: announced to the service, with the checks of a shed, and sent once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    OutcomeUnknownError,
    RefusedError,
)
from chargepoint_driver.service import ShedController

from ..conftest import STATION, Rig

TARGET = Target(STATION)


def soon(rig: Rig, minutes: float = 10) -> datetime:
    moment = max(rig.now_s, rig.sim.world.now_s())
    return datetime.fromtimestamp(moment, timezone.utc) + timedelta(minutes=minutes)


def create(rig: Rig, **changes: Any) -> int:
    wish: dict[str, Any] = {
        "target": TARGET,
        "start": soon(rig),
        "minutes": 30,
        "allowed_load_per_port": 2.0,
        **changes,
    }
    return rig.service.control.events.create(wish.pop("target"), **wish)


def test_an_event_is_announced_and_removed(rig: Rig) -> None:
    event = create(rig)
    assert rig.sim.calls.count("createLoadShedEvent") == 1
    rig.service.control.events.remove(event)
    with pytest.raises(ChargePointError):
        rig.service.control.events.remove(event)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"allowed_load_per_port": None}, "exactly one"),
        ({"percent_shed_per_station": 20}, "exactly one"),
        ({"allowed_load_per_port": -1.0}, "not within"),
        ({"allowed_load_per_port": float("nan")}, "not finite"),
        ({"allowed_load_per_port": None, "percent_shed_per_station": 120}, "percentage"),
        ({"minutes": 0}, "not within"),
        ({"minutes": 2.5}, "whole minutes"),
        ({"start": datetime(2000, 1, 1)}, "time zone"),
        ({"start": datetime(2000, 1, 1, tzinfo=timezone.utc)}, "over already"),
        ({"target": Target(STATION, 1)}, "not for one port"),
        ({"allow_opt_out": "yes"}, "true or false"),
    ],
)
def test_what_makes_no_sense_is_refused(rig: Rig, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        create(rig, **changes)
    assert rig.sim.calls.total == 0


@pytest.mark.parametrize("event", [True, "1", None, 1.0])
def test_an_event_has_a_number(rig: Rig, event: Any) -> None:
    with pytest.raises(InvalidValueError, match="event_id"):
        rig.service.control.events.remove(event)
    assert rig.sim.calls.total == 0


def test_an_event_whose_answer_is_lost_is_not_announced_twice(rig: Rig) -> None:
    rig.sim.faults.set("createLoadShedEvent", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        create(rig)
    assert rig.sim.calls.count("createLoadShedEvent") == 1


def test_a_backend_without_events_says_what_to_do(rig: Rig) -> None:
    class Without:
        name = "another"

    control = ShedController(Without(), rig.service.cache, 10.0)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="another has no load shed events; write allowedLoad"):
        control.events.remove(1)
