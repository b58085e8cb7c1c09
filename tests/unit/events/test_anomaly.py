"""The anomaly score: 0 for a charger as it always was, high for one that degrades, None unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.events import Event
from chargepoint_driver.events.anomaly import DAY_S, AnomalyModel
from chargepoint_driver.events.live_status import ANOMALY_LIMIT
from tests.unit.backends.ocpp.conftest import Charger, Clock, Site
from tests.unit.events.engines import until

NOW_S = 1_795_000_000.0


class History:
    """Events of one charger, oldest first."""

    def __init__(self) -> None:
        self.model = AnomalyModel()
        self._seq = 0

    def add(self, at_s: float, action: str, **data: Any) -> None:
        self._seq += 1
        self.model.take(Event(1, self._seq, at_s, at_s, "ocpp", "CP1", 1, action, json.dumps(data)))

    def fault(self, at_s: float) -> None:
        self.add(at_s, "StatusNotification", status="Faulted", errorCode="GroundFailure")
        self.add(at_s + 60, "StatusNotification", status="Available", errorCode="NoError")

    def session(self, at_s: float, *, kwh: float = 10.0, ratio: float | None = 0.95) -> None:
        length_s = 3_600.0 if kwh else 120.0
        self.add(at_s, "StartTransaction", meterStart=1_000)
        if ratio is not None:
            values = {"load_kw": 7.0 * ratio, "offered_kw": 7.0}
            self.add(at_s + 60, "MeterValues", samples=[{"values": values}])
        self.add(at_s + length_s, "StopTransaction", meterStop=1_000 + 1_000 * kwh)

    def month(self, *, ratio: float | None = 0.95) -> None:
        """Three weeks as they should be."""
        for day in range(29, 7, -1):
            self.session(NOW_S - day * DAY_S, ratio=ratio)

    def assess(self) -> dict[str, Any] | None:
        return self.model.assess("CP1", NOW_S)


def test_a_charger_as_it_always_was_has_no_score_but_0():
    history = History()
    history.month()
    for day in range(6, 0, -1):
        history.session(NOW_S - day * DAY_S)
    found = history.assess()
    assert found["score"] == 0
    assert found["inputs"]["delivered_to_offered"] == 0.95
    assert found["inputs"]["failed_starts_share"] == 0


def test_too_little_is_not_known():
    history = History()
    assert history.assess() is None
    for day in range(4, 0, -1):
        history.session(NOW_S - day * DAY_S)
    assert history.assess() is None


@pytest.mark.parametrize("count", [2, 4, 8])
def test_failures_raise_the_score(count):
    history = History()
    history.month()
    for number in range(count):
        history.fault(NOW_S - 6 * DAY_S + number * 3_600)
    found = history.assess()
    assert found["score"] == pytest.approx(0.5 * min(1, (count - 1) / 6), abs=0.001)
    assert found["inputs"]["days_between_failures"] == pytest.approx(7 / count, abs=0.01)


def test_failures_that_are_not_new_do_not():
    """One fault a day, for a month: that is how this charger is."""
    history = History()
    for day in range(29, 0, -1):
        history.fault(NOW_S - day * DAY_S)
    assert history.assess()["score"] < ANOMALY_LIMIT


def test_a_fault_that_lasts_is_one_failure():
    history = History()
    history.month()
    for minute in range(60):
        at_s = NOW_S - DAY_S + 60 * minute
        history.add(at_s, "StatusNotification", status="Faulted", errorCode="GroundFailure")
    assert history.assess()["inputs"]["failures_in_7_days"] == 1


def test_failed_starts_raise_the_score():
    history = History()
    history.month()
    for number in range(12):
        at_s = NOW_S - 6 * DAY_S + number * 7_200
        history.session(at_s, kwh=0.0 if number % 2 else 10.0)
    found = history.assess()
    assert found["inputs"]["failed_starts_share"] == 0.5
    assert found["score"] == 0.5


def test_a_session_whose_energy_is_not_known_is_no_failed_start():
    history = History()
    for number in range(10):
        at_s = NOW_S - DAY_S + number * 600
        history.add(at_s, "StartTransaction")
        history.add(at_s + 60, "StopTransaction")
    assert history.assess() is None


def test_less_power_than_before_raises_the_score():
    history = History()
    history.month(ratio=0.9)
    for day in range(6, 0, -1):
        history.session(NOW_S - day * DAY_S, ratio=0.45)
    found = history.assess()
    assert found["inputs"]["measures"]["deviation"] == 1
    assert found["score"] == 0.5


def test_a_vehicle_that_takes_little_is_no_anomaly():
    """As little as before: the vehicle's way, not the charger's."""
    history = History()
    history.month(ratio=0.4)
    for day in range(6, 0, -1):
        history.session(NOW_S - day * DAY_S, ratio=0.4)
    assert history.assess()["score"] == 0


def test_the_past_is_forgotten():
    history = History()
    for number in range(10):
        history.fault(NOW_S - 40 * DAY_S + number * 3_600)
    assert history.assess() is None


def test_damaged_content_is_left_out():
    model = AnomalyModel()
    for text in ("null", "[]", '{"samples":3}', '{"status":7,"errorCode":[]}', "not json"):
        for action in ("StatusNotification", "TransactionEvent", "StopTransaction", "SessionEnd"):
            model.take(Event(1, 1, NOW_S, NOW_S, "a", "CP1", None, action, text))
    assert model.assess("CP1", NOW_S) is None or model.assess("CP1", NOW_S)["score"] == 0


# ---- twins that degrade --------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    config = OcppConfig.from_dict(
        {
            "listen": "127.0.0.1:0",
            "database": tmp_path / "csms.sqlite",
            "configuration_delay_s": None,
            "heartbeat_s": 86_400,
        }
    )
    found = Site(config, Clock())
    yield found
    found.stop()


def charge(site: Site, charger: Charger, *, is_bad: bool) -> None:
    """One session, as a charger in order has it, or one that gives half and fails at times."""
    clock = site.clock
    transaction = charger.start(clock.iso(), meter=0)
    charger.status("Charging")
    clock.ahead_s += 60
    power = "3000" if is_bad else "6600"
    charger.meter(clock.iso(), transaction, Power_Active_Import=power, Power_Offered="7000")
    if is_bad:
        charger.status("Faulted", errorCode="InternalError")
    clock.ahead_s += 60 if is_bad else 1_800
    charger.stop(transaction, clock.iso(), 20 if is_bad else 3_000)
    charger.status("Available")


def test_a_twin_that_degrades_is_found_and_its_neighbour_is_not(site: Site) -> None:
    chargers = {name: site.charger(name) for name in ("good", "bad")}
    for charger in chargers.values():
        charger.boot()
    site.clock.ahead_s = -28 * DAY_S
    end_s = site.clock.start_s
    while site.clock() < end_s:
        is_late = site.clock() > end_s - 6 * DAY_S
        for name, charger in chargers.items():
            charge(site, charger, is_bad=is_late and name == "bad")
        site.clock.ahead_s += 12 * 3_600

    def scores() -> dict[str, Any]:
        found = {each["charge_point_id"]: each for each in site.system.live_status()}
        return found if all(each["anomaly_score"] is not None for each in found.values()) else {}

    found = until(scores)
    good, bad = found["good"], found["bad"]
    assert good["anomaly_score"] < ANOMALY_LIMIT
    assert bad["anomaly_score"] > 0.8
    assert set(bad["anomaly_inputs"]["measures"]) == {"failures", "failed_starts", "deviation"}
    assert bad["composite_status"] == "down"
    assert any("anomaly score" in reason for reason in bad["composite_reasons"])
    assert not any("anomaly" in reason for reason in good["composite_reasons"])
    assert bad["maintenance_inputs"]["anomaly"] == bad["anomaly_score"]
    assert bad["maintenance_probability"] > good["maintenance_probability"]
