"""Charging plans: what a charger keeps to when nobody talks to it."""

from __future__ import annotations

import json

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.model.plan import Plan, read_plan
from chargepoint_driver.backends.ocpp.register_commands import ORDERS
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.simulator.ocpp import Twins
from chargepoint_driver.simulator.world.clock import ManualClock

from ..conftest import eventually

VEHICLE = {"ac_phases": 3, "max_ac_kw": 22, "battery_kwh": 80, "soc_percent": 10}
ONE = Target("T1", 1)


def plan(clock, *kws, minutes=60, until=None, begin=0):
    periods = [
        {"start": clock.iso(-60 * (begin + n * minutes)), "kw": kw} for n, kw in enumerate(kws)
    ]
    end = until if until is not None else begin + len(kws) * minutes
    return {"periods": periods, "until": clock.iso(-60 * end)}


@pytest.fixture
def scene(start, clock):
    made = []

    def make(ocpp="1.6", **fields):
        points = {"T1": {"rated_kw": 22, **fields}}
        site = start(voltage=230, phases=3, charge_points=points)
        manual = ManualClock()
        manual.advance(clock() - manual.now_s())
        twins = Twins(site.system.ocpp_url, [{"id": "T1"}], ocpp=ocpp, clock=manual)
        made.append(twins.start())
        twins.wait_connected()
        return site, twins

    yield make
    for twins in made:
        twins.stop()


def write(site, value, target=ONE):
    return ORDERS["chargingPlan"](site.system, target, value)


def limit_kw(twins):
    return twins.state("T1")["connectors"][0]["limit_kw"]


def sets(twins):
    return [each for each in twins.messages("T1") if "SetChargingProfile" in json.dumps(each)]


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_plan_holds_without_a_connection(scene, clock, ocpp) -> None:
    site, twins = scene(ocpp)
    assert twins.start_charging("T1", **VEHICLE) == "Accepted"
    eventually(lambda: site.connector(1, "T1").transaction)
    assert write(site, plan(clock, 11, 7, None, 4.2)) == "Accepted"
    assert limit_kw(twins) == pytest.approx(11, abs=0.1)
    site.system.stop()  # nobody tells it anything any more
    seen = []
    for _ in range(4):
        twins.advance(3600)
        seen.append(limit_kw(twins))
    assert seen[:3] == pytest.approx([7, 22, 4.2], abs=0.15)
    assert seen[3] is None or seen[3] >= 22


def test_what_a_charger_has_already_is_not_sent_again(scene, clock) -> None:
    site, twins = scene()
    whole = plan(clock, 11, 7, 5, 3)
    assert write(site, json.dumps(whole)) == "Accepted"
    count = len(sets(twins))
    assert count
    kept = json.loads(site.connector(1, "T1").plan)
    assert [each["kw"] for each in kept["periods"]] == [11, 7, 5, 3]
    assert write(site, whole) == ""
    clock.ahead_s += 5400  # in the second period, more than half is left
    assert (
        write(site, plan(clock, 7, begin=-30, until=150) | {"periods": whole["periods"][1:]}) == ""
    )
    assert len(sets(twins)) == count
    clock.ahead_s += 3600
    longer = {"periods": whole["periods"][2:], "until": clock.iso(-8 * 3600)}
    assert write(site, longer) == "Accepted"
    assert write(site, plan(clock, 2, 3)) == "Accepted"
    assert write(site, "") == "Accepted"
    assert site.connector(1, "T1").plan is None
    assert twins.state("T1")["profiles"] == []


def test_a_written_limit_counts_while_it_lasts_and_then_the_plan_again(scene, clock) -> None:
    site, twins = scene()
    assert twins.start_charging("T1", **VEHICLE) == "Accepted"
    eventually(lambda: site.connector(1, "T1").transaction)
    write(site, plan(clock, 11, 7))
    site.system.shed(ONE, Limit(allowed_load_kw=4.2), 60)
    assert limit_kw(twins) == pytest.approx(4.2, abs=0.1)
    levels = {each["id"] % 10: each["stack_level"] for each in twins.state("T1")["profiles"]}
    assert levels[5] == levels[1] - 1  # plan and limit, of new transactions
    assert levels[6] == levels[2] - 1  # and of the one that runs
    site.system.clear(ONE)
    assert limit_kw(twins) == pytest.approx(11, abs=0.1)


def test_a_plan_is_sent_again_after_a_boot(scene, clock) -> None:
    site, twins = scene()
    whole = plan(clock, 11, 7)
    write(site, whole)
    twins.act("T1", "reboot")
    eventually(lambda: site.connector(1, "T1").plan is None)
    twins.wait_connected()
    eventually(lambda: site.point("T1").connected)
    assert write(site, whole) == "Accepted"


def test_a_plan_of_the_whole_charger(scene, clock) -> None:
    site, twins = scene()
    assert write(site, plan(clock, 11, 7), Target("T1")) == "Accepted"
    assert twins.state("T1")["limit_kw"] == pytest.approx(11, abs=0.1)


