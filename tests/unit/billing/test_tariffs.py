"""The choice of a tariff: the most specific one that is valid when a session begins."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.billing.costs import Cost
from chargepoint_driver.billing.prices import WeekClock
from chargepoint_driver.billing.tariffs import StationFacts, Tariffs

from .conftest import BERLIN, at, session, tariff

FACTS = StationFacts.of({"sgID": "7, 8", "sgName": "Garage, Fleet"})
OWN = {"unitPricePerSession": 2.0, "currencyCode": "USD"}
ONE = session("2026-11-02T10:00", "2026-11-02T11:00", 1_000.0)


def named(*tariffs: Any, facts: StationFacts | None = FACTS, one: Any = ONE) -> tuple[Any, Any]:
    """(name of the tariff, reason)."""
    given = [tariff(per_session=1, **fields) for fields in tariffs]
    found = Tariffs(given, WeekClock(BERLIN)).cost("garage", one, facts)
    return found.tariff, found.reason


def test_the_most_specific_counts() -> None:
    every = {"name": "all"}
    account = {"name": "account", "accounts": ["garage"]}
    group = {"name": "group", "station_groups": ["Fleet"]}
    station = {"name": "station", "stations": ["CP1"]}
    assert named(every) == ("all", None)
    assert named(every, account) == ("account", None)
    assert named(group, every, account) == ("group", None)
    assert named(group, station, every, account) == ("station", None)
    assert named(every, {"name": "other", "accounts": ["yard"]}) == ("all", None)
    assert named(every, {"name": "other", "stations": ["CP2"]}) == ("all", None)
    assert named({"name": "by id", "station_groups": ["8"]}) == ("by id", None)


def test_no_tariff_and_two_tariffs() -> None:
    assert named() == (None, "no_tariff")
    assert named({"stations": ["CP2"]}) == (None, "no_tariff")
    both = ({"name": "A", "station_groups": ["7"]}, {"name": "B", "station_groups": ["Fleet"]})
    assert named(*both) == (None, "several_tariffs")


def test_the_tariff_at_the_begin_counts_in_local_days() -> None:
    old = {"name": "old", "valid_to": "2026-10-31"}
    new = {"name": "new", "valid_from": "2026-11-01"}
    over = session("2026-10-31T23:59", "2026-11-01T09:00", 1_000.0)
    assert named(old, new, one=over) == ("old", None)
    # 23:30 in UTC, and midnight has passed in Berlin.
    assert named(old, new, one=session("2026-11-01T00:30", "2026-11-01T09:00")) == ("new", None)
    assert named(new, one=over) == (None, "no_tariff")
    begins_never = session(None, "2026-11-01T09:00")
    assert named(old, new, one=begins_never) == (None, "no_begin")


def test_without_a_list_of_stations_groups_and_own_pricing_are_not_known() -> None:
    assert named({"name": "all"}, facts=None) == ("all", None)
    group = {"name": "group", "station_groups": ["Fleet"]}
    assert named({"name": "all"}, group, facts=None) == (None, "stations_unknown")
    assert named(facts=None) == (None, "stations_unknown")


def test_chargepoints_own_pricing_where_no_tariff_applies() -> None:
    own = StationFacts.of(OWN)
    assert named(facts=own) == ("ChargePoint", None)
    assert named({"name": "mine"}, facts=own) == ("mine", None)
    assert named({"stations": ["CP2"]}, facts=own) == ("ChargePoint", None)
    strange = StationFacts.of({**OWN, "unitPriceForFirst": 1.0})
    assert named(facts=strange) == (None, "pricing")


@pytest.mark.parametrize("end", [None, "2026-11-02T11:00"])
def test_meter_values_are_wanted_only_where_they_are_needed(end: str | None) -> None:
    day = {"name": "day", "from": "08:00", "until": "20:00", "per_kwh": 2}
    tariffs = Tariffs([tariff(per_kwh=1, periods=[day])], WeekClock(BERLIN))
    assert not tariffs.needs_readings("a", session("2026-11-02T10:00", end), FACTS)
    early = session("2026-11-02T07:00", end)
    assert tariffs.needs_readings("a", early, FACTS) == (end is not None)
    found = tariffs.cost("a", early, FACTS)
    assert isinstance(found, Cost)
    assert found.amount is None
    assert at("2026-11-02T07:00") == early.start_s
