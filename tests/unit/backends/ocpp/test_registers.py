"""Every path of the OCPP catalogue can be filled by some message: no point is None
permanently."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.ocpp import OcppBackend
from chargepoint_driver.backends.ocpp import registers as registers_of_ocpp
from chargepoint_driver.catalogue import OCPP, Catalogue
from chargepoint_driver.catalogue.measurands import LINES, MEASURANDS, Measurand
from chargepoint_driver.errors import ChargePointError

from .conftest import LIMIT_S, Charger, Clock
from .test_backend import account

Point = tuple[str, str]
READ = {(row.call, row.name) for row in OCPP if row.path[0] and not row.own}


@pytest.fixture
def backend(tmp_path: Path, clock: Clock) -> Iterator[OcppBackend]:
    settings = {"CP1": {"rated_kw": 11, "voltage": 230, "phases": 3}}
    groups = {"yard": ("CP1",)}
    backend = OcppBackend(account(tmp_path, charge_points=settings, station_groups=groups), clock)
    yield backend
    backend.close()


def filled(backend: OcppBackend) -> set[Point]:
    """The points that have a value now, of the charge point or a connector."""
    found = set()
    for call in OCPP.calls:
        record = backend.fetch(Request(call, ("CP1",))).records["CP1"]
        for values in (record.values, *record.ports.values()):
            found |= {(call, name) for name, value in values.items() if value is not None}
    return found


def answering(charger: Charger, do: Callable[[], Any], answers: dict[str, dict[str, Any]]) -> None:
    """Do something whose requests are answered so, by their action."""

    def run() -> None:
        with contextlib.suppress(ChargePointError):
            do()

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        try:
            _, number, action, _ = json.loads(charger.ws.recv(0.05))
        except TimeoutError:
            continue
        answer = answers.get(action, {"status": "Accepted"})
        charger.ws.send(json.dumps([3, number, answer]))
    thread.join(LIMIT_S)


def sampled(row: Measurand) -> list[dict[str, Any]]:
    """What a charger sends of a measurand: a total, and its phases where they are points."""
    unit = next(iter(row.units), "")
    value = {"measurand": row.name, "value": "3000" if row.keeps else "5", "unit": unit}
    return [value, *({**value, "phase": line} for line in LINES if row.line_point)]


def test_every_path_of_the_catalogue_can_be_filled(backend: OcppBackend, clock: Clock) -> None:
    charger = Charger(backend.system.ocpp_url, "CP1")
    boot = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"}
    charger.ask("BootNotification", {**boot, "chargePointSerialNumber": "S"})
    fault = {"errorCode": "GroundFailure", "vendorErrorCode": "X1", "info": "of the plug"}
    charger.status("Faulted", timestamp=clock.iso(60), **fault)
    found = filled(backend)
    charger.status("Charging", timestamp=clock.iso(30))
    transaction = charger.start(clock.iso(20), meter=1000)
    values = [value for row in MEASURANDS for value in sampled(row)]
    moment = {"timestamp": clock.iso(), "sampledValue": values}
    payload = {"connectorId": 1, "transactionId": transaction, "meterValue": [moment]}
    charger.ask("MeterValues", payload)
    charger.meter(clock.iso(), transaction, Power_Active_Import="8000")
    found |= filled(backend)
    settings = {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]
    }
    period = {"startPeriod": 0, "limit": 4000.0}
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    composite = {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}
    answers = {"GetConfiguration": settings, "GetCompositeSchedule": composite}
    one = Target("CP1", 1)
    answering(charger, lambda: backend.shed(one, Limit(percent_shed=50), 60), answers)
    answering(charger, lambda: backend.shed(one, Limit(allowed_load_kw=5), 60), answers)
    found |= filled(backend)
    answering(charger, lambda: backend.shed(one, Limit(percent_shed=50), 60), answers)
    found |= filled(backend)
    plan = {"periods": [{"start": clock.iso(60), "kw": 5}], "until": clock.iso(-3600)}
    answering(charger, lambda: backend.command(one, "chargingPlan", json.dumps(plan)), answers)
    found |= filled(backend)
    answers["SetChargingProfile"] = {"status": "Rejected"}
    answering(charger, lambda: backend.shed(one, Limit(allowed_load_kw=5), 60), answers)
    found |= filled(backend)
    charger.stop(transaction, clock.iso(), 3000, reason="Local")
    found |= filled(backend)
    charger.close()
    charger = Charger(backend.system.ocpp_url, "CP1", subprotocols=["ocpp2.0.1"])
    ac = {"energyAmount": 9000, "evMinCurrent": 6, "evMaxCurrent": 32, "evMaxVoltage": 230}
    needs = {"requestedEnergyTransfer": "AC_three_phase", "acChargingParameters": ac}
    needs["departureTime"] = clock.iso(-3600)
    charger.ask("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    found |= filled(backend)
    charger.close()
    assert sorted(READ - found) == []


def test_a_path_that_leads_nowhere_is_noticed(
    backend: OcppBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = OCPP.find("LoadRegister", "Frequency")
    assert row is not None
    lost = dataclasses.replace(row, name="misspelt", path=("Port/frequency_herz",))
    catalogue = Catalogue([*OCPP, lost], OCPP.calls.values())
    monkeypatch.setattr(registers_of_ocpp, "OCPP", catalogue)
    monkeypatch.setitem(globals(), "READ", {*READ, ("state", "misspelt")})
    with pytest.raises(AssertionError, match="misspelt"):
        test_every_path_of_the_catalogue_can_be_filled(backend, clock)


@pytest.mark.parametrize("row", MEASURANDS, ids=lambda row: row.name)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_each_unit_of_each_measurand(site: Any, clock: Clock, row: Measurand, version: str) -> None:
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    for step, (unit, (factor, offset)) in enumerate(row.units.items()):
        clock.ahead_s += 1
        value: dict[str, Any] = {"measurand": row.name, "value": "7", "unit": unit}
        number = "connectorId"
        if version != "1.6":
            value = {"measurand": row.name, "value": 7, "unitOfMeasure": {"unit": unit}}
            number = "evseId"
        moment = {"timestamp": clock.iso(), "sampledValue": [value]}
        charger.ask("MeterValues", {number: 1, "meterValue": [moment]})
        shown = getattr(site.connector(), row.field)
        assert shown == pytest.approx((7 * factor + offset) / row.divisor), (step, unit)


def test_each_point_has_the_value_of_its_measurand_in_its_unit(
    backend: OcppBackend, clock: Clock
) -> None:
    charger = Charger(backend.system.ocpp_url, "CP1")
    charger.status("Charging")
    for row in MEASURANDS:
        unit = next(iter(row.units))
        value = {"measurand": row.name, "value": "1234.5", "unit": unit}
        moment = {"timestamp": clock.iso(), "sampledValue": [value]}
        charger.ask("MeterValues", {"connectorId": 1, "meterValue": [moment]})
        if row.point:
            shown = backend.fetch(Request("state", ("CP1",))).records["CP1"].of_port(1)
            factor, offset = row.units[unit]
            expected = (1234.5 * factor + offset) / row.divisor / row.shown_divisor
            assert shown[row.point] == pytest.approx(expected), row.name
    charger.close()