def test_a_charger_with_one_stack_level_takes_no_plan(scene, clock) -> None:
    site, twins = scene(quirks={"stack_level": 0})
    eventually(lambda: 1 in site.point("T1").connectors)
    with pytest.raises(WriteRejectedError, match="two stack levels"):
        write(site, plan(clock, 3))
    with pytest.raises(NotFoundError):
        write(site, plan(clock, 3), Target("T1", 7))
    assert sets(twins) == []


def test_a_refusal_leaves_the_plan_before(scene, clock) -> None:
    site, twins = scene()
    write(site, plan(clock, 11, 7))
    twins.quirk("T1", "refuses_purpose", purposes=["TxDefaultProfile"], status="Rejected")
    with pytest.raises(WriteRejectedError):
        write(site, plan(clock, 5))
    assert json.loads(site.connector(1, "T1").plan)["periods"][0]["kw"] == 11


def test_nothing_is_sent_to_a_charger_that_is_away(scene, clock) -> None:
    site, twins = scene()
    twins.remove("T1")
    eventually(lambda: not site.point("T1").connected)
    with pytest.raises(TransientError):
        write(site, plan(clock, 3))


def test_more_periods_than_a_charger_takes_end_the_plan_earlier(scene, clock) -> None:
    site, twins = scene()
    kws = [n % 2 * 2 + 5 for n in range(200)]
    assert write(site, plan(clock, *kws, minutes=15)) == "Accepted"
    kept = json.loads(site.connector(1, "T1").plan)
    [profile] = twins.state("T1")["profiles"]
    assert 1 < len(kept["periods"]) < 200
    assert kept["until"] < plan(clock, *kws, minutes=15)["until"]
    assert profile


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "is not JSON"),
        ([], "must be"),
        ({"periods": [], "until": "+60"}, "list of 1 to"),
        ({"periods": [{"start": "-1", "kw": 1}], "until": "-60"}, "within the next 8 days"),
        ({"periods": [{"start": "-1", "kw": 1}], "until": "+99999"}, "within the next 8 days"),
        ({"periods": [{"start": "+5", "kw": 1}], "until": "+60"}, "must not be in the future"),
        ({"periods": [{"start": "-1", "kw": -1}], "until": "+60"}, "expected 0 or more"),
        ({"periods": [{"start": "-1", "kw": True}], "until": "+60"}, "expected 0 or more"),
        ({"periods": [{"start": "-1", "kw": "5"}], "until": "+60"}, "expected 0 or more"),
        ({"periods": [{"start": "-1"}], "until": "+60"}, "must have start and kw"),
        (
            {"periods": [{"start": "-1", "kw": 1}, {"start": "-2", "kw": 1}], "until": "+60"},
            "after that of the period before",
        ),
        ({"periods": [{"start": "now", "kw": 1}], "until": "+60"}, "must be a time before"),
    ],
)
def test_bad_plans_are_refused(clock, value, words) -> None:
    def fill(found):
        if isinstance(found, dict):
            return {key: fill(each) for key, each in found.items()}
        if isinstance(found, list):
            return [fill(each) for each in found]
        is_time = isinstance(found, str) and found[:1] in "+-"
        return clock.iso(-60 * int(found)) if is_time else found

    with pytest.raises(InvalidValueError, match=words):
        read_plan(fill(value), clock())


def test_a_period_without_limit_needs_the_rated_power(start, clock) -> None:
    site = start()
    with Twins(site.system.ocpp_url, [{"id": "T1"}], speed=1) as twins:
        twins.wait_connected()
        with pytest.raises(InvalidValueError, match="rated_kw"):
            write(site, plan(clock, 3, None))


def test_plans_that_say_the_same() -> None:
    one = Plan(((0.0, 1.0), (10.0, 1.0), (20.0, 2.0)), 100.0)
    assert one.since(15.0) == Plan(((15.0, 1.0), (20.0, 2.0)), 100.0)
    assert one.has_same_effect(Plan(((12.0, 1.0), (20.0, 2.0), (105.0, 3.0)), 120.0), 15.0)
    assert not one.has_same_effect(Plan(((12.0, 1.0), (21.0, 2.0)), 120.0), 15.0)
    assert not one.has_same_effect(Plan(((12.0, 1.0), (20.0, None)), 120.0), 15.0)


def test_what_a_vehicle_needs(site, clock) -> None:
    charger = site.charger(subprotocols=["ocpp2.0.1"])
    charger.ask(
        "BootNotification",
        {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}},
    )
    ac = {"energyAmount": 18000, "evMinCurrent": 6, "evMaxCurrent": 32, "evMaxVoltage": 230}
    needs = {
        "requestedEnergyTransfer": "AC_three_phase",
        "departureTime": "2026-12-01T06:00:00Z",
        "acChargingParameters": ac,
    }
    answer = charger.ask("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    assert answer == {"status": "Rejected"}
    found = site.connector(1).needs
    assert found["energy_kwh"] == 18
    assert found["departure"].startswith("2026-12-01T06:00:00")
    dc = {"evMaxCurrent": 200, "evMaxVoltage": 400, "stateOfCharge": 40, "evEnergyCapacity": 50000}
    needs = {"requestedEnergyTransfer": "DC", "dcChargingParameters": dc}
    charger.ask("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    assert site.connector(1).needs == {"energy_kwh": 30, "departure": None}
