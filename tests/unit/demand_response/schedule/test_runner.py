"""The scheduler at devices: what is written, renewed, planned, recorded and given back."""

from __future__ import annotations

import json
import math
import os
from datetime import datetime, timedelta, timezone

import pytest

from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import PortReading
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.errors import InvalidValueError, TransientError

START = datetime(2026, 12, 1, 16, 50, tzinfo=timezone.utc)


class Devices:
    """Devices that write down what is asked of them."""

    def __init__(self):
        self.done, self.readings, self.broken = [], {}, {}

    def read(self, device):
        return self.readings[device]

    def _do(self, *what):
        error = self.broken.get(what[:2]) or self.broken.get(what[0])
        if error is not None:
            raise error
        self.done.append(what)

    def hold(self, device, kw, *, lease_s):
        self._do("hold", device, kw, lease_s)

    def release(self, device):
        self._do("release", device)

    def plan(self, device, text):
        self._do("plan", device, text)
        return True

    def take(self):
        found, self.done = self.done, []
        return found


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def ahead(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def devices():
    return Devices()


def scheduler(devices, clock, group, **fields):
    config = {"timezone": "UTC", "groups": {"g": {"devices": ["a", "b"], **group}}, **fields}
    return Scheduler(ScheduleConfig.from_dict(config), devices, clock)


RULE = {"rules": [{"name": "peak", "kw": 20, "from": "17:00", "until": "18:00"}]}


def test_a_limit_is_divided_renewed_under_its_lease_and_given_back(devices, clock) -> None:
    found = scheduler(devices, clock, RULE)
    found.run_due()
    assert devices.take() == []
    clock.ahead(minutes=10)
    found.run_due()
    assert devices.take() == [("hold", "a", 10.0, 300.0), ("hold", "b", 10.0, 300.0)]
    clock.ahead(seconds=10)
    found.run_due()
    assert len(devices.take()) == 2  # renewed
    clock.ahead(hours=1)
    found.run_due()
    assert devices.take() == [("release", "a"), ("release", "b")]
    found.run_due()
    assert devices.take() == []
    shown = [(each["kw"], each["reason"], each["done"]) for each in found.records]
    assert shown == [(None, "", True), (20, "peak", True), (None, "", True)]
    assert found.records[1]["until"] == "2026-12-01T18:00:00+00:00"


def test_what_fails_is_tried_again_and_recorded(devices, clock) -> None:
    found = scheduler(devices, clock, RULE)
    clock.ahead(minutes=15)
    devices.broken["hold", "a"] = TransientError("away")
    found.run_due()
    assert devices.take() == [("hold", "b", 10.0, 300.0)]
    assert found.records[-1]["done"] is False
    devices.broken.clear()
    found.run_due()
    assert len(devices.take()) == 2
    assert found.records[-1]["done"] is True
    devices.broken["release"] = TransientError("away")
    clock.ahead(hours=1)
    found.run_due()
    devices.broken.clear()
    found.run_due()
    assert devices.take() == [("release", "a"), ("release", "b")]


def test_stopping_gives_back_what_is_held(devices, clock) -> None:
    found = scheduler(devices, clock, RULE)
    clock.ahead(minutes=15)
    found.run_due()
    devices.take()
    found.stop()
    assert devices.take() == [("release", "a"), ("release", "b")]


def test_a_plan_is_sent_in_place_of_limits_and_offered_again_after_a_while(devices, clock) -> None:
    found = scheduler(devices, clock, {**RULE, "devices": ["a"], "plan": True}, horizon_hours=24)
    found.run_due()
    [(what, _, text)] = devices.take()
    plan = json.loads(text)
    assert what == "plan"
    assert [(each["start"], each["kw"]) for each in plan["periods"]] == [
        ("2026-12-01T16:50:00+00:00", None),
        ("2026-12-01T17:00:00+00:00", 20),
        ("2026-12-01T18:00:00+00:00", None),
    ]
    assert plan["until"] == "2026-12-02T16:50:00+00:00"
    clock.ahead(seconds=10)
    found.run_due()
    assert devices.take() == []
    clock.ahead(seconds=300)
    found.run_due()
    assert [each[0] for each in devices.take()] == ["plan"]


def test_a_device_that_takes_no_plan_is_written_to(devices, clock) -> None:
    found = scheduler(devices, clock, {**RULE, "devices": ["a"], "plan": True})
    devices.broken["plan"] = InvalidValueError("not OCPP")
    clock.ahead(minutes=15)
    found.run_due()
    assert devices.take() == [("hold", "a", 20.0, 300.0)]
    assert found.records[-1]["done"] is True
    devices.broken.clear()
    clock.ahead(minutes=30)
    found.run_due()
    assert [each[0] for each in devices.take()] == ["hold"]
    clock.ahead(minutes=31)
    found.run_due()
    assert [each[0] for each in devices.take()] == ["plan", "release"]
    assert "limits are written" in next(e["plan"] for e in found.records if "plan" in e)


PRICED = {"prices": {"above": {"0.5": 4}}}


def test_prices_of_a_file_count_when_it_changes(devices, clock, tmp_path) -> None:
    path = tmp_path / "prices.json"
    found = scheduler(devices, clock, PRICED, prices_file=str(path))
    found.run_due()
    assert "cannot be read" in found.records[0]["prices"]
    rows = [{"start": "2026-12-01T16:00:00Z", "price": 0.7}]
    path.write_text(json.dumps(rows))
    found.run_due()
    assert devices.take() == [("hold", "a", 2.0, 300.0), ("hold", "b", 2.0, 300.0)]
    path.write_text("{")
    os.utime(path, (1, 1))
    found.run_due()
    assert "cannot be read" in found.records[-1]["prices"]
    assert len(devices.take()) == 2  # the prices before stand
    path.write_text(json.dumps([{"start": "2026-12-01T16:00:00Z", "price": 0.1}]))
    os.utime(path, (2, 2))
    found.run_due()
    assert [each[0] for each in devices.take()] == ["release", "release"]


def test_bad_prices_change_nothing(devices, clock) -> None:
    found = scheduler(devices, clock, PRICED, prices_topic="prices")
    assert found.take_prices([{"start": "2026-12-01T16:00:00Z", "price": 0.7}]) == "accepted"
    assert found.take_prices([{"start": "now", "price": 0}]).startswith("malformed")
    found.run_due()
    assert len(devices.take()) == 2


CHEAPEST = {
    "devices": ["a"],
    "ports": ["a"],
    "cheapest": {"kw": 10, "margin_percent": 0},
}


def priced(found):
    rows = [
        {"start": (START + timedelta(hours=n)).replace(minute=0).isoformat(), "price": price}
        for n, price in enumerate([9, 8, 1, 2, 7, 7, 7, 7])
    ]
    assert found.take_prices(rows) == "accepted"


def test_a_vehicle_that_says_what_it_needs_charges_in_the_cheapest_hours(devices, clock) -> None:
    found = scheduler(devices, clock, CHEAPEST, prices_topic="p")
    priced(found)
    devices.readings["a"] = PortReading(False)
    found.run_due()
    assert devices.take() == []
    devices.readings["a"] = PortReading(
        True, session="1", energy_kwh=15.0, departure=START + timedelta(hours=6)
    )
    found.run_due()
    assert devices.take() == [("hold", "a", 0.0, 300.0)]
    kws = []
    for _ in range(5):
        clock.ahead(hours=1)
        found.run_due()
        kws.append(devices.take()[-1][2])
    assert kws == [0.0, 10.0, 10.0, 0.0, 0.0]  # 10 kW at 1, 10 kW at 2
    devices.readings["a"] = PortReading(False)
    found.run_due()
    assert devices.take() == [("release", "a")]


def test_a_vehicle_is_known_by_its_id_tag_and_its_deadline_does_not_move(devices, clock) -> None:
    vehicles = {"TAG": {"energy_kwh": 10, "deadline": "18:30"}}
    found = scheduler(devices, clock, CHEAPEST, prices_topic="p", vehicles=vehicles)
    devices.readings["a"] = PortReading(True, session="1", id_tag="TAG")
    found.run_due()
    [need] = [each for each in found.records if "need" in each]
    assert need["deadline"] == "2026-12-01T18:30:00+00:00"
    clock.ahead(minutes=50)
    found.run_due()
    assert devices.take()
    clock.ahead(minutes=55)
    found.run_due()
    assert devices.take() == [("release", "a")]  # after its deadline charging is free
    assert len([each for each in found.records if "need" in each]) == 1


def test_a_need_by_the_api(devices, clock) -> None:
    found = scheduler(devices, clock, {**CHEAPEST, "ports": []}, prices_topic="p")
    priced(found)
    found.set_need("g", "van", 5.0, "2026-12-01T22:00:00Z")
    found.run_due()
    assert devices.take() == [("hold", "a", 0.0, 300.0)]
    found.set_need("g", "van", None)
    found.run_due()
    assert devices.take() == [("release", "a")]
    for arguments in (
        ("x", "van", 5.0, "2026-12-01T22:00:00Z"),
        ("g", "van", -5.0, "2026-12-01T22:00:00Z"),
        ("g", "van", 5.0, "2026-11-01T22:00:00Z"),
        ("g", "van", 5.0, "22:00"),
    ):
        with pytest.raises(InvalidValueError):
            found.set_need(*arguments)


def test_what_applies_now_and_next(devices, clock) -> None:
    found = scheduler(devices, clock, RULE).show()
    assert found["at"] == START.isoformat()
    assert found["groups"]["g"] == {
        "now": {"kw": None, "reason": "", "until": "2026-12-01T17:00:00+00:00"},
        "next": {
            "kw": 20,
            "reason": "peak",
            "until": "2026-12-01T18:00:00+00:00",
            "from": "2026-12-01T17:00:00+00:00",
        },
    }


CIRCUITS = {
    "c": {
        "kw": 100,
        "amps": 32,
        "group": "g",
        "ports": {
            "a": {"device": "a", "max_a": 32, "effect_s": 5},
            "b": {"device": "b", "max_a": 32, "effect_s": 5},
        },
    }
}


def test_ports_under_circuits_are_written_without_a_lease(devices, clock) -> None:
    found = scheduler(devices, clock, {**RULE, "devices": []}, circuits=CIRCUITS)
    devices.readings = {"a": PortReading(True), "b": PortReading(None)}
    found.run_due()
    held = {each[1]: each[2:] for each in devices.take()}
    assert held["a"] == (pytest.approx(26 * 0.69), 0)
    assert held["b"] == (pytest.approx(6 * 0.69), 0)
    clock.ahead(minutes=15)  # the schedule's 20 kW count for the circuit
    found.run_due()
    [(_, device, kw, _)] = devices.take()
    assert device == "a"
    assert kw + held["b"][0] <= 20
    found.stop()
    assert devices.take() == []  # limits of circuits stay


def test_a_charger_that_does_not_take_its_limit_leaves_the_others_less(devices, clock) -> None:
    found = scheduler(devices, clock, {"devices": []}, circuits=CIRCUITS)
    devices.readings = {"a": PortReading(True), "b": PortReading(False)}
    for _ in range(3):
        found.run_due()
        clock.ahead(seconds=70)
    devices.take()
    devices.readings["b"] = PortReading(True)
    found.run_due()
    clock.ahead(seconds=70)
    found.run_due()  # a at 16, b at 16
    clock.ahead(seconds=70)
    devices.take()
    devices.readings["b"] = PortReading(False)
    devices.broken["hold", "b"] = TransientError("away")
    for _ in range(8):
        found.run_due()
        clock.ahead(seconds=20)
    kws = [each[2] for each in devices.take() if each[1] == "a"]
    assert all(kw <= 16 * 0.69 + 1e-6 for kw in kws)


def test_a_limit_that_is_not_in_force_any_more_is_sent_again(devices, clock) -> None:
    found = scheduler(devices, clock, {"devices": []}, circuits=CIRCUITS)
    devices.readings = {"a": PortReading(False), "b": PortReading(False, limit_kw=4.14)}
    found.run_due()
    devices.readings["a"] = PortReading(False, limit_kw=math.inf)
    found.run_due()  # reports come late
    devices.take()
    clock.ahead(seconds=60)
    found.run_due()
    assert [each[1] for each in devices.take()] == ["a"]
    assert [each["port"] for each in found.records if each.get("lost")] == ["a"]


def test_a_restart_of_a_charger_is_noticed(devices, clock) -> None:
    found = scheduler(devices, clock, {"devices": []}, circuits=CIRCUITS)
    devices.readings = {"a": PortReading(True, booted="1"), "b": PortReading(False, booted="1")}
    found.run_due()
    devices.take()
    clock.ahead(seconds=10)
    found.run_due()
    assert devices.take() == []
    devices.readings["b"] = PortReading(False, booted="2")
    found.run_due()
    assert [each[1] for each in devices.take()] == ["b"]
