"""Prices over a week, also where clocks change, and ChargePoint's own pricing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.billing.prices import (
    PricingError,
    WeekClock,
    of_chargepoint,
    of_tariff,
)
from chargepoint_driver.records import Unreadable

from .conftest import BERLIN, DAY_NIGHT, at, tariff

CLOCK = WeekClock(BERLIN)


def pieces(prices: Any, begin: float, end: float) -> list[tuple[float, str]]:
    """(hours, name of the rate) of each piece."""
    found = CLOCK.pieces(prices, round(begin * 1_000), round(end * 1_000))
    return [((p.end_ms - p.begin_ms) / 3_600_000, prices.rates[p.rate].name) for p in found]


def test_a_day_is_cut_where_the_price_changes() -> None:
    prices = of_tariff(tariff(**DAY_NIGHT))
    assert pieces(prices, at("2026-11-02T06:30"), at("2026-11-02T21:15")) == [
        (1.5, ""),
        (12.0, "day"),
        (1.25, ""),
    ]
    assert pieces(prices, at("2026-11-02T08:00"), at("2026-11-02T20:00")) == [(12.0, "day")]
    assert pieces(prices, at("2026-11-02T20:00"), at("2026-11-02T20:00")) == [(0.0, "")]


def test_weekdays_and_midnight() -> None:
    night = {"name": "night", "from": "22:00", "until": "06:00", "weekdays": ["fri"]}
    prices = of_tariff(tariff(per_kwh=1, periods=[{**night, "per_kwh": 2}]))
    # From Friday noon to Sunday noon: the night of Friday ends on Saturday.
    assert pieces(prices, at("2026-11-06T12:00"), at("2026-11-08T12:00")) == [
        (10.0, ""),
        (8.0, "night"),
        (30.0, ""),
    ]
    sunday = {"name": "late", "from": "23:00", "until": "01:00", "weekdays": ["sun"]}
    prices = of_tariff(tariff(per_kwh=1, periods=[{**sunday, "per_kwh": 2}]))
    assert pieces(prices, at("2026-11-01T22:00"), at("2026-11-02T02:00")) == [
        (1.0, ""),
        (2.0, "late"),
        (1.0, ""),
    ]


def test_days_on_which_the_clock_changes() -> None:
    """In Berlin 2026-03-29 has no 02:30, and 2026-10-25 has it twice."""
    early = [{"name": "early", "from": "02:00", "until": "03:00", "per_kwh": 2}]
    prices = of_tariff(tariff(per_kwh=1, periods=early))
    assert pieces(prices, at("2026-03-29T00:00"), at("2026-03-30T00:00")) == [(23.0, "")]
    assert pieces(prices, at("2026-10-25T00:00"), at("2026-10-26T00:00")) == [
        (2.0, ""),
        (2.0, "early"),
        (21.0, ""),
    ]
    wide = [{"name": "wide", "from": "01:30", "until": "03:30", "per_kwh": 2}]
    prices = of_tariff(tariff(per_kwh=1, periods=wide))
    assert pieces(prices, at("2026-03-29T00:00"), at("2026-03-29T06:00")) == [
        (1.5, ""),
        (1.0, "wide"),
        (2.5, ""),
    ]
    assert pieces(prices, at("2026-10-25T00:00"), at("2026-10-25T06:00"))[1] == (3.0, "wide")


@given(
    begin=st.integers(1_700_000_000_000, 1_830_000_000_000),
    lasts=st.integers(0, 10 * 86_400_000),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
    ),
)
def test_pieces_are_the_whole_time(begin: int, lasts: int, zone: str) -> None:
    clock, prices = WeekClock(ZoneInfo(zone)), of_tariff(tariff(**DAY_NIGHT))
    found = clock.pieces(prices, begin, begin + lasts)
    assert (found[0].begin_ms, found[-1].end_ms) == (begin, begin + lasts)
    for one, other in pairwise(found):
        assert one.end_ms == other.begin_ms
        assert one.rate != other.rate
    for piece in found:
        for moment in (piece.begin_ms, (piece.begin_ms + piece.end_ms) // 2):
            local = datetime.fromtimestamp(moment / 1_000, ZoneInfo(zone))
            assert piece.rate == int(8 <= local.hour < 20)


def test_a_price_that_a_period_leaves_out_is_that_of_the_tariff() -> None:
    parked = {"name": "parked", "from": "08:00", "until": "20:00", "per_hour": "2"}
    prices = of_tariff(tariff(per_kwh="0.3", periods=[parked]))
    assert [(rate.per_kwh, rate.per_hour) for rate in prices.rates] == [
        (Decimal("0.3"), 0),
        (Decimal("0.3"), 2),
    ]


REPORTED = {
    "Type": "Session",
    "minPrice": 0.0,
    "maxPrice": 10.0,
    "unitPricePerHour": 1.5,
    "unitPricePerHourThereafter": 1.5,
    "unitPricePerSession": 0.5,
    "unitPricePerKWh": 0.25,
    "currencyCode": "USD",
}


def test_chargepoints_own_pricing() -> None:
    prices = of_chargepoint(REPORTED)
    assert prices is not None
    assert prices.is_flat
    assert (prices.currency, prices.per_session) == ("USD", Decimal("0.5"))
    assert prices.rates == (("", Decimal("0.25"), Decimal("1.5")),)
    assert (prices.minimum, prices.maximum) == (None, 10)
    assert of_chargepoint({"currencyCode": "USD", "Type": "Session"}) is None
    free = of_chargepoint({"unitPricePerSession": 0.0, "maxPrice": 0.0, "currencyCode": "usd"})
    assert free is not None
    assert (free.maximum, free.currency) == (None, "USD")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("", None), ("08:00:00", 28_800), ("4 hours", 14_400), ("0:00:30", 30)],
)
def test_the_longest_session_of_chargepoints_pricing(text: str | None, seconds: int | None) -> None:
    prices = of_chargepoint({**REPORTED, "sessionTime": text})
    assert prices is not None
    assert prices.longest_s == seconds


@pytest.mark.parametrize(
    ("begin", "end", "covered"),
    [
        ("00:00:00", "23:59:59", 96),
        ("00:00:00", "00:00:00", 96),
        ("08:00:00", "20:00:00", 48),
        ("22:00:00", "06:00:00", 32),
        ("08:00:00Z", "24:00:00", 64),
        (None, "06:00:00", 24),
    ],
)
def test_the_time_of_day_of_chargepoints_pricing(begin: str | None, end: str, covered: int) -> None:
    prices = of_chargepoint({**REPORTED, "startTime": begin, "endTime": end})
    assert prices is not None
    assert sum(rate == 0 for rate in prices.week) == 7 * covered
    assert prices.is_flat == (covered == 96)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unitPricePerHourThereafter": 2.0}, "price of an hour changes"),
        ({"unitPriceForFirst": 1.0}, "unitPriceForFirst is set"),
        ({"sessionTime": "2"}, "sessionTime cannot be read"),
        ({"sessionTime": Unreadable("x")}, "sessionTime cannot be read"),
        ({"currencyCode": None}, "currencyCode is not reported"),
        ({"currencyCode": "Dollars"}, "currencyCode is not reported"),
        ({"startTime": "08:07:00"}, "startTime is not a time in quarter hours"),
        ({"endTime": Unreadable("late")}, "endTime is not a time"),
        ({"unitPricePerKWh": Unreadable("free")}, "unitPricePerKWh cannot be read"),
        ({"unitPricePerKWh": -1.0}, "unitPricePerKWh is not a price"),
        ({"minPrice": float("nan")}, "minPrice is not a price"),
    ],
)
def test_pricing_that_does_not_say_what_a_session_costs(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PricingError, match=words):
        of_chargepoint({**REPORTED, **fields})


def test_a_quarter_hour_has_one_price_in_every_zone() -> None:
    """Zones change their offset at whole quarter hours of UTC."""
    for zone in ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"):
        moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
        while moment.year == 2026:
            offsets = {
                (moment + timedelta(seconds=step)).astimezone(ZoneInfo(zone)).utcoffset()
                for step in (0, 450, 899)
            }
            assert len(offsets) == 1
            moment += timedelta(minutes=15)
