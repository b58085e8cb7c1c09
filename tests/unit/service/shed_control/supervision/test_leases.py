"""A limit under a lease is kept only while its writer writes again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import ShedOptions

from ..conftest import STATION, WRITABLE, Rig

AGENT = ShedOptions(on_write=True, lease_s=60.0, writer="dr.agent")


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


@pytest.fixture(autouse=True)
def _may_write_leases() -> object:
    WRITABLE.add("commandLease")
    yield
    WRITABLE.discard("commandLease")


def tick(rig: Rig, seconds: float, step_s: float = 5.0) -> None:
    """Time passes, and the keeper looks as often as its thread would."""
    for _ in range(int(seconds / step_s)):
        rig.pass_(step_s)
        rig.service.control.supervisor.run_due()


@pytest.mark.parametrize("port", [1, None])
def test_a_writer_that_dies_leaves_nothing_behind(rig: Rig, port: int | None) -> None:
    rig.write("allowedLoad", 3.0, port, options=AGENT)
    tick(rig, 55)
    assert rig.ceiling() is not None
    tick(rig, 10)
    assert rig.ceiling() is None
    assert rig.read("shedReason", port) == "lease of dr.agent ran out"
    assert rig.status(port=port) == "released"
    (alert,) = rig.alerts
    assert "lease of dr.agent ran out" in alert[1]


def test_one_that_writes_again_keeps_it(rig: Rig) -> None:
    for _ in range(10):
        rig.write("allowedLoad", 3.0, options=AGENT)
        tick(rig, 45)
    assert rig.ceiling() == 3.0
    rig.write("allowedLoad", 2.0, options=AGENT)
    tick(rig, 45)
    assert rig.ceiling() == 2.0
    assert rig.alerts == []


def test_the_same_value_renews_and_sends_nothing(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=AGENT)
    sent = rig.sent()
    for _ in range(5):
        rig.write("allowedLoad", 3.0, options=AGENT)
    assert rig.sent() == sent
    assert rig.read("shedEnds") is not None


def test_the_process_that_dies_leaves_no_more_than_the_lease(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=AGENT)
    assert rig.sim.world.commands[-1].arguments["timeInterval"] == 1
    tick(rig, 40)  # renewed within the lease
    rig.service.close()
    rig.pass_(61)
    assert rig.ceiling() is None
    rig.service = rig._serve()


def test_a_restart_forgets_no_lease(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=AGENT)
    rig.restart(after_s=20)
    assert rig.status() == "adopted"
    tick(rig, 35)
    assert rig.ceiling() == 3.0
    tick(rig, 10)
    assert rig.ceiling() is None
    assert rig.read("shedReason") == "lease of dr.agent ran out"


def test_a_clock_that_is_set_makes_no_lease_longer(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=AGENT)
    rig.set_by_s = -86_400.0
    rig.restart()
    tick(rig, 65)
    assert rig.ceiling() is None


def test_it_is_a_point(rig: Rig) -> None:
    assert rig.read("commandLease") == 0
    rig.write("commandLease", 30)
    rig.write("allowedLoad", 3.0)
    assert rig.read("commandLease") == 30
    tick(rig, 25)
    rig.write("commandLease", 30)  # a write too
    tick(rig, 25)
    assert rig.ceiling() == 3.0
    tick(rig, 10)
    assert rig.ceiling() is None
    rig.write("commandLease", 0)
    rig.write("allowedLoad", 3.0)
    tick(rig, 600, 30.0)
    assert rig.ceiling() == 3.0


def test_a_lease_for_what_is_in_force_shortens_what_was_sent(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    assert rig.sim.world.commands[-1].arguments["timeInterval"] == 60
    rig.write("commandLease", 120)
    assert rig.sim.world.commands[-1].arguments["timeInterval"] == 2
    rig.write("commandLease", 0)
    tick(rig, 300, 30.0)
    assert rig.ceiling() == 3.0


@pytest.mark.parametrize("value", [-1, 1, 90_000, "x", True, float("nan")])
def test_what_is_no_lease(rig: Rig, value: object) -> None:
    with pytest.raises(InvalidValueError):
        rig.write("commandLease", value)


def test_what_was_before_comes_back(rig: Rig) -> None:
    rig.write("allowedLoad", 5.0, options=ShedOptions(on_write=True))
    foreign = rig.ceiling()
    rig.restart()
    with sqlite3.connect(rig.folder / "commands.sqlite") as db:
        for table in ("commands", "periods", "loads"):
            db.execute(f"DELETE FROM {table}")
    rig.restart()  # a limit of somebody else
    rig.write("allowedLoad", 3.0, options=AGENT)
    tick(rig, 65)
    assert rig.ceiling() == foreign
    assert "lease of dr.agent ran out" in rig.read("shedReason")


def test_a_group_has_one_lease(rig: Rig) -> None:
    (found,) = [each for each in rig.sim.world.groups if STATION in each.station_ids][:1]
    group = str(found.group_id)
    rig.write("allowedLoad", 20.0, None, group=group, options=AGENT)
    tick(rig, 50)
    rig.write("allowedLoad", 20.0, None, group=group, options=AGENT)
    tick(rig, 50)
    assert rig.ceiling() is not None
    tick(rig, 15)
    assert rig.ceiling() is None
    assert rig.read("shedReason", group=group).startswith("lease of dr.agent ran out")
    assert [about for about, _ in rig.alerts] == [f"station group {group}"]


def test_a_group_is_not_renewed_after_its_lease_although_nothing_is_read(rig: Rig) -> None:
    (found,) = [each for each in rig.sim.world.groups if STATION in each.station_ids][:1]
    group = str(found.group_id)
    rig.write("allowedLoad", 20.0, None, group=group, options=AGENT)
    tick(rig, 40)
    rig.sim.faults.set("getLoad", "http", status=503)
    tick(rig, 90)
    assert rig.ceiling() is None
    rig.sim.faults.clear()
    tick(rig, 60)
    assert rig.read("shedReason", group=group).startswith("lease of dr.agent ran out")


def test_another_port_of_the_same_writer_is_a_sign_of_life(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, 1, options=AGENT)
    tick(rig, 40)
    rig.write("allowedLoad", 3.0, 2, options=AGENT)
    tick(rig, 40)
    assert (rig.ceiling(1), rig.ceiling(2)) == (3.0, 3.0)
    tick(rig, 25)
    assert (rig.ceiling(1), rig.ceiling(2)) == (None, None)
