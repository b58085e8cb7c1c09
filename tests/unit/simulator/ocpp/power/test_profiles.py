"""Limits: what is in force, what flows under it, and what a twin reports of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.simulator.ocpp.power.connector import Connector, Transaction
from chargepoint_driver.simulator.ocpp.power.electrical import Cap, Supply
from chargepoint_driver.simulator.ocpp.power.power_sharing import PowerSharing
from chargepoint_driver.simulator.ocpp.power.profiles import Period, Profile, ProfileBook, Purpose
from chargepoint_driver.simulator.ocpp.power.vehicle import Charge, Vehicle

CP = "CP0001"
T0 = 1_772_560_800.0


def profile(limit=0.0, purpose=Purpose.TX_DEFAULT, **more):
    default = {
        "profile_id": 1,
        "connector_id": 1,
        "stack_level": 0,
        "kind": "Absolute",
        "unit": "W",
        "periods": (Period(0, limit),),
        "start_s": T0,
    }
    return Profile(purpose=purpose, **{**default, **more})


def book_of(*profiles):
    book = ProfileBook()
    for one in profiles:
        book.put(one)
    return book


# -- the rules ----------------------------------------------------------------------------


def test_a_transaction_overrules_the_default_and_the_station_caps_both():
    book = book_of(
        profile(9000, profile_id=1, stack_level=1),
        profile(4000, profile_id=2, stack_level=0),
        profile(7000, Purpose.TX, profile_id=3),
        profile(8000, Purpose.STATION_MAX, profile_id=4, connector_id=0),
    )
    assert book.cap(1, T0, T0).power_w == 7000
    assert book.cap(0, T0, None).power_w == 8000
    assert book.cap(2, T0, T0).power_w == 8000
    # Also where the transaction is allowed more, by OCPP 1.6, section 3.13.1.
    book.put(profile(9500, Purpose.TX, profile_id=3))
    assert book.cap(1, T0, T0).power_w == 8000
    book.remove(lambda one: one.purpose is Purpose.STATION_MAX)
    assert book.cap(1, T0, T0).power_w == 9500
    book.minimum_of_purposes = True
    assert book.cap(1, T0, T0).power_w == 9000


def test_a_default_profile_counts_again_where_the_one_of_the_transaction_does_not():
    over = profile(9500, Purpose.TX, profile_id=3, duration_s=60)
    book = book_of(profile(4000, profile_id=1), over)
    assert [book.cap(1, T0 + at, T0).power_w for at in (0, 59, 60)] == [9500, 9500, 4000]
    book = book_of(
        profile(4000, profile_id=1), profile(9500, Purpose.TX, valid_to_s=T0 + 60, profile_id=3)
    )
    assert [book.cap(1, T0 + at, T0).power_w for at in (0, 59, 60)] == [9500, 9500, 4000]
    assert book.next_change_s(1, T0, T0) == T0 + 60


def test_profiles_that_work_late():
    book = book_of(profile(4000, received_s=T0))
    book.obeys_after_s = 30
    assert [book.cap(1, T0 + at, T0).power_w for at in (0, 29, 30)] == [math.inf, math.inf, 4000]
    assert book.next_change_s(1, T0, T0) == T0 + 30
    with book.obeyed():
        assert book.cap(1, T0, T0).power_w == 4000
    assert book.obeys_after_s == 30


def test_a_higher_level_gives_way_when_its_time_is_over():
    book = book_of(
        profile(4000, profile_id=1, stack_level=5, duration_s=900),
        profile(9000, profile_id=2, stack_level=0),
    )
    assert [book.cap(1, T0 + at, T0).power_w for at in (0, 899.9, 900)] == [4000, 4000, 9000]
    assert book.next_change_s(1, T0, T0) == T0 + 900


def test_validity():
    book = book_of(profile(4000, valid_from_s=T0 + 10, valid_to_s=T0 + 20))
    found = [book.cap(1, T0 + at, T0).power_w for at in (9, 10, 19, 20)]
    assert found == [math.inf, 4000, 4000, math.inf]


def test_periods_follow_each_other():
    periods = (Period(0, 1000), Period(60, 2000), Period(120, 3000))
    book = book_of(profile(periods=periods))
    found = [book.cap(1, T0 + at, T0).power_w for at in (-1, 0, 60, 119, 500)]
    assert found == [math.inf, 1000, 2000, 2000, 3000]


def test_relative_counts_from_the_start_of_the_transaction():
    book = book_of(profile(periods=(Period(0, 1000), Period(60, 2000)), kind="Relative"))
    assert book.cap(1, T0 + 90, T0 + 50).power_w == 1000
    assert book.cap(1, T0 + 110, T0 + 50).power_w == 2000


@pytest.mark.parametrize(("recurrency", "every_s"), [("Daily", 86_400), ("Weekly", 604_800)])
def test_recurring(recurrency, every_s):
    book = book_of(profile(4000, kind="Recurring", recurrency=recurrency, duration_s=3600))
    for run in (0, 1, 5):
        begin_s = T0 + run * every_s
        assert book.cap(1, begin_s, T0).power_w == 4000
        assert book.cap(1, begin_s + 3600, T0).power_w == math.inf
        assert book.next_change_s(1, begin_s + 3600, T0) == begin_s + every_s


def test_ampere_are_per_phase_and_below_six_nothing_flows():
    three, one = Supply(), Supply(rated_kw=7.4, phases=1)
    assert three.deliverable_w(Cap(current_a=10)) == pytest.approx(6900)
    assert three.deliverable_w(Cap(current_a=10, phases=1)) == pytest.approx(2300)
    assert three.deliverable_w(Cap(current_a=10), vehicle_phases=1) == pytest.approx(2300)
    assert one.deliverable_w(Cap(current_a=10)) == pytest.approx(2300)
    assert three.deliverable_w(Cap(current_a=6)) == pytest.approx(4140)
    assert three.deliverable_w(Cap(current_a=5.9)) == 0
    assert three.deliverable_w(Cap(power_w=4100)) == 0
    assert three.deliverable_w(Cap(power_w=1400, phases=1)) == pytest.approx(1400)
    assert three.deliverable_w(Cap()) == pytest.approx(22_000)


def test_the_same_place_in_the_stack_is_taken_over():
    book = book_of(profile(1000, profile_id=1), profile(2000, profile_id=2))
    assert [one.profile_id for one in book.profiles] == [2]


# -- energy -------------------------------------------------------------------------------


def flow_of(book, *vehicles, supply=None):
    supply = supply or Supply()
    connectors = []
    for number, vehicle in enumerate(vehicles, start=1):
        one = Connector(number, supply, 0.0, charge=Charge(vehicle, supply.kind))
        one.transaction = Transaction(number, number, "x", T0, 0)
        connectors.append(one)
    station = Supply("AC", supply.rated_kw * len(vehicles), supply.phases, supply.voltage_v)
    return PowerSharing(connectors, book, station, T0), connectors


@given(
    st.lists(st.floats(0, 7200), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 7200), st.floats(0, 25_000)), max_size=4),
)
def test_the_energy_does_not_depend_on_who_looks_when(looks, steps):
    periods = [Period(0, 11_000)]
    for start_s, limit in sorted(dict(steps).items()):
        periods.append(Period(start_s, limit))
    book = book_of(profile(periods=tuple(periods)))
    vehicles = (Vehicle(30, soc=0.5), Vehicle(60, soc=0.9, max_ac_kw=22))
    seldom, once = flow_of(book, *vehicles)
    often, many = flow_of(book, *vehicles)
    seldom.advance(T0 + 7200)
    for at_s in sorted(looks):
        often.advance(T0 + at_s)
    often.advance(T0 + 7200)
    for left, right in zip(once, many, strict=True):
        assert left.register_wh == pytest.approx(right.register_wh, abs=0.05)


def test_the_register_is_the_integral_of_the_power():
    book = book_of(profile(periods=(Period(0, 5000), Period(600, 0), Period(1200, 8000))))
    flow, (connector,) = flow_of(book, Vehicle(60, soc=0.3))
    summed_wh = 0.0
    for second in range(3600):
        flow.advance(T0 + second)
        summed_wh += connector.power_w / 3600
    flow.advance(T0 + 3600)
    assert summed_wh == pytest.approx((5000 * 600 + 8000 * 2400) / 3600)
    assert connector.register_wh == pytest.approx(summed_wh)


def test_a_vehicle_gets_full_and_no_more():
    flow, (connector,) = flow_of(ProfileBook(), Vehicle(40, soc=0.5))
    flow.advance(T0 + 86_400)
    assert connector.register_wh == pytest.approx(20_000)
    assert connector.charge.is_full
    assert connector.phase().value == "SuspendedEV"


@given(st.floats(0, 40_000), st.integers(1, 3))
def test_the_charge_point_as_a_whole_stays_below_its_limit(limit_w, number):
    book = book_of(profile(limit_w, Purpose.STATION_MAX, connector_id=0))
    flow, connectors = flow_of(book, *[Vehicle(60, max_ac_kw=22)] * number)
    flow.advance(T0 + 1)
    shares = [one.power_w for one in connectors]
    assert sum(shares) <= limit_w + 1e-6
    assert all(share == 0 or share >= 4139 for share in shares)
    # Every connector that can be served is served.
    if limit_w >= 4140:
        assert sum(shares) >= min(limit_w, 4140) - 1e-6


def test_dc_takes_limits_on_the_mains_side():
    supply = Supply("DC", 150, 3, 230)
    flow, (connector,) = flow_of(ProfileBook(), Vehicle(80, max_dc_kw=120), supply=supply)
    flow.advance(T0 + 1)
    assert connector.power_w == pytest.approx(120_000)
    reading = connector.reading(Cap())
    assert reading.soc > 19
    assert reading.voltage_v[0] * reading.current_a[0] == pytest.approx(reading.power_w)


# -- over the wire ------------------------------------------------------------------------


def set_profile(central, limit, connector_id=1, purpose="TxDefaultProfile", unit="A", **more):
    schedule = {
        "chargingRateUnit": unit,
        "startSchedule": "2026-03-03T17:59:00Z",
        "chargingSchedulePeriod": more.pop("periods", [{"startPeriod": 0, "limit": limit}]),
        **more.pop("schedule", {}),
    }
    content = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **more,
    }
    reply = central.call(
        CP, "SetChargingProfile", connectorId=connector_id, csChargingProfiles=content
    )
    return reply["status"] if isinstance(reply, dict) else reply[0]


def test_a_limit_of_zero_suspends_and_its_end_resumes(central, twins_of):
    twins = twins_of()
    twins.start_charging(CP, battery_kwh=80, max_ac_kw=11)
    assert set_profile(central, 0, schedule={"duration": 660}) == "Accepted"
    central.wait_for("StatusNotification", connectorId=1, status="SuspendedEVSE")
    assert twins.state(CP)["connectors"][0]["limit_kw"] == 0
    twins.advance(599)
    assert twins.state(CP)["power_kw"] == 0
    twins.advance(2)
    reported = central.wait_for("StatusNotification", 2, connectorId=1, status="Charging")
    # The schedule began a minute before it was set.
    assert reported["timestamp"] == "2026-03-03T18:10:00.000Z"


def test_the_composite_schedule_tells_what_is_in_force(central, twins_of):
    twins = twins_of(connectors=2)
    twins.start_charging(CP, battery_kwh=80, max_ac_kw=22)
    steps = [{"startPeriod": 0, "limit": 16}, {"startPeriod": 120, "limit": 10.5}]
    assert set_profile(central, 0, periods=steps, schedule={"duration": 240}) == "Accepted"
    assert set_profile(central, 9000, 0, "ChargePointMaxProfile", "W", chargingProfileId=2) == (
        "Accepted"
    )
    answer = central.call(
        CP, "GetCompositeSchedule", connectorId=1, duration=600, chargingRateUnit="W"
    )
    assert answer["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 9000.0, "numberPhases": 3},
        {"startPeriod": 60, "limit": 7245.0, "numberPhases": 3},
        {"startPeriod": 180, "limit": 9000.0, "numberPhases": 3},
    ]
    assert answer["scheduleStart"] == "2026-03-03T18:00:00.000Z"
    twins.advance(70)
    assert twins.state(CP)["power_kw"] == pytest.approx(7.245)
    whole = central.call(
        CP, "GetCompositeSchedule", connectorId=0, duration=60, chargingRateUnit="A"
    )
    assert whole["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == pytest.approx(13.0)


def test_profiles_that_make_no_sense_are_refused(central, twins_of):
    twins_of()
    assert set_profile(central, 16, 2) == "Rejected"
    assert set_profile(central, 16, 1, "ChargePointMaxProfile") == "Rejected"
    assert set_profile(central, 16, 1, "TxProfile") == "Rejected"
    assert set_profile(central, 16, stackLevel=99) == "Rejected"
    assert set_profile(central, -1) == "PropertyConstraintViolation"
    assert set_profile(central, 10.55) == "PropertyConstraintViolation"
    assert set_profile(central, 10, chargingProfileKind="Recurring") == (
        "OccurenceConstraintViolation"
    )
    late = [{"startPeriod": 5, "limit": 1.0}]
    assert set_profile(central, 0, periods=late) == "PropertyConstraintViolation"


def test_a_transaction_profile_ends_with_its_transaction(central, twins_of):
    twins = twins_of()
    twins.start_charging(CP, max_ac_kw=11)
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] == 100)
    wish = {"purpose": "TxProfile", "unit": "W"}
    assert set_profile(central, 5000, transactionId=99, **wish) == "Rejected"
    assert set_profile(central, 5000, transactionId=100, **wish) == "Accepted"
    twins.wait(CP, lambda actual: actual["power_kw"] == pytest.approx(5))
    assert set_profile(central, 6000, chargingProfileId=2) == "Accepted"
    twins.stop_charging(CP)
    assert [one["id"] for one in twins.state(CP)["profiles"]] == [2]
    assert central.call(CP, "ClearChargingProfile", id=1) == {"status": "Unknown"}
    assert central.call(CP, "ClearChargingProfile", id=2) == {"status": "Accepted"}


def test_a_remote_start_may_bring_its_profile(central, twins_of):
    twins = twins_of()
    twins.plug(CP, max_ac_kw=11)
    brought = {
        "chargingProfileId": 7,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6000.0}],
        },
    }
    reply = central.call(CP, "RemoteStartTransaction", idTag="R", chargingProfile=brought)
    assert reply == {"status": "Accepted"}
    twins.wait(CP, lambda actual: actual["power_kw"] == pytest.approx(6))


def test_real_times_are_moved_to_the_simulated_present(central, twins_of):
    """A central system on real time limits a twin whose clock is elsewhere."""
    from datetime import datetime, timedelta, timezone  # noqa: PLC0415

    twins = twins_of(shared_clock=False)
    twins.start_charging(CP, max_ac_kw=11)
    began = (datetime.now(timezone.utc) - timedelta(seconds=60)).isoformat()
    schedule = {"startSchedule": began, "duration": 600}
    assert set_profile(central, 6000, unit="W", schedule=schedule) == "Accepted"
    twins.wait(CP, lambda actual: actual["power_kw"] == pytest.approx(6))
    twins.advance(530)
    assert twins.state(CP)["power_kw"] == pytest.approx(6)
    twins.advance(15)
    assert twins.state(CP)["power_kw"] == pytest.approx(11)


def test_too_little_for_two_goes_to_the_first():
    book = book_of(profile(6000, Purpose.STATION_MAX, connector_id=0))
    flow, connectors = flow_of(book, Vehicle(60), Vehicle(60))
    flow.advance(T0 + 1)
    assert [one.power_w for one in connectors] == pytest.approx([6000, 0])
