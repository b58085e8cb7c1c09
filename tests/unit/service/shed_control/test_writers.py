"""Who wrote what, when, by which identity; and two agents that write in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import ShedOptions

from .conftest import STATION, Rig

ILC = ShedOptions(on_write=True, writer="platform.ilc")
CAP = replace(ILC, writer="site.cap")
GROUP = "39491"


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


@pytest.mark.parametrize(("port", "group"), [(1, None), (None, None), (None, GROUP)])
def test_the_reason_says_who_wrote(rig: Rig, port: int | None, group: str | None) -> None:
    rig.write("allowedLoad", 20.0, port, options=ILC, group=group)
    reason = str(rig.read("shedReason", port, group=group))
    assert "written by platform.ilc at 2027-01-15T08:00:00+00:00" in reason
    rig.pass_(60)
    rig.write("allowedLoad", 18.0, port, options=CAP, group=group)
    reason = str(rig.read("shedReason", port, group=group))
    assert "written by site.cap at 2027-01-15T08:01:00+00:00" in reason


def test_a_write_that_replaces_another_agents_limit_says_so(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=ILC)
    warnings: list[str] = []
    rig.service.write(rig.point("allowedLoad"), 2.0, CAP, warnings)
    (said,) = warnings
    assert "allowedLoad 3 kW of platform.ilc, written at 2027-" in said
    warnings.clear()
    rig.service.write(rig.point("allowedLoad"), 1.5, CAP, warnings)
    assert warnings == []


def test_two_agents_in_turns_raise_one_alert(rig: Rig) -> None:
    for _ in range(3):
        rig.write("allowedLoad", 3.0, options=ILC)
        rig.write("allowedLoad", 2.0, options=CAP)
    ((_, what),) = rig.alerts
    assert "platform.ilc and site.cap write limits in turns" in what
    rig.write("shedState", 0, options=ILC)
    rig.write("allowedLoad", 3.0, options=CAP)
    assert len(rig.alerts) == 1


def test_the_audit_is_kept_over_a_restart(rig: Rig) -> None:
    for _ in range(3):  # a repeated write is one
        rig.write("allowedLoad", 3.0, options=ILC)
    with pytest.raises(InvalidValueError):
        rig.write("allowedLoad", -1, options=CAP)
    rig.write("allowedLoad", 2.0, options=replace(CAP, on_write=False))
    rig.write("allowedLoad", 2.0, 2, options=replace(CAP, on_write=False))
    rig.restart()
    found = [
        (w["station"], w["port"], w["value"], w["writer"], w["outcome"])
        for w in rig.service.control.writers.newest()
    ]
    assert found == [
        (STATION, 2, "2.0", "site.cap", "staged"),
        (STATION, 1, "2.0", "site.cap", "sent"),
        (STATION, 1, "-1", "site.cap", "bad_value"),
        (STATION, 1, "3.0", "platform.ilc", "sent"),
    ]
    assert rig.service.control.writers.newest(1)[0]["time"] == "2027-01-15T08:00:00+00:00"


@pytest.mark.parametrize(("port", "group"), [(1, None), (None, GROUP)])
def test_a_revert_is_in_the_audit(rig: Rig, port: int | None, group: str | None) -> None:
    point = rig.point("allowedLoad", port, group=group)
    assert not rig.service.revert(point, "site.cap")  # nothing to revert
    rig.write("allowedLoad", 18.0, port, options=ILC, group=group)
    assert rig.service.revert(point, "site.cap")
    found = [
        (w["point"], w["value"], w["writer"], w["outcome"])
        for w in rig.service.control.writers.newest()
    ]
    assert found == [
        ("allowedLoad", "revert", "site.cap", "sent"),
        ("allowedLoad", "18.0", "platform.ilc", "sent"),
    ]
