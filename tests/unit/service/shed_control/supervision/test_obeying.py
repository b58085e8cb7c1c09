"""A limit that is accepted and reported, and not obeyed: the measured load is the third truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.service import ShedOptions

from ..conftest import AT_ONCE, OTHER, STATION, Rig

POLL_S = 30.0


def ignore(rig: Rig, **params: Any) -> None:
    """From now on sheds are accepted and shown, and nobody obeys."""
    rig.sim.faults.set("shedLoad", "ignores_shed", **params)


def poll(rig: Rig, seconds: float, **target: Any) -> list[str]:
    """The status of each poll, while the keeper looks as often."""
    found = []
    for _ in range(int(seconds / POLL_S)):
        rig.pass_(POLL_S)
        found.append(rig.status(**target))
        rig.service.control.supervisor.run_due()
    return found


@pytest.mark.parametrize("port", [1, None])
def test_violated_within_the_time_of_effect_and_two_polls(rig: Rig, port: int | None) -> None:
    ignore(rig)
    rig.write("allowedLoad", 3.0, port)
    before = poll(rig, 300 - POLL_S, port=port)
    assert set(before) == {"pending"}  # the service takes five minutes to show it
    within = poll(rig, 3 * POLL_S, port=port)
    assert within[-1] == "violated"
    reason = rig.read("shedReason", port)
    load = sum(rig.actual(each)["load_kw"] for each in ((port,) if port else (1, 2)))
    assert f"{load:g} kW" in reason
    assert "3 kW" in reason
    (alert,) = rig.alerts
    assert f"{load:g} kW" in alert[1]
    assert "violated" in alert[1]
    poll(rig, 600, port=port)
    assert len(rig.alerts) == 1  # once until it is resolved


def test_it_goes_back_when_the_load_obeys(rig: Rig) -> None:
    ignore(rig, obeys_after_s=600)
    rig.write("allowedLoad", 3.0)
    assert poll(rig, 450)[-1] == "violated"
    assert poll(rig, 600)[-1] == "in force"
    rig.sim.faults.clear()
    ignore(rig)
    assert poll(rig, 2_400)[-1] == "violated"  # its renewal is ignored
    assert len(rig.alerts) == 2


def test_one_reading_is_one_measurement_however_often_it_is_read(rig: Rig) -> None:
    ignore(rig)
    rig.write("allowedLoad", 3.0)
    rig.pass_(301)
    for _ in range(5):
        reading = rig.service.read(
            {"shedStatus": current(rig, "shedStatus"), "portLoad": current(rig, "portLoad")}
        )
    assert reading.values["shedStatus"] == "in force"
    rig.pass_(61)
    assert rig.status() == "violated"


def current(rig: Rig, name: str) -> Any:
    """A point that may be a minute old."""
    point = rig.point(name)
    return type(point)(
        point.name,
        point.attribute,
        point.station_id,
        point.port,
        point.kind,
        point.unit,
        point.writable,
        None,
        60.0,
    )


def test_a_missing_load_neither_obeys_nor_violates(rig: Rig) -> None:
    ignore(rig)
    rig.write("allowedLoad", 3.0)
    rig.live(5)
    assert rig.status() == "in force"
    rig.sim.faults.set("getLoad", "missing_port", station=STATION, port=1)
    rig.live(2)
    rig.sim.faults.clear("getLoad")
    load = rig.service.control._commands.watch.loads.of(rig.point("shedState").target)
    assert load is None or load.above <= 1
    assert poll(rig, 60)[-1] == "violated"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ShedOptions(on_write=True, tolerance_kw=4.0), "in force"),
        (ShedOptions(on_write=True, tolerance_percent=100.0, tolerance_kw=0.0), "violated"),
        (ShedOptions(on_write=True, tolerance_kw=0.0, tolerance_percent=0.0), "violated"),
    ],
)
def test_the_tolerance_is_the_devices(rig: Rig, options: ShedOptions, said: str) -> None:
    ignore(rig)
    rig.write("allowedLoad", 3.0, options=options)
    rig.live(8)
    assert rig.status() == said


def test_nobody_has_to_poll(rig: Rig) -> None:
    ignore(rig)
    rig.write("allowedLoad", 3.0)
    rig.live(8)
    assert rig.status() == "violated"
    assert len(rig.alerts) == 1


def test_a_new_limit_is_given_its_time(rig: Rig) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(8)
    assert rig.status() == "in force"
    rig.write("allowedLoad", 2.0)
    assert set(poll(rig, 240)) == {"pending"}
    rig.live(3)
    assert rig.status() == "in force"
    assert rig.alerts == []


def test_a_group_is_violated_by_one_of_its_stations(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(stations=4)
    (found,) = [each for each in rig.sim.world.groups if STATION in each.station_ids][:1]
    group, members = str(found.group_id), set(found.station_ids)
    ignore(rig, station=STATION)
    rig.write("allowedLoad", 6.0, None, group=group)
    rig.live(8)
    status = rig.status(group=group)
    assert (status, STATION in members) == ("violated", True)
    assert STATION in rig.read("shedReason", group=group)
    assert [about for about, _ in rig.alerts] == [f"station group {group}"]


def test_what_was_staged_and_the_measured_reduction(rig: Rig) -> None:
    classic = ShedOptions()
    assert rig.read("stagedLoad") is rig.read("measuredReduction") is None
    rig.write("allowedLoad", 3.0, options=classic)
    assert rig.read("stagedLoad") == 3.0
    before = rig.actual()["load_kw"]
    rig.write("shedState", 1, options=classic)
    assert rig.read("stagedLoad") is None
    rig.live(6)
    assert rig.read("measuredReduction") == pytest.approx(before - 3.0, abs=0.05)
    rig.restart()
    assert rig.read("measuredReduction") == pytest.approx(before - 3.0, abs=0.05)
    rig.write("shedState", 0)
    assert rig.read("measuredReduction") is None
    rig.write("percentShed", 40, 2, OTHER, classic)
    assert rig.read("stagedPercent", 2, OTHER) == 40


def test_writes_say_what_they_cost(rig: Rig) -> None:
    def warnings(name: str, value: object, port: int | None = 1) -> list[str]:
        found: list[str] = []
        rig.service.write(rig.point(name, port), value, AT_ONCE, found)
        return found

    assert warnings("allowedLoad", 3.0) == []
    (stops,) = warnings("allowedLoad", 0.0)
    assert "stops charging" in stops
    (above,) = warnings("allowedLoad", 500.0)
    assert "above its rated power" in above
    rig.sim.world.unplug(STATION, 2)
    rig.pass_(31)
    (idle,) = warnings("percentShed", 50, 2)
    assert "a vehicle that comes will not charge" in idle
    assert rig.ceiling(2) is None or rig.sent("shedLoad") == 4  # nothing was refused
