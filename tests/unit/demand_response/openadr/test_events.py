"""The list of events and the table of signals, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chargepoint_driver.demand_response.chargers import Measured
from chargepoint_driver.demand_response.openadr.baseline import baseline_kw
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig
from chargepoint_driver.demand_response.openadr.events import Event, EventList, Interval
from chargepoint_driver.demand_response.openadr.signals import (
    Ask,
    Facts,
    UnresolvableSignalError,
    resolve,
    to_ask,
)
from chargepoint_driver.demand_response.openadr.store import SLOT_S, Store
from chargepoint_driver.demand_response.openadr.telemetry import Telemetry
from chargepoint_driver.demand_response.openadr.ven import Ven

NOW = datetime(2026, 7, 1, 14, 0, tzinfo=timezone.utc)
FACTS = Facts({1.0: 40.0, 2.0: 20.0}, {0.4: 15.0}, 50.0, 30.0, 5.0)
HOUR = timedelta(hours=1)


def ask(name: str, value: float, kind: str | None = None, **more: Any) -> Ask:
    return to_ask("2.0b" if kind else "3", name, kind, value, **more)


def event(name: str, *asks: Ask, **fields: Any) -> Event:
    intervals = (Interval(NOW, NOW + HOUR, asks),)
    return Event(**{"vtn": "v", "id": name, "modification": "0", "program": "p",
                    "intervals": intervals, **fields})  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "kw"),
    [
        (ask("SIMPLE", 0, "level"), None),
        (ask("SIMPLE", 2, "level"), 20.0),
        (ask("simple", 3, "level"), 20.0),
        (ask("ELECTRICITY_PRICE", 0.39, "price"), None),
        (ask("ELECTRICITY_PRICE", 0.4, "price"), 15.0),
        (ask("LOAD_DISPATCH", 4, "setpoint"), 4.0),
        (ask("LOAD_DISPATCH", 4000, "setpoint", unit="W", scale="none"), 4.0),
        (ask("LOAD_DISPATCH", 4, "setpoint", unit="W", scale="k"), 4.0),
        (ask("LOAD_DISPATCH", -10, "delta"), 20.0),
        (ask("LOAD_DISPATCH", -40, "delta"), 0.0),
        (ask("LOAD_DISPATCH", 0.5, "multiplier"), 15.0),
        (ask("LOAD_CONTROL", 0.5, "x-loadControlCapacity"), 25.0),
        (ask("LOAD_CONTROL", -40, "x-loadControlPercentOffset"), 30.0),
        (ask("DISPATCH_SETPOINT", 40, unit="PERCENT"), 20.0),
        (ask("DISPATCH_SETPOINT_RELATIVE", -10), 20.0),
        (ask("IMPORT_CAPACITY_LIMIT", 40), 35.0),
        (ask("IMPORT_CAPACITY_LIMIT", 3), 0.0),
        (ask("GHG", 400), None),
    ],
)
def test_each_signal_has_its_own_meaning(asked: Ask, kw: float | None) -> None:
    assert resolve(asked, FACTS) == (None if kw is None else pytest.approx(kw))


@pytest.mark.parametrize(
    ("name", "kind", "value", "unit"),
    [
        ("CHARGE_STATE", "setpoint", 1.0, None),
        ("SIMPLE", "price", 1.0, None),
        ("LOAD_DISPATCH", "setpoint", float("nan"), None),
        ("LOAD_DISPATCH", "setpoint", True, None),
        ("LOAD_DISPATCH", "setpoint", "4", None),
        ("LOAD_DISPATCH", "setpoint", 4.0, "A"),
        ("LOAD_CONTROL", "x-loadControlSetpoint", 21.0, None),
        ("LOAD_CONTROL", "x-loadControlLevelOffset", 2.0, None),
    ],
)
def test_what_is_not_in_the_table_is_refused(
    name: str, kind: str, value: object, unit: str | None
) -> None:
    with pytest.raises(UnresolvableSignalError):
        to_ask("2.0b", name, kind, value, unit)


@pytest.mark.parametrize(
    "asked",
    [
        ask("SIMPLE", 1, "level"),
        ask("PRICE", 1),
        ask("LOAD_DISPATCH", -1, "delta"),
        ask("LOAD_CONTROL", 0.5, "x-loadControlCapacity"),
    ],
)
def test_what_is_not_configured_or_known_is_no_limit_and_said(asked: Ask) -> None:
    event_list = EventList("ven")
    event_list.take(event("e", asked), NOW)
    decision = event_list.decide(NOW, lambda _: Facts({}, {}))
    assert decision.kw is None
    assert ("v", "e") in decision.problems


def test_simple_counts_only_where_nothing_else_does() -> None:
    event_list = EventList("ven")
    event_list.take(
        event("e", ask("SIMPLE", 2, "level"), ask("LOAD_DISPATCH", 30, "setpoint")), NOW
    )
    assert event_list.decide(NOW, lambda _: FACTS).kw == 30.0
    event_list.take(event("e", ask("SIMPLE", 2, "level"), ask("LOAD_DISPATCH", -1, "delta")), NOW)
    assert event_list.decide(NOW, lambda _: replace(FACTS, expected_kw=None)).kw == 20.0


def test_priorities_count_within_a_programme_and_the_lowest_limit_across() -> None:
    event_list = EventList("ven")
    event_list.take(event("low", ask("DISPATCH_SETPOINT", 10)), NOW)
    event_list.take(event("high", ask("DISPATCH_SETPOINT", 30), rank=1), NOW)
    assert event_list.decide(NOW, lambda _: FACTS).kw == 30.0
    event_list.take(event("other", ask("DISPATCH_SETPOINT", 25), program="q"), NOW)
    assert event_list.decide(NOW, lambda _: FACTS).kw == 25.0
    event_list.take(event("free", ask("SIMPLE", 0), rank=0), NOW)
    assert event_list.decide(NOW, lambda _: FACTS).kw == 25.0
    event_list.take(event("other", cancelled=True, program="q"), NOW)
    assert event_list.decide(NOW, lambda _: FACTS).kw is None


def test_an_event_lasts_from_its_start_to_its_end() -> None:
    event_list = EventList("ven")
    event_list.take(event("e", ask("DISPATCH_SETPOINT", 10)), NOW)
    at = [NOW - timedelta(seconds=1), NOW, NOW + HOUR - timedelta(seconds=1), NOW + HOUR]
    assert [event_list.decide(when, lambda _: FACTS).kw for when in at] == [None, 10.0, 10.0, None]


def test_a_random_start_is_the_same_after_an_update_and_a_restart() -> None:
    made = event("e", ask("DISPATCH_SETPOINT", 10), randomize_s=600.0)
    starts = set()
    for event_list in (EventList("ven"), EventList("ven")):
        for modification in ("0", "1"):
            event_list.take(replace(made, modification=modification), NOW)
            starts.add(event_list.events[made.key].start)
    (start,) = starts
    assert NOW <= start <= NOW + timedelta(seconds=600)
    others = {EventList(f"ven-{index}").take(made, NOW) and index for index in range(3)}
    assert len(others) == 3
    drawn = []
    for index in range(20):
        other = EventList(f"ven-{index}")
        other.take(made, NOW)
        drawn.append(other.events[made.key].start)
    assert len(set(drawn)) > 10


def test_a_test_event_is_answered_and_not_carried_out_by_default() -> None:
    made = event("e", ask("DISPATCH_SETPOINT", 10), test=True)
    event_list = EventList("ven")
    assert event_list.take(made, NOW).outcome == "test"
    assert event_list.take(made, NOW).opts_in
    assert event_list.decide(NOW, lambda _: FACTS).kw is None
    acting = EventList("ven", act_on_tests=True)
    acting.take(made, NOW)
    assert acting.decide(NOW, lambda _: FACTS).kw == 10.0


def test_opting_out_ends_it_and_what_is_not_listed_is_cancelled() -> None:
    event_list = EventList("ven")
    made = event("e", ask("DISPATCH_SETPOINT", 10))
    event_list.take(made, NOW)
    event_list.opts[made.key] = False
    assert event_list.decide(NOW, lambda _: FACTS).kw is None
    del event_list.opts[made.key]
    assert [gone.id for gone in event_list.keep_only("v", [], NOW)] == ["e"]
    assert event_list.keep_only("v", [], NOW) == []
    assert event_list.decide(NOW, lambda _: FACTS).kw is None
    assert event_list.keep_only("another", ["e"], NOW) == []


def test_events_and_decisions_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    made = event("e", ask("DISPATCH_SETPOINT", 10), wanted=("USAGE",), rank=3)
    store = Store(path)
    store.keep(made)
    store.opt(made.key, False)
    store.set_fact("held", True)
    store.close()
    again = Store(path)
    assert again.events() == [made]
    assert again.opts() == {made.key: False}
    assert again.fact("held") is True
    again.drop([made.key])
    assert again.events() == []
    again.close()


def test_a_vtn_away_for_a_day_leaves_what_is_known(tmp_path: Path) -> None:
    at = [NOW]
    config = OpenAdrConfig.from_dict(
        {
            "ven_name": "ven",
            "vtns": {"v": {"version": "2.0b", "url": "http://vtn"}},
            "state_file": tmp_path / "state.sqlite",
        }
    )
    ven = Ven(config, lambda: at[0])
    endless = replace(event("e"), intervals=(Interval(NOW, None, (ask("DISPATCH_SETPOINT", 10),)),))
    ven.take(endless)
    ven.lost("v", "no route")
    at[0] = NOW + timedelta(days=1)
    ven.lost("v", "no route")
    assert ven.decide().kw == 10.0
    said = ven.status()["vtns"]["v"]
    assert said == {
        "reachable": False,
        "unreachable_since": NOW.isoformat(),
        "error": "no route",
    }
    ven.close()


def test_what_was_not_measured_is_not_reported() -> None:
    telemetry = Telemetry(max_gap_s=15)
    for second in range(0, 60, 5):
        load = None if second in (20, 25) else 6.0
        telemetry.add(NOW + timedelta(seconds=second), Measured(load, 4.0, True, 1, 1))
    whole = telemetry.window(NOW, NOW + timedelta(seconds=60))
    assert (whole.load_kw, whole.energy_kwh) == (None, None)
    good = telemetry.window(NOW + timedelta(seconds=30), NOW + timedelta(seconds=60))
    assert good.load_kw == pytest.approx(6.0)
    assert good.energy_kwh == pytest.approx(6.0 * 30 / 3600)
    assert good.headroom_kw == pytest.approx(-2.0)
    later = telemetry.window(NOW + timedelta(minutes=5), NOW + timedelta(minutes=6))
    assert later.load_kw is None
    free = Telemetry(max_gap_s=15)
    free.add(NOW, Measured(6.0, None, False, 1, 1))
    assert free.window(NOW, NOW + timedelta(seconds=10)).limit_kw is None


def test_the_baseline_is_the_mean_of_ten_similar_days_adjusted() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    start = datetime(2026, 7, 1, 14, 0, tzinfo=zone)  # a Wednesday
    slots: dict[int, tuple[float, bool]] = {}

    def fill(day: datetime, kw: float, is_event: bool = False) -> None:
        for quarter in range(96):
            at = day.replace(hour=0) + timedelta(seconds=SLOT_S * quarter)
            slots[int(at.timestamp())] = (kw, is_event)

    for back in range(1, 40):
        day = start - timedelta(days=back)
        is_free = day.weekday() >= 5
        # The eleventh working day and those before must not count.
        fill(day, 99.0 if is_free or back > 15 else 10.0)
    fill(start - timedelta(days=2), 500.0, is_event=True)
    del slots[next(iter(slots))]
    fill(start - timedelta(days=15), 10.0)
    fill(start - timedelta(days=16), 10.0)
    assert baseline_kw(slots, start, start, zone) == pytest.approx(10.0)
    # The morning was a tenth above the mean of these days: so is the baseline.
    for quarter in range(12):
        at = start - timedelta(hours=4) + timedelta(seconds=SLOT_S * quarter)
        slots[int(at.timestamp())] = (11.0, False)
    assert baseline_kw(slots, start, start, zone) == pytest.approx(11.0)
    for quarter in range(12):
        at = start - timedelta(hours=4) + timedelta(seconds=SLOT_S * quarter)
        slots[int(at.timestamp())] = (40.0, False)
    assert baseline_kw(slots, start, start, zone) == pytest.approx(12.0)
    assert baseline_kw({}, start, start, zone) is None
