"""Requests to the accounts of a caching agent: a bad one does not harm the others, and several
readers cost what one costs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
)
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import Simulator

from ..conftest import STATION, Time
from .conftest import account, asked, load


class TestRead:
    def test_many_points_of_many_stations_in_one_call(self, garage: Accounts, clock: Time) -> None:
        points = {f"{n} {p}": load(f"1:3400{n}", p) for n in (1, 2, 3, 4) for p in (1, 2)}
        answer = asked(garage, points)
        assert not answer["errors"]
        assert answer["values"]["1 1"] > 5.0
        clock.pass_(12.0)
        assert set(asked(garage, points)["ages_s"].values()) == {12.0}
        assert asked(garage, {}) == {"values": {}, "errors": {}, "ages_s": {}}

    @pytest.mark.parametrize("name", ["nobody", "", " garage", 7, True, ["garage"], {"a": 1}])
    def test_an_unknown_account(self, garage: Accounts, sim: Simulator, name: Any) -> None:
        if name == "":  # none named, and there is only one
            assert asked(garage, {"x": load()}, name)["values"]
            return
        with pytest.raises(ConfigurationError, match="garage"):
            garage.read({"x": load()}, name)
        assert sim.calls.total == 0

    def test_an_account_by_its_user_name(self, garage: Accounts, sim: Simulator) -> None:
        assert asked(garage, {"x": load()}, sim.username)["values"]

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            (load("1:99999"), "stationID"),
            (load(port=9), "no port 9"),
            (load(port=0), "not a port number"),
            (load(port="one"), "not a port number"),
            (load(currency=-1), "Currency"),
            (load(currency="soon"), "Currency"),
            (load(currency=float("nan")), "Currency"),
            (load(currency=True), "Currency"),
            (load(type="colour"), "unknown type"),
            (load(register="NoRegister"), "unknown register"),
            (load(attribute="portLaod"), "portLoad"),
            (load(attribute=""), "Attribute Name"),
            (load(attribute="a/b"), "unknown attribute"),
            (load(colour="red"), "unknown colour"),
            (load(station=None), "station is missing"),
            (load(station=" "), "station is missing"),
            (load(station="\x00"), "control characters"),
            (load(station=["1:34001"]), "plain values"),
            ({}, "station is missing"),
            ("portLoad", "dictionary"),
            (None, "dictionary"),
            ([["attribute", "portLoad"]], "dictionary"),
        ],
        ids=str,
    )
    def test_a_bad_point_costs_only_itself(self, garage: Accounts, bad: Any, words: str) -> None:
        for _ in range(2):  # the second time it is remembered, or not
            answer = asked(garage, {"bad": bad, "good": load()})
            assert set(answer["values"]) == {"good"}
            assert words in answer["errors"]["bad"]["message"]
            assert answer["errors"]["bad"]["code"] in {"bad_configuration", "nothing_there"}

    @pytest.mark.parametrize("points", [None, [], "x", 3])
    def test_points_that_are_none(self, garage: Accounts, points: Any) -> None:
        with pytest.raises(ConfigurationError, match="points"):
            garage.read(points)

    def test_currencies_of_the_account_where_the_reader_says_nothing(
        self, accounts: Accounts, sim: Simulator, clock: Time
    ) -> None:
        config = {"a": account(sim, currencies={"getLoad": 100.0})}
        assert accounts.configure({"accounts": config}) == []
        for seconds, calls in ((0, 1), (99, 1), (2, 2)):
            clock.pass_(seconds)
            asked(accounts, {"x": load()})
            assert sim.calls.count("getLoad") == calls
        clock.pass_(5)
        asked(accounts, {"x": load(currency=4)})
        assert sim.calls.count("getLoad") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shed_duration": -1}, "shed_duration"),
        ({"shed_duration": 10**9}, "shed_duration"),
        ({"shed_duration": 1.5}, "shed_duration"),
        ({"shed_duration": True}, "shed_duration"),
        ({"shed_on_write": "false"}, "shed_on_write"),
        ({"shed_on_write": None}, "shed_on_write"),
    ],
)
def test_bad_ways_to_shed(garage: Accounts, sim: Simulator, arguments: Any, words: str) -> None:
    point = load(attribute="percentShed")
    with pytest.raises(InvalidValueError, match=words):
        garage.write(point, 50, **arguments)
    assert sim.calls.total == 0


class TestSessions:
    def test_of_a_station_and_a_time(self, garage: Accounts) -> None:
        found = garage.sessions(STATION, "2026-03-03T00:00:00Z", "2026-03-04")
        assert found
        assert {session["station"] for session in found} == {STATION}
        starts = [session["startTime"] for session in json.loads(json.dumps(found))]
        assert starts == sorted(starts)
        everywhere = garage.sessions(None, "2026-03-03T01:00:00+01:00")
        assert len({session["station"] for session in everywhere}) > 1
        assert garage.sessions(STATION, "2026-02-01", "2026-02-01T00:01") == []

    @pytest.mark.parametrize(
        ("start", "end", "words"),
        [
            ("yesterday", None, "start"),
            ("", None, "start"),
            (None, None, "start"),
            (5, None, "start"),
            ("2026-13-01", None, "start"),
            ("2026-03-03", "later", "end"),
            ("2026-03-03", "2026-03-02", "before start"),
            ("2026-03-03T00:00+00:00", "2026-03-03T00:30+01:00", "before start"),
        ],
    )
    def test_bad_times(
        self, garage: Accounts, sim: Simulator, start: Any, end: Any, words: str
    ) -> None:
        with pytest.raises(InvalidValueError, match=words):
            garage.sessions(STATION, start, end)
        assert sim.calls.total == 0

    @pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
    def test_times_at_the_end_of_the_calendar(self, garage: Accounts, start: str) -> None:
        with contextlib.suppress(ChargePointError):
            assert garage.sessions(STATION, start)

    @pytest.mark.parametrize("station", ["1:99999", "", "\x00", 7])
    def test_unknown_stations(self, garage: Accounts, station: Any) -> None:
        with pytest.raises((ConfigurationError, NotFoundError, InvalidValueError)):
            garage.sessions(station, "2026-03-03")


def test_stations_stats_and_health(garage: Accounts, sim: Simulator) -> None:
    stations = json.loads(json.dumps(garage.stations()))
    assert [station["station"] for station in stations] == [f"1:3400{n}" for n in (1, 2, 3, 4)]
    assert stations[0]["values"]["City"] == "Oakland"
    assert set(stations[0]["ports"]) == {"1", "2"}
    assert garage.stats()["garage"]["calls"] == {"getStations": 1}
    assert garage.health() == {"good": True, "faults": [], "accounts": {"garage": {}}}
    sim.faults.set("getLoad", "refused", code="101")
    asked(garage, {"x": load()})
    health = json.loads(json.dumps(garage.health()))
    assert not health["good"]
    (error,) = health["accounts"]["garage"].values()
    assert error["code"] == "not_permitted"


def test_two_readers_of_fifty_stations_cost_what_one_of_a_hundred_costs(
    accounts: Accounts, make_sim: Callable[..., Simulator]
) -> None:
    costs = []
    for readers in (1, 2):
        sim = make_sim(stations=100)
        accounts.configure({"accounts": {"a": account(sim)}})
        ids = [station.station_id for station in sim.world.stations]
        for turn in range(readers):
            share = ids[turn * 100 // readers : (turn + 1) * 100 // readers]
            points = {
                f"{station} {attribute}": {"station": station, "attribute": attribute, "port": 1}
                for station in share
                for attribute in ("portLoad", "shedState", "Energy", "alarmType")
            }
            points |= {station: {"station": station, "attribute": "City"} for station in share}
            answer = asked(accounts, points)
            assert not answer["errors"]
        costs.append(sim.calls.counts())
    one, two = costs
    assert sum(one.values()) <= 8
    assert two == one
