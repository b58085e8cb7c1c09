"""`limit` reads what applies now, and writing back what it read does what the writer means."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chargepoint_driver.errors import ChargePointError, InvalidValueError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import WRITABLE, Rig

STAGED = ShedOptions()
GROUP = "39491"


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


@pytest.fixture(autouse=True)
def _may_write_limits() -> Iterator[None]:
    WRITABLE.add("limit")
    yield
    WRITABLE.discard("limit")


def rated(rig: Rig, port: int = 1) -> float:
    return float(rig.actual(port)["rated_kw"])


@pytest.mark.parametrize("port", [1, None])
@pytest.mark.parametrize("options", [STAGED, ShedOptions(on_write=True)])
def test_save_write_and_write_back_charges_afterwards(
    rig: Rig, port: int | None, options: ShedOptions
) -> None:
    saved = rig.read("limit", port)
    assert saved == (rated(rig) if port else rated(rig, 1) + rated(rig, 2))
    assert rig.write("limit", 2.0, port, options=options) == 2.0
    assert rig.actual()["shedState"]
    assert rig.read("limit", port) == 2.0
    assert rig.write("limit", saved, port, options=options) == saved
    assert rig.ceiling() is None
    assert rig.read("limit", port) == saved
    assert rig.status(port=port) == "released"
    assert rig.alerts == []


def test_the_rated_power_sends_nothing_where_nothing_is_limited(rig: Rig) -> None:
    rig.write("limit", rated(rig))
    rig.write("limit", 1_000)
    assert rig.sent() == 0


def test_above_the_rated_power_releases(rig: Rig) -> None:
    rig.write("limit", 2.0)
    rig.write("limit", rated(rig) + 50)
    assert rig.ceiling() is None


def test_a_revert_releases(rig: Rig) -> None:
    rig.write("limit", 2.0)
    assert rig.service.revert(rig.point("limit"))
    assert rig.ceiling() is None
    assert rig.read("limit") == rated(rig)


def test_zero_stops_and_reads_zero(rig: Rig) -> None:
    assert rig.write("limit", 0) == 0.0
    assert rig.ceiling() == 0.0
    assert rig.read("limit") == 0.0
    assert rig.alerts == []


def test_all_of_the_load_shed_reads_zero(rig: Rig) -> None:
    rig.write("percentShed", 100)
    assert rig.read("limit") == 0.0


def test_a_percentage_reads_what_it_came_to(rig: Rig) -> None:
    load_kw = rig.read("portLoad")
    rig.write("percentShed", 50)
    assert isinstance(load_kw, float)
    assert rig.read("limit") == pytest.approx(load_kw / 2, abs=0.01)


def test_another_controllers_limit_is_saved_and_written_back(rig: Rig) -> None:
    station = rig.sim.world.stations[0]
    limit = Limit(allowed_kw=3.0)
    rig.sim.world.shed([station], limit, 0, [(station.port(1), limit)])
    saved = rig.read("limit")
    assert saved == 3.0
    rig.write("limit", 1.5)
    rig.write("limit", saved)
    assert rig.ceiling() == 3.0


def test_before_the_service_acts_the_command_counts(make_rig: Callable[..., Rig]) -> None:
    slow = make_rig()
    saved = slow.read("limit")
    slow.write("limit", 2.0)
    assert slow.read("limit") == 2.0
    slow.live(6)
    assert slow.read("limit") == 2.0
    # The clear takes ten minutes. An agent that saves the value now must not find 2.0.
    slow.write("limit", saved)
    assert slow.read("allowedLoad") == 2.0
    assert slow.read("limit") == saved
    slow.live(11)
    assert slow.read("limit") == saved


def test_a_command_that_does_not_show_counts_no_more(make_rig: Callable[..., Rig]) -> None:
    never = make_rig(shed_delay_s=7_200.0)
    free = never.read("limit")
    never.write("limit", 2.0)
    never.live(12)
    assert never.status() == "failed"
    assert never.read("limit") == free


def test_a_station_with_one_limited_port_reads_the_sum(rig: Rig) -> None:
    rig.write("limit", 2.0, 1)
    assert rig.read("limit", None) == 2.0 + rated(rig, 2)
    assert rig.read("limit", 2) == rated(rig, 2)


def test_the_rated_power_is_asked_for_once(rig: Rig) -> None:
    for _ in range(5):
        rig.read("limit")
        rig.read("limit", 2)
    assert rig.sim.calls.count("getStations") == 1


def test_a_rated_power_that_is_not_known_is_an_error_and_never_a_number(rig: Rig) -> None:
    rig.sim.faults.set("getStations", "http", status=503)
    reading = rig.service.read({"limit": rig.point("limit")})
    assert not reading.values
    assert isinstance(reading.errors["limit"], ChargePointError)
    # A limit in force is known without it, and can be written.
    assert rig.write("limit", 2.0) == 2.0


@pytest.mark.parametrize("value", [-1, "x", None, float("nan"), True, 20_000])
def test_what_is_no_limit_is_refused(rig: Rig, value: object) -> None:
    with pytest.raises(InvalidValueError):
        rig.write("limit", value)
    assert rig.sent() == 0


def test_a_group_is_saved_written_and_written_back(rig: Rig) -> None:
    saved = rig.read("limit", group=GROUP)
    assert isinstance(saved, float)
    assert saved > 20
    assert rig.write("limit", 20.0, group=GROUP) == 20.0
    assert rig.read("commandedLoad", group=GROUP) == 20.0
    assert rig.write("limit", saved, group=GROUP) == saved
    assert rig.read("shedState", group=GROUP) == 0
    sent = rig.sent()
    rig.write("limit", saved, group=GROUP)
    assert rig.sent() == sent
