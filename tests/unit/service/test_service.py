"""Reading points: each is in values or in errors, and a failure costs only its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import AuthenticationError, NotFoundError, TransientError
from chargepoint_driver.registry import Point

from .conftest import OTHER, STATION, Rig

NAMES = ("portLoad", "shedState", "alarmType")


def points(rig: Rig, *stations: str) -> dict[str, Point]:
    return {
        f"{station}/{name}": rig.point(name, 1, station) for station in stations for name in NAMES
    }


def test_values_and_ages(rig: Rig) -> None:
    wanted = points(rig, STATION, OTHER)
    reading = rig.service.read(wanted)
    assert reading.values.keys() == reading.ages_s.keys() == wanted.keys()
    assert reading.errors == {}
    assert set(reading.ages_s.values()) == {0.0}
    rig.clock.pass_(20.0)
    assert set(rig.service.read(wanted).ages_s.values()) == {20.0}


def test_nothing_wanted(rig: Rig) -> None:
    reading = rig.service.read({})
    assert (reading.values, reading.errors) == ({}, {})
    assert rig.sim.calls.total == 0


def test_one_name_for_a_point_read_twice(rig: Rig) -> None:
    point = rig.point("portLoad")
    reading = rig.service.read({"a": point, "b": point})
    assert reading.values["a"] == reading.values["b"]
    assert rig.sim.calls.total == 1


def test_the_reader_who_wants_the_newest_decides(rig: Rig) -> None:
    """Points of one call with different currencies are answered from the same reply."""
    rig.read("portLoad")
    rig.clock.pass_(31.0)
    assert rig.service.read(points(rig, STATION)).ages_s[f"{STATION}/portLoad"] == 0.0


def test_a_failed_call_costs_only_its_own_points(rig: Rig) -> None:
    rig.sim.faults.set("getAlarms", "http", status=503)
    reading = rig.service.read(points(rig, STATION, OTHER))
    assert set(reading.errors) == {f"{STATION}/alarmType", f"{OTHER}/alarmType"}
    assert all(isinstance(error, TransientError) for error in reading.errors.values())
    assert len(reading.values) == 4


def test_a_port_that_is_not_there_costs_only_itself(rig: Rig) -> None:
    reading = rig.service.read({"p1": rig.point("portLoad"), "p9": rig.point("portLoad", 9)})
    assert set(reading.values) == {"p1"}
    assert isinstance(reading.errors["p9"], NotFoundError)


def test_a_failure_is_never_a_value(rig: Rig) -> None:
    wanted = points(rig, STATION)
    rig.service.read(wanted)
    rig.clock.pass_(1_000.0)
    rig.sim.faults.set("*", "drop")
    reading = rig.service.read(wanted)
    assert reading.values == {}
    assert all("1000 s old" in str(error) for error in reading.errors.values())


def test_corrected_settings_count_at_once(rig: Rig) -> None:
    rig.sim.accounts.add(rig.sim.username, "another")
    wanted = points(rig, STATION)
    assert all(
        isinstance(error, AuthenticationError) for error in rig.service.read(wanted).errors.values()
    )
    fields = rig.account.model_dump() | {"password": "another"}
    rig.service.reconfigure(type(rig.account)(**fields))
    assert rig.service.read(wanted).errors == {}


def test_many_readers_at_once(rig: Rig) -> None:
    wanted, readings = points(rig, STATION, OTHER), []
    threads = [
        threading.Thread(target=lambda: readings.append(rig.service.read(wanted)))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(readings) == 50
    assert all(reading.values == readings[0].values for reading in readings)
    # getStations for the groups, then one request for each call.
    assert rig.sim.calls.counts() == {"getStations": 1, "getLoad": 1, "getAlarms": 1}


@pytest.mark.parametrize("stations", [1, 2, 100])
def test_the_cost_of_live_points(make_rig: Callable[..., Rig], stations: int) -> None:
    rig = make_rig(stations=stations)
    wanted = points(rig, *(station.station_id for station in rig.sim.world.stations))
    assert rig.service.read(wanted).errors == {}
    rig.sim.calls.reset()
    rig.pass_(31.0)
    rig.service.read(wanted)
    assert rig.sim.calls.counts() == {"getLoad": 1, "getAlarms": 1}


def test_a_closed_service_leaves_nothing(rig: Rig) -> None:
    rig.read("portLoad")
    rig.service.close()
    rig.service.close()


class TestCurrencyOfEachPoint:
    """A point within its own currency is a value also when a stricter row of its call fails."""

    def wanted(self, rig: Rig) -> dict[str, Point]:
        point = rig.point("portLoad")
        return {
            "strict": replace(point, currency_s=10.0),
            "patient": replace(point, currency_s=60.0),
            "own": replace(rig.point("siteLoad"), currency_s=60.0),
            "commanded": rig.point("commandedLoad"),
        }

    def test_the_call_fails(self, rig: Rig) -> None:
        wanted = self.wanted(rig)
        good = rig.service.read(wanted)
        assert good.errors == {}
        rig.sim.faults.set("getLoad", "http", status=503)
        rig.clock.pass_(40.0)
        for _ in range(2):  # the second time the call is held back
            reading = rig.service.read(wanted)
            assert set(reading.errors) == {"strict"}
            assert reading.values == {name: good.values[name] for name in reading.values}
            assert reading.ages_s["patient"] == 40.0
        rig.clock.pass_(20.1)
        assert set(rig.service.read(wanted).errors) == {"strict", "patient", "own"}

    def test_the_patient_point_alone_and_beside_the_strict_one_are_the_same(self, rig: Rig) -> None:
        wanted = self.wanted(rig)
        rig.service.read(wanted)
        rig.sim.faults.set("getLoad", "http", status=503)
        rig.clock.pass_(40.0)
        together = rig.service.read(wanted)
        alone = rig.service.read({"patient": wanted["patient"]})
        assert together.values["patient"] == alone.values["patient"]

    def test_not_after_a_write(self, rig: Rig) -> None:
        wanted = self.wanted(rig)
        rig.service.read(wanted)
        rig.sim.faults.set("getLoad", "http", status=503)
        rig.service.cache.touch(Data.LOAD, STATION)
        assert {"strict", "patient"} <= set(rig.service.read(wanted).errors)
