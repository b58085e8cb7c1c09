"""Limits: the numbers, and their effect at twins with and without quirks."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.limit import rate, units_of
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

VEHICLE = {"ac_phases": 3, "max_ac_kw": 22, "battery_kwh": 80, "soc_percent": 20}
ONE = Target("T1", 1)


@given(
    st.floats(0, 1000, allow_nan=False),
    st.sampled_from(["A", "W"]),
    st.sampled_from([120.0, 208.0, 230.0, 240.0]),
    st.sampled_from([1, 2, 3]),
)
def test_a_rate_is_never_above_and_a_multiple_of_a_tenth(kw, unit, voltage, phases) -> None:
    number, stands_for = rate(kw, unit, Electrical(voltage, phases))
    assert Decimal(str(number)) % Decimal("0.1") == 0
    assert stands_for <= kw
    if number and unit == "A":
        assert number >= 6
    if kw * 1000 >= voltage * phases * 6.1:
        assert stands_for > kw - 0.1 * voltage * phases / 1000 - 1e-9


@pytest.mark.parametrize(
    ("kw", "unit", "electrical", "number"),
    [
        (7.2, "A", Electrical(240, 1), 30.0),
        (6.9, "A", Electrical(230, 3), 10.0),
        (11, "A", Electrical(230, 3), 15.9),
        (1.4, "A", Electrical(240, 1), 0.0),
        (1.44, "A", Electrical(240, 1), 6.0),
        (0, "W", Electrical(240, 1), 0.0),
        (3.00019, "W", Electrical(240, 1), 3000.1),
        (1, "W", Electrical(230, 3, is_dc=True), 1000.0),
    ],
)
def test_rates(kw, unit, electrical, number) -> None:
    assert rate(kw, unit, electrical)[0] == number


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Current,Power", ["W", "A"]),
        ("Power", ["W"]),
        ("Amps;W", ["W", "A"]),
        ("A", ["A"]),
        (None, ["A"]),
        ("", ["A"]),
        ("what", ["A"]),
    ],
)
def test_spellings_of_units(text, units) -> None:
    assert units_of(text) == units


class Scene:
    """A twin that charges at a central system."""

    def __init__(self, site, twins) -> None:
        self.site = site
        self.system = site.system
        self.twins = twins

    def charge(self) -> None:
        assert self.twins.start_charging("T1", **VEHICLE) == "Accepted"
        self.twins.wait("T1", lambda state: state["connectors"][0]["transaction_id"])
        eventually(lambda: self.site.connector(1, "T1").transaction)

    def limit(self, number: int = 1):
        return self.site.connector(number, "T1").limit

    def limit_kw(self, number: int = 1) -> float:
        state = self.twins.state("T1")
        return state["limit_kw"] if number == 0 else state["connectors"][number - 1]["limit_kw"]

    def ours(self) -> list[int]:
        return sorted(profile["id"] for profile in self.twins.state("T1")["profiles"])


@pytest.fixture
def scene(start):
    open_twins = []

    def make(ocpp="1.6", connectors=1, quirks=None, charge=True, **fields):
        site = start(voltage=230, phases=3, **fields)
        twins = Twins(
            site.system.ocpp_url,
            [{"id": "T1"}],
            ocpp=ocpp,
            connectors=connectors,
            speed=1,
            quirks=quirks or {},
        ).start()
        open_twins.append(twins)
        twins.wait_connected()
        made = Scene(site, twins)
        if charge:
            made.charge()
        return made

    yield make
    for twins in open_twins:
        twins.stop()
    for twins in open_twins:
        assert not twins._failure


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_limit_holds_and_ends(scene, ocpp) -> None:
    it = scene(ocpp)
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    limit = it.limit()
    assert limit["requested_kw"] == 11
    assert limit["accepted_kw"] == limit["confirmed_kw"] == limit["effective_kw"] <= 11
    assert (limit["confirmed_by"], limit["active"]) == ("composite", True)
    assert it.limit_kw() == pytest.approx(limit["effective_kw"])
    assert it.ours() == [6100011, 6100012]
    it.system.clear(ONE)
    assert (it.limit(), it.ours()) == (None, [])
    it.system.clear(ONE)  # nothing there is a success


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_station_limit_is_another_layer(scene, ocpp) -> None:
    it = scene(ocpp, connectors=2)
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    it.system.shed(Target("T1"), Limit(allowed_load_kw=7), 60)
    assert it.limit_kw(0) <= 7
    assert it.site.point("T1").limit["accepted_kw"] <= 7
    assert it.limit_kw(1) <= 11
    it.system.clear(Target("T1"))
    assert it.ours() == []


def test_percent_of_the_load_at_the_write(scene) -> None:
    it = scene()
    it.twins.advance(61)
    eventually(lambda: it.site.connector(1, "T1").load_kw == pytest.approx(22, abs=0.1))
    it.system.shed(ONE, Limit(percent_shed=25), 60)
    limit = it.limit()
    assert limit["base_kw"] == pytest.approx(22, abs=0.1)
    assert limit["requested_kw"] == pytest.approx(16.5, abs=0.1)
    it.system.shed(ONE, Limit(percent_shed=100), 60)
    assert (it.limit()["effective_kw"], it.limit_kw()) == (0, 0)
    state = it.twins.state("T1")["connectors"][0]
    assert state["transaction_id"] is not None  # never a stop


def test_percent_without_a_load_needs_the_rated_power(scene) -> None:
    it = scene(charge=False, charge_points={"T1": {}, "R": {"rated_kw": 20}})
    it.site.charger("R").status("Available")
    with pytest.raises(InvalidValueError, match="rated_kw"):
        it.system.shed(ONE, Limit(percent_shed=50), 60)
    assert it.ours() == []


def test_a_limit_between_zero_and_six_amps_is_zero(scene) -> None:
    it = scene(quirks={"limit_unit": {"unit": "A"}})
    it.system.shed(ONE, Limit(allowed_load_kw=2), 60)
    limit = it.limit()
    assert (limit["requested_kw"], limit["effective_kw"], limit["value"]) == (2, 0, 0)


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize(
    "quirk",
    [
        {"limit_unit": {"unit": "W"}},
        {"limit_unit": {"unit": "A"}},
        {"rate_unit_spelling": {"text": "Amps;Power"}},
        {"refuses_purpose": {"purposes": ["TxProfile"]}},
        {"refuses_purpose": {"purposes": ["TxDefaultProfile"]}},
        {"profile_kinds": {"kinds": ["Relative"]}},
        {"max_stack_level": {"level": 0}},
        {"tx_profile_overrules": {}},
        {"refuses_actions": {"actions": ["GetCompositeSchedule", "GetConfiguration"]}},
        {"max_keys": {"keys": 1}},
    ],
    ids=lambda quirk: next(iter(quirk)),
)
def test_quirks_do_not_keep_a_limit_out(scene, ocpp, quirk) -> None:
    it = scene(ocpp, quirks=quirk)
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    assert 10.8 < it.limit_kw() <= 11
    assert it.limit()["accepted_kw"] <= 11
    it.system.shed(ONE, Limit(allowed_load_kw=9), 60)
    assert 8.8 < it.limit_kw() <= 9
    it.system.clear(ONE)
    assert it.ours() == []


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_a_refusal_is_an_error_to_the_writer(scene, status) -> None:
    purposes = ["TxDefaultProfile", "TxProfile"]
    it = scene(quirks={"refuses_purpose": {"purposes": purposes, "status": status}})
    with pytest.raises(WriteRejectedError) as caught:
        it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    assert caught.value.service_code == status
    limit = it.limit()
    assert (limit["requested_kw"], limit["accepted_kw"], limit["refused"]) == (11, None, status)
    # Never a profile that caps the whole station instead.
    assert it.ours() == []
    it.system.shed(Target("T1"), Limit(allowed_load_kw=11), 60)


def test_accepted_and_not_applied_shows(scene) -> None:
    it = scene(quirks={"ignores_profiles": {}})
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    limit = it.limit()
    assert (limit["accepted_kw"], limit["confirmed_kw"], limit["effective_kw"]) == (11, 22, 22)
    assert it.site.point("T1").counters["limits_not_applied"] == 1


def test_a_limit_survives_a_reboot_and_a_new_transaction(scene) -> None:
    it = scene(quirks={"forgets_profiles": {}})
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    it.system.call("T1", "Reset", {"type": "Hard"})
    eventually(lambda: it.twins.state("T1")["connections"] > 1)
    eventually(lambda: 6100011 in it.ours())
    it.twins.wait_connected()
    if it.twins.state("T1")["connectors"][0]["plugged"]:
        it.twins.unplug("T1")
    it.charge()
    eventually(lambda: 6100012 in it.ours())
    assert it.limit_kw() == pytest.approx(11)


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_base_below_the_shed(scene, ocpp) -> None:
    """Some draw nothing, or next to nothing, where no profile is left."""
    it = scene(ocpp, charge_points={"T1": {"quirks": {"base_kw": 22}}})
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    assert it.ours() == [6100011, 6100012, 6100014]
    assert it.limit_kw() == pytest.approx(11)
    it.system.clear(ONE)
    assert it.ours() == [6100014]
    assert it.limit_kw() == pytest.approx(22)


def test_a_limit_survives_a_restart_of_ours(scene, start) -> None:
    it = scene()
    it.system.shed(ONE, Limit(allowed_load_kw=11), 60)
    listen = it.system.ocpp_url.removeprefix("ws://").removesuffix("/ocpp")
    it.system.stop()
    again = start(voltage=230, phases=3, listen=listen)
    limit = again.connector(1, "T1").limit
    assert (limit["requested_kw"], limit["accepted_kw"]) == (11, 11)
    it.twins.wait("T1", lambda state: state["accepted"], 30)
    again.system.clear(ONE)
    assert again.connector(1, "T1").limit is None


def test_a_limit_ends_by_itself(scene, clock) -> None:
    it = scene()
    it.system.shed(ONE, Limit(allowed_load_kw=11), 30)
    it.twins.advance(29 * 60)
    assert it.limit_kw() == pytest.approx(11)
    it.twins.advance(2 * 60)
    assert it.limit_kw() == 22
    clock.ahead_s += 31 * 60
    assert not it.limit()["active"]


def test_what_is_not_there(scene) -> None:
    it = scene(charge=False)
    eventually(lambda: 1 in it.site.point("T1").connectors)
    with pytest.raises(NotFoundError):
        it.system.shed(Target("nobody", 1), Limit(allowed_load_kw=1), 60)
    with pytest.raises(NotFoundError):
        it.system.shed(Target("T1", 9), Limit(allowed_load_kw=1), 60)
    with pytest.raises(InvalidValueError):
        it.system.shed(ONE, Limit(allowed_load_kw=-1), 60)
    it.twins.act("T1", "offline")
    eventually(lambda: not it.site.point("T1").connected)
    with pytest.raises(TransientError):
        it.system.shed(ONE, Limit(allowed_load_kw=1), 60)


@pytest.mark.parametrize(
    ("values", "confirmed_by"),
    [
        ({"Power_Active_Import": "4700"}, "load"),
        ({"Power_Offered": "4800"}, "offered"),
        ({"Current_Offered": "20", "Voltage": "240"}, "offered"),
        ({"Power_Active_Import": "7000"}, None),
    ],
)
def test_meter_values_confirm_what_nothing_else_does(site, clock, values, confirmed_by) -> None:
    charger = site.charger()
    charger.status("Charging")
    transaction = charger.start(clock.iso(60))
    seen = []

    def answer() -> None:
        while True:
            try:
                _, number, action, payload = json.loads(charger.ws.recv(10))
            except (TimeoutError, ValueError):
                return
            seen.append((action, payload))
            if action == "SetChargingProfile":
                charger.ws.send(json.dumps([3, number, {"status": "Accepted"}]))
            else:
                charger.ws.send(json.dumps([4, number, "NotSupported", "", {}]))
            if action == "GetCompositeSchedule":
                return

    thread = threading.Thread(target=answer)
    thread.start()
    site.system.shed(Target("CP1", 1), Limit(allowed_load_kw=4.8), 60)
    thread.join()
    limit = site.connector().limit
    assert (limit["unit"], limit["value"], limit["confirmed_kw"]) == ("A", 20.0, None)
    profiles = [payload["csChargingProfiles"] for action, payload in seen if "Set" in action]
    assert [each["chargingProfilePurpose"] for each in profiles] == [
        "TxDefaultProfile",
        "TxProfile",
    ]
    assert profiles[1]["transactionId"] == transaction
    schedule = profiles[0]["chargingSchedule"]
    assert schedule["duration"] == 3660
    assert schedule["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 20.0, "numberPhases": 1}
    ]
    charger.meter(clock.iso(), transaction, **values)
    limit = site.connector().limit
    # Never less than what flows.
    assert (limit["confirmed_by"], limit["effective_kw"]) == (
        confirmed_by,
        4.8 if confirmed_by else 7.0,
    )


def test_no_answer_drops_the_socket_and_leaves_the_fate_open(start) -> None:
    site = start(call_timeout_s=0.3)
    charger = site.charger()
    charger.boot()
    with pytest.raises(OutcomeUnknownError):
        site.system.call("CP1", "ClearCache", {}, timeout_s=5)
    eventually(lambda: not site.point().connected)
    assert site.point().counters["calls_without_answer"] == 1
