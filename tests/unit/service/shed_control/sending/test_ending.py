"""How long a limit is wanted: deadlines, which nobody's renewing outlives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import ShedOptions, check_minutes

from ..conftest import STATION, Rig

ONE = ShedOptions(on_write=True, wanted_minutes=1)
TWENTY = ShedOptions(on_write=True, wanted_minutes=20)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


@pytest.mark.parametrize("port", [1, None])
def test_a_shed_for_one_minute_is_over_after_one(rig: Rig, port: int | None) -> None:
    rig.write("allowedLoad", 3.0, port, options=ONE)
    assert rig.sim.world.commands[-1].arguments["timeInterval"] == 1
    rig.pass_(59)
    rig.service.control.supervisor.run_due()
    assert rig.ceiling() is not None
    rig.pass_(2)
    rig.service.control.supervisor.run_due()
    assert rig.ceiling() is None
    assert rig.sent("clearShedState") == 1
    assert rig.status(port=port) == "released"
    assert "its time is over" in rig.read("shedReason", port)
    assert rig.alerts == []


def test_renewing_does_not_outlive_it(rig: Rig) -> None:
    short = ShedOptions(minutes=5, on_write=True, wanted_minutes=20)
    rig.write("allowedLoad", 3.0, options=short)
    ends = rig.read("shedEnds")
    rig.live(19)
    assert (rig.ceiling(), rig.read("shedEnds")) == (3.0, ends)
    assert rig.sent("shedLoad") > 3
    rig.live(2)
    assert (rig.ceiling(), rig.read("shedEnds")) == (None, None)
    rig.live(60)
    assert rig.ceiling() is None


def test_it_lasts_over_a_restart(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=TWENTY)
    rig.restart(after_s=300)
    assert rig.read("shedEnds") is not None
    rig.live(14)
    assert rig.ceiling() == 3.0
    rig.live(2)
    assert rig.ceiling() is None


def test_it_ends_although_the_process_does(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=TWENTY)
    rig.live(12)  # renewed for the rest
    rig.service.close()
    rig.pass_(9 * 60)
    assert rig.ceiling() is None
    rig.service = rig._serve()


def test_a_service_that_is_down_then_is_told_later(rig: Rig) -> None:
    short = ShedOptions(minutes=60, on_write=True, wanted_minutes=20)
    rig.write("allowedLoad", 3.0, options=short)
    rig.live(12)
    rig.sim.faults.set("clearShedState", "http", status=503)
    rig.live(9)
    renewed = rig.sent("shedLoad")
    rig.live(10)
    assert rig.sent("shedLoad") == renewed  # nothing renews it any more
    rig.sim.faults.clear()
    rig.live(2)
    assert rig.status() == "released"


def test_the_next_write_has_its_own(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=ONE)
    rig.write("allowedLoad", 2.0)
    rig.live(30)
    assert (rig.ceiling(), rig.read("shedEnds")) == (2.0, None)


def test_a_group_is_cleared_as_one(rig: Rig) -> None:
    (found,) = [each for each in rig.sim.world.groups if STATION in each.station_ids][:1]
    group = str(found.group_id)
    rig.write("allowedLoad", 20.0, None, group=group, options=TWENTY)
    assert rig.read("shedEnds", group=group) is not None
    rig.live(19)
    assert rig.ceiling() is not None
    rig.live(2)
    assert rig.ceiling() is None
    assert "its time is over" in rig.read("shedReason", group=group)


@pytest.mark.parametrize("minutes", [-1, float("nan"), "soon", True, 1e9])
def test_what_is_no_time(minutes: object) -> None:
    with pytest.raises(InvalidValueError, match="minutes"):
        check_minutes(minutes)
