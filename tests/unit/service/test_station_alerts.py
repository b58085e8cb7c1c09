"""Alerts for stations: once until resolved, from what polls show, over SOAP and OCPP."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.catalogue import OCPP, Data
from chargepoint_driver.config import AccountConfig, OcppAccount
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service
from chargepoint_driver.service.station_alerts import StationAlerts
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.ocpp import Twins

STATION = "1:34001"
START_S = 1_800_000_000.0


class Watched:
    """Alerts of records that are made up, on a clock that stands still."""

    def __init__(self, minutes: float = 30.0) -> None:
        self.now_s = START_S
        self.raised: list[tuple[str, str]] = []
        self.alerts = StationAlerts(lambda: self.now_s, minutes)
        self.alerts.host = lambda about, what: self.raised.append((about, what))

    def status(self, minutes: float = 0.0, **ports: dict[str, object]) -> list[str]:
        """Poll `minutes` later; return what was raised since."""
        self.now_s += 60 * minutes
        values = {int(name[1:]): found for name, found in ports.items()}
        self.alerts.observe(Data.STATUS, StationRecord("S", {}, values), 0.0)
        return self.new()

    def alarm(self, minutes: float = 0.0, **values: object) -> list[str]:
        self.now_s += 60 * minutes
        record = StationRecord("S", values, {1: values}, {})
        self.alerts.observe(Data.ALARMS, record, 0.0)
        return self.new()

    def new(self) -> list[str]:
        found = [f"{about}: {what}" for about, what in self.raised]
        self.raised.clear()
        return found


OUT = {"Status": "UNREACHABLE"}
GOOD = {"Status": "AVAILABLE"}


def test_out_of_reach_raises_one_alert_after_its_minutes():
    watched = Watched()
    assert watched.status(p1=OUT, p2=OUT) == []
    assert watched.status(30, p1=OUT, p2=OUT) == []
    (alert,) = watched.status(1, p1=OUT, p2=OUT)
    assert alert.startswith("station S: out of reach for 31 minutes, since 2027-01-15T08:00:00")
    assert "power and a network" in alert
    assert watched.status(600, p1=OUT, p2=OUT) == []
    # Resolved: the next time is another one.
    assert watched.status(1, p1=GOOD, p2=GOOD) == []
    assert watched.status(1, p1=OUT, p2=OUT) == []
    assert len(watched.status(31, p1=OUT, p2=OUT)) == 1


def test_a_short_loss_raises_nothing():
    watched = Watched()
    for _ in range(5):
        assert watched.status(20, p1=OUT) == []
        assert watched.status(5, p1=GOOD) == []


def test_the_last_contact_counts_also_before_the_first_poll():
    watched = Watched()
    (alert,) = watched.status(p1={**OUT, "TimeStamp": "2027-01-15T06:00:00+00:00"})
    assert "out of reach for 120 minutes" in alert


def test_a_fault_raises_one_alert():
    watched = Watched()
    assert watched.status(p1={**GOOD, "faultReason": "NONE"}) == []
    (alert,) = watched.status(1, p1={**GOOD, "faultReason": "GroundFailure"}, p2=GOOD)
    assert alert == "station S port 1: faulted (GroundFailure); see the charger"
    assert watched.status(1, p1={**GOOD, "faultReason": "GroundFailure"}, p2=GOOD) == []
    assert watched.status(1, p1=GOOD, p2=GOOD) == []
    faulted = {"Status": "UNKNOWN", "ocppStatus": "Faulted", "errorCode": "EVCommunicationError"}
    assert watched.status(1, p1=faulted) == [
        "station S port 1: faulted (EVCommunicationError); see the charger"
    ]


def test_a_new_alarm_raises_one_alert_and_an_old_one_none():
    watched = Watched()
    old = {"alarmType": "GFCI Trip", "alarmTime": "2027-01-14T08:00:00+00:00"}
    assert watched.alarm(**old) == []
    assert watched.alarm(60, **old) == []
    new = {"alarmType": "Fault", "alarmTime": "2027-01-15T09:05:00+00:00"}
    assert watched.alarm(5, **new) == [
        "station S port 1: alarm Fault, since 2027-01-15T09:05:00+00:00"
    ]
    assert watched.alarm(5, **new) == []
    assert watched.alarm(5, alarmType="Reachable") == []
    assert len(watched.alarm(5, **new)) == 1


def test_an_alert_that_the_host_does_not_take_is_raised_again():
    watched = Watched()
    host, watched.alerts.host = watched.alerts.host, lambda *_: 1 / 0
    faulted = {**GOOD, "faultReason": "GroundFailure"}
    record = StationRecord("S", {}, {1: faulted})
    watched.alerts.observe(Data.STATUS, record, 0.0)
    watched.alerts.host = host
    watched.alerts.observe(Data.STATUS, record, 0.0)
    assert len(watched.new()) == 1
    watched.alerts.observe(Data.STATUS, record, 0.0)
    assert watched.new() == []


def test_zero_minutes_raise_nothing():
    watched = Watched(minutes=0)
    assert watched.status(p1=OUT) == []
    assert watched.status(9_999, p1={**OUT, "faultReason": "Fault"}) == []


class OverSoap:
    """A simulated site and a service of its account, on clocks that stand still."""

    def __init__(self) -> None:
        self.sim = Simulator(stations=2, clock=ManualClock())
        self.sim.start()
        account = AccountConfig(
            username=self.sim.username, password=self.sim.password, endpoint=self.sim.soap_url
        )
        now = self.sim.clock.now_s
        self.service = Service(
            SoapBackend(account),
            timeout_s=10,
            clock=now,
            now=now,
            unreachable_minutes=account.unreachable_minutes,
        )
        self.raised: list[tuple[str, str]] = []
        self.service.station_alerts.host = lambda *alert: self.raised.append(alert)
        rows = [
            {
                "Volttron Point Name": name,
                "Attribute Name": name,
                "Register Name": register,
                "Port #": "1",
                "Writable": "FALSE",
            }
            for name, register in (
                ("Status", "StationStatusRegister"),
                ("alarmType", "AlarmRegister"),
            )
        ]
        registry = build(enumerate(rows, start=2), "test", STATION)
        registry.raise_faults()
        self.points = registry.points

    def poll(self, minutes: float) -> list[tuple[str, str]]:
        self.sim.clock.advance(60 * minutes)
        self.service.read(self.points)
        found = list(self.raised)
        self.raised.clear()
        return found


@pytest.fixture
def over_soap() -> Iterator[OverSoap]:
    site = OverSoap()
    yield site
    site.service.close()
    site.sim.stop()


def test_a_station_of_the_web_services(over_soap):
    assert over_soap.poll(1) == []
    over_soap.sim.world.set_reachable(STATION, False)
    assert over_soap.poll(20) == []
    ((about, what),) = over_soap.poll(20)
    assert (about, what.partition(" for ")[0]) == (f"station {STATION}", "out of reach")
    assert over_soap.poll(20) == []
    # The service is down: nothing is known, nothing resolved, nothing raised.
    over_soap.sim.faults.set("*", "http", status=503)
    assert over_soap.poll(60) == []
    over_soap.sim.faults.clear()
    over_soap.poll(20)
    over_soap.sim.world.set_reachable(STATION, True)
    over_soap.sim.world.raise_alarm(STATION, "GFCI Trip", 1)
    assert [about for about, _ in over_soap.poll(20)] == [f"station {STATION} port 1"]
    over_soap.sim.world.set_reachable(STATION, False)
    over_soap.poll(20)
    assert len(over_soap.poll(20)) == 1


def eventually(ask: Callable[[], bool], limit_s: float = 60.0) -> None:
    end_s = time.monotonic() + limit_s
    while not ask():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.05)


def test_a_charger_that_connects_and_goes(tmp_path):
    """Over OCPP, with the service as the driver and the caching agent make it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    account = OcppAccount.from_dict(
        {
            "listen": f"127.0.0.1:{port}",
            "database": str(tmp_path / "ocpp.sqlite"),
            "unreachable_minutes": 10,
        },
        "test",
    )
    service = Service.of_account(account)
    try:
        raised: list[tuple[str, str]] = []
        alerts = service.station_alerts
        assert alerts.minutes == 10
        alerts.host = lambda *alert: raised.append(alert)
        ahead_s = 0.0
        now = alerts._now
        alerts._now = lambda: now() + ahead_s
        row = {
            "Volttron Point Name": "Status",
            "Attribute Name": "Status",
            "Register Name": "StationStatusRegister",
            "Writable": "FALSE",
        }
        points = build([(2, row)], "test", "CP0001", 1, catalogue=OCPP).points

        def status() -> object:
            return service.read(points).values.get("Status")

        with Twins(f"ws://127.0.0.1:{port}/ocpp", [{"id": "CP0001"}], speed=1) as twins:
            twins.wait_connected()
            eventually(lambda: status() == "AVAILABLE")
        eventually(lambda: status() == "UNREACHABLE")
        assert raised == []
        ahead_s = 11 * 60.0
        status()
        status()
        ((about, what),) = raised
        assert about == "station CP0001"
        assert what.startswith("out of reach for 11 minutes")
    finally:
        service.close()


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0])
def test_setting_the_time_of_day_neither_hides_nor_makes_an_alert(step_s):
    clock = {"wall": START_S, "monotonic": 50.0}
    raised = []
    alerts = StationAlerts(lambda: clock["wall"], 30.0, lambda: clock["monotonic"])
    alerts.host = lambda about, what: raised.append(what)

    def poll(minutes: float) -> None:
        clock["wall"] += 60 * minutes
        clock["monotonic"] += 60 * minutes
        alerts.observe(Data.STATUS, StationRecord("S", {}, {1: OUT}), 0.0)

    poll(0)
    clock["wall"] += step_s
    poll(29)
    assert raised == []
    poll(2)
    assert len(raised) == 1
