"""Schedules: what applies at a moment, and what follows; over changes of the clocks too."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.demand_response.schedule import Prices, Schedule, ScheduleConfig
from chargepoint_driver.demand_response.schedule.cheapest import Need, lay
from chargepoint_driver.errors import ConfigurationError, InvalidValueError

BERLIN = ZoneInfo("Europe/Berlin")


def schedule(group=None, zone="Europe/Berlin", **fields):
    groups = {"g": {"devices": ["campus/garage/group"], **(group or {})}}
    return Schedule(ScheduleConfig.from_dict({"timezone": zone, "groups": groups, **fields}))


def local(text, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def kw_at(found, text, fold=0, **more):
    at = local(text, fold)
    return found.periods("g", at, at + timedelta(minutes=1), **more)[0].kw


EVENING = {"kw": 20, "from": "17:00", "until": "21:00", "name": "evening peak"}
NIGHT = {"kw": 5, "from": "22:00", "until": "06:00"}


def test_a_limit_applies_from_its_first_moment_until_before_its_last() -> None:
    found = schedule({"rules": [EVENING]})
    assert kw_at(found, "2026-07-01T16:59") is None
    assert kw_at(found, "2026-07-01T17:00") == 20
    assert kw_at(found, "2026-07-01T20:59") == 20
    assert kw_at(found, "2026-07-01T21:00") is None


def test_what_follows_is_in_order_and_without_gaps() -> None:
    found = schedule({"rules": [EVENING, NIGHT]}, horizon_hours=24)
    periods = found.now("g", local("2026-07-01T12:00"))
    assert [(each.start.astimezone(BERLIN).hour, each.kw, each.reason) for each in periods] == [
        (12, None, ""),
        (17, 20, "evening peak"),
        (21, None, ""),
        (22, 5, "rule 2"),
        (6, None, ""),
    ]
    assert all(a.end == b.start for a, b in pairwise(periods))


def test_a_weekday_is_that_on_which_a_limit_begins() -> None:
    found = schedule({"rules": [{**NIGHT, "weekdays": ["fri"]}]})
    assert kw_at(found, "2026-07-03T23:00") == 5  # Friday
    assert kw_at(found, "2026-07-04T05:00") == 5
    assert kw_at(found, "2026-07-04T23:00") is None


def test_a_season_may_span_new_year() -> None:
    found = schedule({"rules": [{**EVENING, "season": ["10-01", "03-31"]}]})
    assert [kw_at(found, f"2026-{day}T18:00") for day in ("03-31", "04-01", "10-01", "12-31")] == [
        20,
        None,
        20,
        20,
    ]


@pytest.mark.parametrize(
    ("word", "holiday", "other"), [("never", None, 20), ("only", 20, None), ("as weekday", 20, 20)]
)
def test_holidays(word, holiday, other) -> None:
    found = schedule({"rules": [{**EVENING, "holidays": word}]}, holidays=["2026-12-25"])
    assert kw_at(found, "2026-12-25T18:00") == holiday
    assert kw_at(found, "2026-12-23T18:00") == other


def test_an_exception_stands_in_place_of_the_rules_of_its_time() -> None:
    exceptions = [
        {"date": "2026-07-01", "from": "18:00", "until": "19:00", "kw": None},
        {"date": "2026-07-01", "from": "19:00", "until": "20:00", "kw": 90, "name": "fair"},
        {"date": "2026-07-02", "kw": 1, "groups": ["g"]},
    ]
    found = schedule({"rules": [EVENING]}, exceptions=exceptions)
    hours = [kw_at(found, f"2026-07-01T{hour}:30") for hour in (17, 18, 19, 20)]
    assert hours == [20, None, 90, 20]
    assert kw_at(found, "2026-07-02T03:00") == 1


def test_the_lowest_of_several_limits_counts() -> None:
    found = schedule({"rules": [EVENING, {"kw": 3, "from": "18:00", "until": "19:00"}]})
    assert [kw_at(found, f"2026-07-01T{hour}:00") for hour in (17, 18, 19)] == [20, 3, 20]
    found = schedule({"rules": [EVENING, {"kw": 0, "from": "18:00", "until": "19:00"}]})
    assert kw_at(found, "2026-07-01T18:00") == 0


# ---- changes of the clocks -------------------------------------------------------------------


def hours(found, start, end):
    return [
        (each.start.isoformat(), (each.end - each.start).total_seconds() / 3600)
        for each in found.periods("g", start, end)
        if each.kw is not None
    ]


SPRING = local("2026-03-28T12:00"), local("2026-03-29T12:00")
AUTUMN = local("2026-10-24T12:00"), local("2026-10-25T12:00")


def test_a_night_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    found = schedule({"rules": [NIGHT]})
    assert hours(found, *SPRING) == [("2026-03-28T21:00:00+00:00", 7.0)]
    assert hours(found, *AUTUMN) == [("2026-10-24T20:00:00+00:00", 9.0)]


def test_a_time_that_the_clocks_skip_is_the_moment_at_which_they_are_set() -> None:
    found = schedule({"rules": [{"kw": 5, "from": "02:30", "until": "04:00"}]})
    assert hours(found, *SPRING) == [("2026-03-29T01:00:00+00:00", 1.0)]
    found = schedule({"rules": [{"kw": 5, "from": "02:10", "until": "02:50"}]})
    assert hours(found, *SPRING) == []
    found = schedule({"rules": [{"kw": 5, "from": "01:00", "until": "02:30"}]})
    assert hours(found, *SPRING) == [("2026-03-29T00:00:00+00:00", 1.0)]


def test_a_time_that_comes_twice_begins_first_and_ends_last() -> None:
    found = schedule({"rules": [{"kw": 5, "from": "02:15", "until": "02:45"}]})
    assert hours(found, *AUTUMN) == [("2026-10-25T00:15:00+00:00", 1.5)]
    assert kw_at(found, "2026-10-25T02:30", fold=0) == 5
    assert kw_at(found, "2026-10-25T02:30", fold=1) == 5


def test_the_hour_after_the_change_is_that_of_the_wall_clock() -> None:
    found = schedule({"rules": [EVENING]})
    for day in ("2026-03-28", "2026-03-29", "2026-10-25", "2026-10-26"):
        assert [kw_at(found, f"{day}T{hour}:00") for hour in (16, 17, 20, 21)] == [
            None,
            20,
            20,
            None,
        ]


def test_a_zone_of_the_south_whose_clocks_change_by_half_an_hour() -> None:
    found = schedule(
        {"rules": [{"kw": 5, "from": "02:15", "until": "03:00"}]}, "Australia/Lord_Howe"
    )
    zone = ZoneInfo("Australia/Lord_Howe")
    start = datetime(2026, 10, 3, 12, tzinfo=zone)
    [one] = [p for p in found.periods("g", start, start + timedelta(days=1)) if p.kw is not None]
    assert one.start.astimezone(zone).isoformat() == "2026-10-04T02:30:00+11:00"
    assert one.end - one.start == timedelta(minutes=30)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.integers(0, 95),
    st.integers(1, 95),
    st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "UTC"]),
)
def test_a_moment_has_one_limit_wherever_the_question_begins(when, begin, length, zone) -> None:
    end = (begin + length) % 96
    clock = [f"{each // 4:02}:{each % 4 * 15:02}" for each in (begin, end)]
    found = schedule({"rules": [{"kw": 5, "from": clock[0], "until": clock[1]}]}, zone)
    at = when.replace(tzinfo=timezone.utc)
    direct = found.periods("g", at, at + timedelta(seconds=1))[0].kw
    for ahead in (timedelta(hours=1), timedelta(hours=26)):
        periods = found.periods("g", at - ahead, at + timedelta(hours=30))
        assert [p.kw for p in periods if p.start <= at < p.end] == [direct]
        assert sum((p.end - p.start for p in periods), timedelta()) == ahead + timedelta(hours=30)


# ---- prices ----------------------------------------------------------------------------------


def day_prices(*values, start="2026-12-01T18:00:00+01:00"):
    at = datetime.fromisoformat(start)
    return Prices.parse(
        [
            {"start": (at + timedelta(hours=n)).isoformat(), "price": value}
            for n, value in enumerate(values)
        ]
    )


def test_price_thresholds_and_what_is_not_known() -> None:
    config = {"above": {"0.30": 10, "0.5": 0}}
    found = schedule({"prices": config}, prices_topic="prices")
    prices = day_prices(0.1, 0.30, 0.49, 0.7, -0.2)
    asked = [kw_at(found, f"2026-12-01T{hour}:30", prices=prices) for hour in range(18, 24)]
    assert asked == [None, 10, 10, 0, None, None]
    found = schedule({"prices": {**config, "unknown_kw": 7}}, prices_file="p.json")
    asked = [kw_at(found, f"2026-12-01T{hour}:30", prices=prices) for hour in (17, 18, 22, 23)]
    assert asked == [7, None, None, 7]
    assert (
        found.periods("g", local("2026-12-01T23:30"), local("2026-12-02T00:30"), prices)[0].reason
        == "price not known"
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ([], "must be a list"),
        ({"prices": 3}, "must be a list"),
        ([{"start": "2026-12-01T00:00:00Z"}], "prices.0: must have start and price"),
        ([{"start": "2026-12-01T00:00:00", "price": 1}], "with its zone"),
        ([{"start": 7, "price": 1}], "with its zone"),
        ([{"start": "2026-12-01T00:00:00Z", "price": True}], "expected a number"),
        ([{"start": "2026-12-01T00:00:00Z", "price": float("nan")}], "expected a number"),
        ([{"start": "2026-12-01T00:00:00Z", "price": 1}] * 2, "has two prices"),
        (
            [
                {"start": "2026-12-01T00:00:00Z", "price": 1, "end": "2026-12-01T02:00:00Z"},
                {"start": "2026-12-01T01:00:00Z", "price": 1},
            ],
            "overlaps",
        ),
        (
            [{"start": "2026-12-01T00:00:00Z", "price": 1, "end": "2026-12-01T00:00:00Z"}],
            "is not after start",
        ),
    ],
)
def test_bad_prices_are_refused_whole(message, words) -> None:
    with pytest.raises(InvalidValueError, match=words):
        Prices.parse(message)


def test_a_gap_between_prices_has_no_price_and_newer_ones_replace_older() -> None:
    prices = Prices.parse(
        [
            {"start": "2026-12-01T00:00:00Z", "price": 1},
            {"start": "2026-12-01T01:00:00Z", "price": 2},
            {"start": "2026-12-03T00:00:00Z", "price": 3},
        ]
    )

    def at(day, hour):
        return prices.at(datetime(2026, 12, day, hour, 30, tzinfo=timezone.utc))

    assert [at(1, 0), at(1, 1), at(1, 2), at(2, 12), at(3, 0), at(3, 1)] == [
        1,
        2,
        None,
        None,
        3,
        None,
    ]
    since = datetime(2026, 12, 1, 1, tzinfo=timezone.utc)
    newer = Prices.parse([{"start": "2026-12-01T01:30:00Z", "price": 9}])
    prices = prices.merged(newer, since)
    assert [at(1, 0), at(1, 1), at(1, 2), at(3, 0)] == [None, 9, None, 3]
    assert prices.at(since) == 2


# ---- cheapest hours --------------------------------------------------------------------------

CHEAPEST = {"kw": 10, "energy_kwh": 20, "from": "18:00", "deadline": "06:00", "margin_percent": 0}


def test_the_cheapest_hours_before_the_deadline_are_used() -> None:
    found = schedule({"cheapest": {**CHEAPEST, "otherwise_kw": 1}})
    prices = day_prices(9, 8, 7, 6, 5, 4, 1, 2, 3, 3, 3, 3, 0, 0)
    asked = {
        hour: kw_at(found, f"2026-12-02T{hour:02}:30", prices=prices) for hour in (0, 1, 2, 5, 6, 7)
    }
    assert asked == {0: 10, 1: 10, 2: 1, 5: 1, 6: None, 7: None}  # 06:00 is past the deadline


def test_the_plan_of_a_night_does_not_change_while_it_is_carried_out() -> None:
    found = schedule({"cheapest": CHEAPEST})
    prices = day_prices(9, 8, 7, 6, 5, 4, 1, 2, 3, 3, 3, 3)
    start = local("2026-12-01T18:00")
    whole = found.periods("g", start, start + timedelta(hours=12), prices)
    for minute in range(0, 720, 30):
        at = start + timedelta(minutes=minute)
        [now] = [p.kw for p in whole if p.start <= at < p.end]
        assert found.now("g", at, prices)[0].kw == now


def test_without_prices_it_is_charged_at_once() -> None:
    found = schedule({"cheapest": CHEAPEST})
    assert [kw_at(found, f"2026-12-01T{hour}:30") for hour in (18, 19, 20)] == [10, 10, 0]


def test_a_need_that_cannot_be_met_takes_all_hours_and_one_that_is_not_known_is_free() -> None:
    found = schedule({"cheapest": {**CHEAPEST, "energy_kwh": 500}})
    prices = day_prices(9, 8, 7)
    assert [kw_at(found, f"2026-12-01T{hour}:30", prices=prices) for hour in (18, 20, 23)] == [
        10
    ] * 3
    found = schedule({"cheapest": {**CHEAPEST, "energy_kwh": None}})
    assert kw_at(found, "2026-12-01T20:30", prices=prices) is None


def test_vehicles_with_needs_share_the_power_of_the_group() -> None:
    start = local("2026-12-01T18:00").astimezone(timezone.utc)
    needs = [
        Need(10, start, start + timedelta(hours=2), 7.0, "first"),
        Need(6, start, start + timedelta(hours=4), 7.0, "second"),
    ]
    slots, unmet = lay(needs, day_prices(1, 5, 2, 9), 10.0)
    assert [(slot.used_kw, slot.price) for slot in slots] == [(10, 1), (7, 5), (7, 2), (0, 9)]
    assert unmet == []
    found = schedule({"cheapest": {**CHEAPEST, "energy_kwh": None}})
    asked = [
        kw_at(found, f"2026-12-01T{hour}:30", prices=day_prices(1, 5, 2, 9), needs=needs)
        for hour in (18, 19, 20, 21)
    ]
    assert asked == [10, 7, 7, 0]


@given(
    st.lists(st.floats(-1, 1), min_size=12, max_size=12),
    st.floats(1, 200),
    st.lists(st.tuples(st.floats(1, 30), st.integers(1, 12)), min_size=1, max_size=4),
)
def test_needs_are_met_where_they_can_be_and_never_above_the_power(values, kw, vehicles) -> None:
    start = datetime(2026, 12, 1, 18, tzinfo=timezone.utc)
    prices = day_prices(*values, start=start.isoformat())
    needs = [
        Need(energy, start, start + timedelta(hours=hours), 11.0, str(n))
        for n, (energy, hours) in enumerate(vehicles)
    ]
    slots, unmet = lay(needs, prices, kw)
    assert all(slot.used_kw <= kw + 1e-9 for slot in slots)
    if not unmet:
        energy = sum(slot.used_kw * slot.hours for slot in slots)
        assert energy >= sum(need.energy_kwh for need in needs) - 1e-6


def test_the_deadline_of_a_need_is_the_next_such_time() -> None:
    found = schedule({"cheapest": CHEAPEST})
    at = local("2026-12-01T20:00").astimezone(timezone.utc)
    assert found.need(10, "07:00", at, "g").deadline.astimezone(BERLIN).isoformat() == (
        "2026-12-02T07:00:00+01:00"
    )
    assert found.need(10, "23:00", at, "g").deadline.astimezone(BERLIN).day == 1


# ---- the configuration -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"timezone": "Mars/Base"}, "not a known time zone"),
        ({"holidays": ["25.12.2026"]}, "not a date"),
        ({"holidays": ["2026-02-30"]}, "not a date"),
        ({"group": {"rules": [{"from": "7:00", "kw": 1}]}}, "not a time"),
        ({"group": {"rules": [{"from": "25:00", "kw": 1}]}}, "not a time"),
        ({"group": {"rules": [{"from": "07:00", "until": "07:00", "kw": 1}]}}, "is an empty time"),
        ({"group": {"rules": [{"kw": -1}]}}, "greater than or equal to 0"),
        ({"group": {"rules": [{"kw": True}]}}, "must be a number"),
        ({"group": {"rules": [{}]}}, "missing"),
        ({"group": {"rules": [{"kw": 1, "weekdays": ["monday"]}]}}, "weekdays"),
        ({"group": {"rules": [{"kw": 1, "season": ["1-1", "12-31"]}]}}, "month and day"),
        ({"group": {"rulse": []}}, "unknown key"),
        ({"group": {"prices": {"above": {"cheap": 1}}}, "prices_topic": "p"}, "not a price"),
        ({"group": {"prices": {"above": {"1": 1}}}}, "prices_topic or prices_file"),
        ({"exceptions": [{"date": "2026-01-01", "kw": 1, "groups": ["x"]}]}, "no group 'x'"),
    ],
)
def test_faults_of_the_configuration_are_named(fields, words) -> None:
    group = fields.pop("group", {})
    with pytest.raises(ConfigurationError, match=words):
        schedule(group, **{"zone": fields.pop("timezone", "UTC"), **fields})


def test_an_unknown_group_and_a_time_without_zone_are_refused() -> None:
    found = schedule()
    with pytest.raises(InvalidValueError, match="no group 'x'"):
        found.now("x", local("2026-12-01T20:00"))
    with pytest.raises(InvalidValueError, match="time zone"):
        found.periods("g", datetime(2026, 12, 1), datetime(2026, 12, 2))
