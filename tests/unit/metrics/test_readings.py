"""What an account knows, without asking anybody."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from websockets.sync.client import connect

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig, OcppAccount
from chargepoint_driver.errors import ChargePointError, TransientError
from chargepoint_driver.metrics import of_central_system, of_service, readings
from chargepoint_driver.metrics.readings import MAX_AGE_S
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.simulator import ManualClock, Simulator


class Garage:
    """A simulator and the service of its account, on clocks that stand still."""

    def __init__(self):
        self.sim = Simulator(stations=2, clock=ManualClock(), shed_delay_s=300)
        self.sim.start()
        self.now_s = 1_800_000_000.0
        account = AccountConfig(
            username=self.sim.username, password=self.sim.password, endpoint=self.sim.soap_url
        )
        self.service = Service(
            SoapBackend(account), timeout_s=10, clock=lambda: self.now_s, now=lambda: self.now_s
        )

    def read(self, *calls):
        stations = [each.station_id for each in self.sim.world.stations]
        return self.service.cache.get({(call, each): 0.0 for call in calls for each in stations})

    def close(self):
        self.service.close()
        self.sim.stop()


@pytest.fixture
def garage():
    made = Garage()
    yield made
    made.close()


def test_nothing_is_known_before_the_first_reading(garage):
    found = of_service("a", garage.service)
    assert (found.load_w, found.ports, found.ages_s, found.outcomes) == (None, Counter(), {}, {})
    assert garage.sim.calls.total == 0


def test_a_service_that_was_read(garage):
    garage.read("getStationStatus", "getLoad")
    calls = garage.sim.calls.total
    garage.now_s += 50
    found = of_service("a", garage.service)
    world = garage.sim.world
    world.advance()
    ports = [port for station in world.stations for port in station.ports]
    assert found.load_w == pytest.approx(1000 * sum(port.load_kw for port in ports), abs=2)
    assert sum(found.ports.values()) == len(ports)
    assert found.stations == {True: 2}
    assert found.ages_s["load", "oldest"] == 50
    assert found.outcomes["getLoad", "ok"] >= 1
    # A scrape asks nobody.
    assert garage.sim.calls.total == calls


def test_outcomes_and_what_is_down(garage):
    garage.sim.faults.set("getLoad", "http", status=503)
    garage.read("getLoad")
    found = of_service("a", garage.service)
    assert found.outcomes["getLoad", "try_later"] == 1
    assert found.down == ["getLoad"]
    garage.sim.faults.clear("*")
    garage.sim.faults.set("getStationStatus", "soap_fault", code="wsse:FailedAuthentication")
    garage.read("getStationStatus")
    assert of_service("a", garage.service).outcomes["getStationStatus", "wrong_credentials"] == 1


def test_no_label_holds_a_station(garage):
    garage.sim.faults.set("getLoad", "refused", code="101")
    garage.service.cache.get({("getLoad", "1:34001"): 0.0})
    assert "getLoad of 1:34001" in garage.service.down()
    assert of_service("a", garage.service).down == ["getLoad"]


def test_sheds_by_status_and_limits(garage):
    from chargepoint_driver.backend import Limit, Target  # noqa: PLC0415
    from chargepoint_driver.registry import build  # noqa: PLC0415
    from chargepoint_driver.service import ShedOptions  # noqa: PLC0415

    assert of_service("a", garage.service).sheds == {}
    row = {
        "Volttron Point Name": "limit",
        "Attribute Name": "allowedLoad",
        "Register Name": "LoadRegister",
        "Writable": "TRUE",
    }
    point = build([(1, row)], "test", "1:34001").points["limit"]
    garage.service.write(point, 3.0, ShedOptions(on_write=True))
    assert of_service("a", garage.service).sheds == {"pending": 1}
    garage.sim.clock.advance(301)
    garage.now_s += 301
    garage.read("getLoad", "getStationStatus")
    found = of_service("a", garage.service)
    assert found.sheds == {"in force": 1}
    assert found.limited == 2
    # An old report does not say that a limit is in force now.
    garage.now_s += MAX_AGE_S + 1
    assert of_service("a", garage.service).sheds == {"unknown": 1}
    garage.read("getLoad", "getStationStatus")
    found = of_service("a", garage.service)
    assert found.limit_w == pytest.approx(3000)
    garage.service.backend.shed(Target("1:34002"), Limit(percent_shed=50), 60)
    garage.sim.clock.advance(301)
    garage.now_s += 301
    garage.read("getLoad")
    found = of_service("a", garage.service)
    # The limit of a percentage is not known in watts.
    assert (found.limited, found.limit_w) == (4, pytest.approx(3000))


def test_a_central_system(tmp_path):
    config = OcppConfig(
        listen="127.0.0.1:0",
        database=tmp_path / "csms.sqlite",
        configuration_delay_s=None,
        boot_grace_s=60,
    )
    system = CentralSystem(config)
    system.start()
    try:
        with connect(f"{system.ocpp_url}/CP1", subprotocols=["ocpp1.6"], proxy=None) as socket:

            def ask(number, action, payload):
                socket.send(json.dumps([2, str(number), action, payload]))
                while (answer := json.loads(socket.recv(timeout=30)))[0] != 3:
                    socket.send(json.dumps([4, answer[1], "NotImplemented", "", {}]))
                return answer[2]

            ask(1, "BootNotification", {"chargePointVendor": "a", "chargePointModel": "b"})
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
            ask(2, "StatusNotification", status)
            sampled = {"value": "6600", "measurand": "Power.Active.Import", "unit": "W"}
            moment = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [sampled]}
            ask(3, "MeterValues", {"connectorId": 1, "meterValue": [moment]})
            with pytest.raises(ChargePointError):
                # No such request: counted under a name of its own.
                system.call("CP1", "Nonsense", {}, 5)
            found = of_central_system("a", system)
            assert found.messages["MeterValues"] == 1
            assert found.messages["BootNotification"] == 1
            assert {action for action, _ in found.outcomes} <= {
                "other",
                "TriggerMessage",
                "GetConfiguration",
                "ChangeConfiguration",
            }
            assert found.outcomes.get(("other", "ok")) is None
            assert found.ports == {"INUSE": 1}
            assert found.stations == {True: 1}
            assert found.connections["authenticated"] == 1
            assert found.events == system.newest_event() > 0
            assert found.sinks == []
            delay = system.loop_delay()
            assert system.loop_delay() is delay
    finally:
        system.stop()
    gone = of_central_system("a", system)
    assert not gone.is_readable


def test_an_account_of_chargers_is_read_like_its_central_system(tmp_path):
    account = OcppAccount(backend="ocpp", listen="127.0.0.1:0", database=tmp_path / "c.sqlite")
    service = Service.of_account(account)
    try:
        found = of_service("a", service)
        assert found.is_readable
        assert (found.ports, found.load_w) == (Counter(), None)
    finally:
        service.close()


def test_an_account_that_cannot_be_read_keeps_its_counters(garage, monkeypatch):
    garage.read("getLoad")

    def fail(call):
        raise TransientError("not now")

    monkeypatch.setattr(garage.service.cache, "known", fail)
    found = of_service("a", garage.service)
    assert not found.is_readable
    assert found.load_w is None
    assert found.outcomes["getLoad", "ok"] >= 1


def test_the_services_of_accounts_by_name(garage):
    accounts = Accounts(lambda _: garage.service)
    fields = {"username": "u", "password": "p", "endpoint": garage.sim.soap_url}
    assert accounts.configure({"accounts": {"one": fields}}) == []
    assert accounts.services() == [("one", garage.service)]


def test_what_was_read_long_ago_is_not_known_any_more(garage):
    garage.read("getStationStatus", "getLoad")
    garage.now_s += MAX_AGE_S
    assert of_service("a", garage.service).load_w is not None
    garage.now_s += 1
    found = of_service("a", garage.service)
    assert (found.load_w, found.limited, found.load_unknown) == (None, 0, 4)
    assert (found.ports, found.stations) == ({"UNKNOWN": 4}, Counter())
    assert found.ages_s["load", "oldest"] == MAX_AGE_S + 1


def test_a_large_site_is_read_in_pieces():
    pauses = []
    rows = list(readings._gently(range(250), lambda: pauses.append(1)))
    assert (len(rows), len(pauses)) == (250, 2)
