"""Twins that accept a limit, echo it, and do not obey: judged by the load, form after form."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp import OcppBackend
from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.registry import Point, build
from chargepoint_driver.service import Service, ShedOptions

from ..conftest import LIMIT_S, Charger, Clock
from ..test_backend import account

AT_ONCE = ShedOptions(on_write=True)
ONE = Target("CP1", 1)


class Answering(Charger):
    """A charger that answers requests on a thread of its own."""

    def __init__(self, url: str, station_id: str, answer: Callable[..., Any]) -> None:
        super().__init__(url, station_id)
        self._answer = answer
        self._frames: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def receive(self) -> Any:
        return self._frames.get(timeout=LIMIT_S)

    def _read(self) -> None:
        for text in self.ws:
            frame = json.loads(text)
            if frame[0] != 2:
                self._frames.put(frame)
                continue
            _, number, action, payload = frame
            answer = self._answer(action, payload)
            refusal = [4, number, "NotSupported", "", {}]
            self.ws.send(json.dumps(refusal if answer is None else [3, number, answer]))

    def close(self) -> None:
        super().close()
        self._thread.join(LIMIT_S)


class Stubborn:
    """A raw charger with one transaction that draws 22 kW, whatever profiles it accepts."""

    def __init__(self, folder: Path, clock: Clock, obeys: Callable[[dict[str, Any]], bool]) -> None:
        self.clock = clock
        self.backend = OcppBackend(
            account(folder, voltage=230, phases=3, charge_points={"CP1": {"rated_kw": 20}}), clock
        )
        self.service = Service(self.backend, timeout_s=10.0, clock=clock, now=clock, catalogue=OCPP)
        self.alerts: list[tuple[str, str]] = []
        self.service.control.alerts.host = lambda about, what: self.alerts.append((about, what))
        self.obeys = obeys
        self.profiles: list[dict[str, Any]] = []
        self.load_kw = 22.0
        self.echo: dict[str, Any] = {}
        self.charger = Answering(self.backend.system.ocpp_url, "CP1", self.answer)
        self.charger.boot()
        self.charger.status("Charging")
        self.transaction = self.charger.start(clock.iso(60))
        self.meter()
        clock.ahead_s += 1

    def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        if action == "SetChargingProfile":
            profile = payload["csChargingProfiles"]
            self.profiles.append(profile)
            schedule = profile["chargingSchedule"]
            self.echo = {
                "status": "Accepted",
                "connectorId": 1,
                "chargingSchedule": {
                    "chargingRateUnit": schedule["chargingRateUnit"],
                    "chargingSchedulePeriod": [
                        {
                            "startPeriod": 0,
                            "limit": schedule["chargingSchedulePeriod"][0]["limit"],
                            "numberPhases": 3,
                        }
                    ],
                },
            }
            if self.obeys(profile):
                self.load_kw = 7.0
            return {"status": "Accepted"}
        if action == "ClearChargingProfile":
            return {"status": "Accepted"}
        if action == "GetCompositeSchedule":
            return self.echo
        if action == "GetConfiguration":
            return {
                "configurationKey": [
                    {
                        "key": "ChargingScheduleAllowedChargingRateUnit",
                        "readonly": True,
                        "value": "Current,Power",
                    },
                    {"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "10"},
                ]
            }
        return None

    def meter(self) -> None:
        watts = str(int(self.load_kw * 1000))
        self.charger.meter(self.clock.iso(), self.transaction, Power_Active_Import=watts)

    def live(self, seconds: int, meter_s: int = 60) -> None:
        """Let time pass; the charger measures, and the keeper looks, as they do."""
        for second in range(15, seconds + 1, 15):
            self.clock.ahead_s += 15
            if second % meter_s == 0:
                self.meter()
            self.service.control.supervisor.run_due()

    def read(self, name: str) -> Any:
        reading = self.service.read({name: point(name)})
        assert not reading.errors, reading.errors
        return reading.values[name]

    def close(self) -> None:
        self.charger.close()
        self.service.close()


def point(name: str) -> Point:
    row = {
        "Volttron Point Name": name,
        "Attribute Name": name,
        "Register Name": "LoadRegister",
        "Port #": "1",
        "Writable": "TRUE" if name in {"allowedLoad", "percentShed"} else "FALSE",
        "Currency": "0",
    }
    registry = build([(2, row)], "test", "CP1", catalogue=OCPP)
    registry.raise_faults()
    return registry.points[name]


@pytest.fixture
def stubborn(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Stubborn]]:
    made: list[Stubborn] = []

    def make(obeys: Callable[[dict[str, Any]], bool] = lambda profile: False) -> Stubborn:
        made.append(Stubborn(tmp_path, clock, obeys))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_violated_within_three_minutes(stubborn: Callable[..., Stubborn]) -> None:
    it = stubborn()
    it.service.write(point("allowedLoad"), 7.0, AT_ONCE)
    assert it.read("confirmedBy") == "composite"  # it echoes
    it.live(180)
    assert it.read("shedStatus") == "violated"
    assert "22 kW" in it.read("shedReason")
    assert "7 kW" in it.read("shedReason")
    assert [what for _, what in it.alerts if "violated" in what]
    assert it.read("effectiveLoad") == 22.0
    assert it.read("confirmedLoad") is it.read("confirmedBy") is None
    it.live(1_200)
    assert len(it.alerts) == 1


def test_every_form_is_tried_once(stubborn: Callable[..., Stubborn]) -> None:
    it = stubborn()
    it.service.write(point("allowedLoad"), 7.0, AT_ONCE)
    it.live(1_500)
    forms = [
        (
            each["chargingSchedule"]["chargingRateUnit"],
            each["chargingProfileKind"],
            each["stackLevel"],
        )
        for each in it.profiles
        if each["chargingProfilePurpose"] == "TxProfile"
    ]
    assert forms == [
        ("W", "Absolute", 10),
        ("A", "Absolute", 10),
        ("W", "Relative", 10),
        ("W", "Absolute", 0),
    ]
    assert it.read("shedStatus") == "violated"


def test_the_form_that_is_obeyed_stays(stubborn: Callable[..., Stubborn]) -> None:
    it = stubborn(lambda profile: profile["chargingSchedule"]["chargingRateUnit"] == "A")
    it.service.write(point("allowedLoad"), 7.0, AT_ONCE)
    it.live(120)
    assert it.read("shedStatus") == "violated"
    it.live(60)
    assert it.read("shedStatus") == "in force"
    assert it.read("confirmedBy") == "load"
    assert it.read("effectiveLoad") <= 7.0
    assert it.backend.system.charge_point("CP1").connectors[1].limit["unit"] == "A"
    it.service.control._commands.backend.shed(ONE, Limit(allowed_load_kw=6.0), 30)
    assert it.profiles[-1]["chargingSchedule"]["chargingRateUnit"] == "A"


def test_a_lease_is_the_duration_of_the_profile(stubborn: Callable[..., Stubborn]) -> None:
    it = stubborn(lambda profile: True)
    leased = ShedOptions(on_write=True, lease_s=45.0, writer="dr.agent")
    it.service.write(point("allowedLoad"), 7.0, leased)
    schedule = it.profiles[-1]["chargingSchedule"]
    assert schedule["duration"] == 45 + 60  # it begins a minute in the past
    it.live(60)
    assert it.read("shedReason") == "lease of dr.agent ran out"
    assert it.read("shedState") == 0


def test_a_percentage_of_an_idle_connector_is_of_the_rated_power(
    stubborn: Callable[..., Stubborn],
) -> None:
    it = stubborn()
    it.load_kw = 0.0
    it.clock.ahead_s += 61
    it.meter()
    it.service.write(point("percentShed"), 50, AT_ONCE)
    it.load_kw = 10.0
    it.live(240)
    assert it.read("shedStatus") == "in force"
    it.load_kw = 15.0
    it.live(180)
    assert it.read("shedStatus") == "violated"


def test_it_is_known_after_a_restart(
    stubborn: Callable[..., Stubborn], tmp_path: Path, clock: Clock
) -> None:
    it = stubborn()
    it.service.write(point("allowedLoad"), 7.0, AT_ONCE)
    it.live(180)
    it.close()
    again = OcppBackend(account(tmp_path), clock)
    try:
        limit = again.system.charge_point("CP1").connectors[1].limit
        assert limit is not None
        assert limit["contradicted"]
        assert limit["confirmed_kw"] is limit["effective_kw"] is None
    finally:
        again.close()
