"""A limit that was written and not sent is marked, and raises an alert where nothing follows."""

from __future__ import annotations

import pytest

from chargepoint_driver.service import ShedOptions

from ..conftest import Rig

GROUP = "39491"
STAGED = ShedOptions(staged_alert_minutes=5, writer="platform.ilc")


@pytest.mark.parametrize("group", [None, GROUP])
def test_the_answer_and_the_reason_say_so(rig: Rig, group: str | None) -> None:
    warnings: list[str] = []
    point = rig.point("allowedLoad", group=group)
    assert rig.service.write(point, 2.0, STAGED, warnings) == 2.0
    (said,) = warnings
    assert "is staged, not sent; write shedState 1" in said
    assert "platform.ilc" in said
    reason = rig.read("shedReason", group=group)
    assert "allowedLoad 2 kW was written by platform.ilc at " in str(reason)
    rig.write("shedState", 1, group=group, options=STAGED)
    assert "staged" not in str(rig.read("shedReason", group=group))


def test_an_alert_where_nothing_follows(rig: Rig) -> None:
    for _ in range(4):  # writing it again sends nothing either
        rig.write("allowedLoad", 2.0, options=STAGED)
        rig.live(1)
    assert rig.alerts == []
    rig.live(2)
    ((_, what),) = rig.alerts
    assert "not sent" in what
    assert "the point limit" in what
    rig.live(30)
    assert len(rig.alerts) == 1


@pytest.mark.parametrize("follows", ["sent", "reverted", "released"])
def test_no_alert_where_something_follows(rig: Rig, follows: str) -> None:
    rig.write("allowedLoad", 2.0, options=STAGED)
    if follows == "sent":
        rig.write("shedState", 1, options=STAGED)
    elif follows == "reverted":
        rig.revert()
    else:
        rig.write("allowedLoad", 0, options=ShedOptions(zero="release"))
    rig.live(15)
    assert rig.alerts == []


def test_the_alert_comes_back_the_next_time(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0, options=STAGED)
    rig.live(6)
    rig.revert()
    rig.live(1)
    rig.write("allowedLoad", 2.0, options=STAGED)
    rig.live(6)
    assert len(rig.alerts) == 2


def test_zero_minutes_raise_none(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0, options=ShedOptions(staged_alert_minutes=0))
    rig.live(60)
    assert rig.alerts == []
