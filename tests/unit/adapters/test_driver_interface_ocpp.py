"""Chargers that connect directly as devices: the same registers over OCPP 1.6 and 2.0.1, with the
central system in the driver and behind the caching agent."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent.event
import pytest
from volttron.driver.base.interfaces import DriverInterfaceError

from chargepoint_driver.adapters.host import event_queue
from chargepoint_driver.adapters.host.bus_events import Announcer
from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.service import Accounts

from .bus import AGENT, Bus
from .conftest import LIMIT_S, Driver
from .twins import Twins, free_port

ONE = "a/one"
CAR = {"battery_kwh": 60, "soc_percent": 20, "max_ac_kw": 11}
SAMPLES = Path(__file__).parents[3] / "registry_configs"


def rows(**ports: str) -> list[dict[str, str]]:
    """Every attribute as a point of its own name, and of each former name, without register;
    `ports`: attribute to Port #."""
    return [
        {
            "Volttron Point Name": name,
            "Attribute Name": name,
            "Port #": ports.get(row.name, ""),
            "Writable": "TRUE" if row.writable else "FALSE",
        }
        for row in OCPP
        for name in (row.name, *row.aliases)
    ]


class Site:
    """A driver, the place of its central system, and the twins that connect to it."""

    def __init__(self, driver: Driver, folder: Path, ocpp: str, accounts: Accounts | None) -> None:
        self.driver = driver
        self.ocpp = ocpp
        self.port = free_port()
        self.account = {
            "listen": f"127.0.0.1:{self.port}",
            "database": str(folder / "ocpp.db"),
            "phases": 3,
            "voltage": 230,
            "heartbeat_s": 60,
            "configuration_delay_s": None,
        }
        self._accounts = accounts
        self._twins: Twins | None = None

    def device(self, registry: Any = None, **options: Any) -> dict[str, Any]:
        place = {"cache_agent": AGENT} if self._accounts else self.account
        connector = "connectorId" if self.ocpp == "1.6" else "evseId"
        return {
            "driver_type": "chargepoint",
            "driver_config": {
                "backend": "ocpp",
                "chargePointID": "CP0001",
                connector: 1,
                **place,
                **options,
            },
            "registry_config": rows() if registry is None else registry,
            "interval": 3600,
        }

    def start(self, **account: Any) -> None:
        """The driver, with one device; the central system listens."""
        self.account |= account
        if self._accounts is not None:
            given = {"accounts": {"chargers": {"backend": "ocpp", **self.account}}}
            assert self._accounts.configure(given) == []
        self.driver.start({ONE: self.device()})

    @property
    def twins(self) -> Twins:
        if self._twins is None:
            self._twins = Twins(self.port, ocpp=self.ocpp)
        return self._twins

    def connect(self) -> Twins:
        """A twin that is connected and free."""
        twins = self.twins
        self.until("Status", "AVAILABLE")
        return twins

    def charge(self) -> Twins:
        """A twin that charges with 11 kW, and has said so."""
        twins = self.connect()
        twins.act("start", vehicle=CAR)
        self.until("ocppStatus", "Charging", "Occupied")
        self.until("sessionID", lambda value: value is not None)
        twins.act("sample", connector=1)
        self.until("portLoad", bool)
        return twins

    def get(self, point: str) -> Any:
        return self.driver.get(ONE, point)[point]

    def until(self, point: str, *wanted: Any) -> Any:
        """Wait until a point has one of the values, or one that a function approves of."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = [self.get(point)]
            return any(each(found[0]) if callable(each) else found[0] == each for each in wanted)

        self.driver.wait_for(there)
        return found[0]

    def pushed(self, point: str) -> list[Any]:
        """What was published of a point, in order, without any poll of the host."""
        topic = f"devices/{ONE}/multi"
        return [
            message[0][point]
            for where, _, message in self.driver.agent.vip.published
            if where == topic and point in message[0]
        ]

    def events(self) -> list[tuple[str, Any]]:
        """(topic, message) of what was published below ocpp/."""
        published = self.driver.agent.vip.published
        return [(topic, message) for topic, _, message in published if topic.startswith("ocpp/")]

    def close(self) -> None:
        if self._twins is not None:
            self._twins.close()


@pytest.fixture
def agent(driver: Driver) -> Iterator[Accounts]:
    """The accounts of a caching agent on the same bus."""
    bus = Bus(driver.agent.vip.rpc)
    driver.agent.vip.rpc = bus
    accounts = Accounts()
    bus.peers[AGENT] = accounts
    yield accounts
    accounts.close()


@pytest.fixture
def announcer(driver: Driver, agent: Accounts) -> Iterator[Announcer]:
    """What the caching agent tells of its chargers."""
    announcer = Announcer(driver.agent.vip, AGENT, agent)
    yield announcer
    announcer.stop()


@pytest.fixture(params=["embedded 1.6", "embedded 2.0.1", "agent 1.6", "agent 2.0.1"])
def any_site(request: pytest.FixtureRequest, driver: Driver, tmp_path: Path) -> Iterator[Site]:
    place, _, ocpp = request.param.partition(" ")
    accounts = None
    if place == "agent":
        accounts = request.getfixturevalue("agent")
        request.getfixturevalue("announcer")
    site = Site(driver, tmp_path, ocpp, accounts)
    yield site
    site.close()


@pytest.fixture
def site(driver: Driver, tmp_path: Path) -> Iterator[Site]:
    """OCPP 1.6, the central system in the driver."""
    site = Site(driver, tmp_path, "1.6", None)
    yield site
    site.close()


def test_a_session_from_its_begin_to_its_end(any_site: Site) -> None:
    site = any_site
    site.start()
    assert site.get("Status") == "UNREACHABLE"
    assert site.get("portLoad") is None

    twins = site.connect()
    site.until("portLoad", 0)
    free = site.driver.get(ONE, "composite_status", "available_for_charging", "sessionID")
    assert free == {"composite_status": "up", "available_for_charging": 1, "sessionID": None}
    assert site.get("requires_maintenance") == -1
    assert site.get("ocppVersion") == site.ocpp
    assert site.get("stationManufacturer") == "Twin Works"

    site.charge()
    assert site.get("Status") == "INUSE"
    assert site.get("portLoad") == pytest.approx(11.0, abs=0.1)
    assert site.get("voltageL2") == pytest.approx(230.0, abs=1)
    assert site.get("endTime") is None
    session = site.get("sessionID")
    register = site.get("energyRegister")
    twins.advance(1800)
    site.until("Energy", lambda kwh: kwh is not None and kwh > 5)
    assert site.get("energyRegister") > register + 5

    twins.act("stop", connector=1)
    site.until("endTime", lambda at: at is not None)
    assert site.get("sessionID") == session
    assert site.get("Energy") == pytest.approx(5.5, abs=0.1)
    assert site.get("rfidSerialNumber") == "TWIN0001"
    site.until("portLoad", 0)


def test_a_limit_takes_effect_and_is_shown_as_far_as_it_got(any_site: Site) -> None:
    site = any_site
    site.start()
    twins = site.charge()
    assert site.driver.set(ONE, "allowedLoad", 5.0) == 5.0
    assert twins.state()["power_kw"] == pytest.approx(11.0, abs=0.1)  # staged
    assert site.get("allowedLoad") is None
    assert site.driver.set(ONE, "shedState", 1) == 1
    assert twins.state()["power_kw"] <= 5.0
    shown = site.driver.get(
        ONE, "requestedLoad", "acceptedLoad", "confirmedLoad", "confirmedBy", "effectiveLoad"
    )
    assert shown["requestedLoad"] == 5.0
    assert 4.9 < shown["acceptedLoad"] <= 5.0
    assert 4.9 < shown["confirmedLoad"] <= 5.0
    assert shown["confirmedBy"] == "composite"
    assert shown["effectiveLoad"] == shown["confirmedLoad"]
    assert site.get("limitUntil") is not None
    assert site.get("percentShed") is None

    assert site.driver.set(ONE, "shedState", 0) == 0
    assert twins.state()["power_kw"] == pytest.approx(11.0, abs=0.1)
    assert site.get("allowedLoad") is None
    assert site.get("effectiveLoad") is None


def test_limit_is_saved_written_and_written_back(any_site: Site) -> None:
    site = any_site
    site.start(charge_points={"CP0001": {"rated_kw": 11.0}})
    twins = site.charge()
    saved = site.get("limit")
    assert saved == 11.0
    assert site.driver.set(ONE, "limit", 5.0) == pytest.approx(5.0, abs=0.1)
    assert twins.state()["power_kw"] <= 5.0
    assert site.get("limit") == pytest.approx(5.0, abs=0.1)
    assert site.get("shedStatus") == "in force"
    assert site.driver.set(ONE, "limit", saved) == saved
    assert twins.state()["power_kw"] == pytest.approx(11.0, abs=0.1)
    assert site.get("shedState") == 0
    assert site.driver.set(ONE, "limit", 0) == 0
    assert twins.state()["power_kw"] == 0
    assert site.get("limit") == 0
    site.driver.agent.revert_point(ONE, "limit")
    assert site.get("limit") == saved


def test_limit_of_a_charger_without_a_rated_power_is_not_reported(site: Site) -> None:
    site.start()
    site.charge()
    assert site.get("limit") is None
    assert site.driver.set(ONE, "limit", 5.0) == pytest.approx(5.0, abs=0.1)


def test_what_changes_is_published_without_a_poll(any_site: Site) -> None:
    site = any_site
    site.start()
    twins = site.twins
    site.driver.wait_for(lambda: "AVAILABLE" in site.pushed("Status"))
    twins.act("start", vehicle=CAR)
    site.driver.wait_for(lambda: site.pushed("Status")[-1] == "INUSE")
    twins.act("sample", connector=1)
    site.driver.wait_for(lambda: (site.pushed("portLoad") or [None])[-1] is not None)
    site.driver.wait_for(lambda: site.pushed("portLoad")[-1] > 10)

    before = len(site.driver.agent.vip.published)
    site.driver.set(ONE, "allowedLoad", 5.0)
    site.driver.set(ONE, "shedState", 1)
    site.driver.wait_for(lambda: (site.pushed("effectiveLoad") or [None])[-1] == 5.0)
    later = site.driver.agent.vip.published[before:]
    (shed,) = [m[0] for topic, _, m in later if topic.endswith("/multi") and "shedState" in m[0]]
    assert shed["shedState"] == 1
    assert "Status" not in shed  # nothing but what changed

    twins.close()
    site.driver.wait_for(lambda: site.pushed("Status")[-1] == "UNREACHABLE")
    assert site.pushed("portLoad")[-1] is None  # not reported, and not 0


def test_what_changes_is_published_however_old_a_reader_lets_it_be(site: Site) -> None:
    site.driver.start({ONE: site.device(cacheExpiration=600)})
    assert site.get("Status") == "UNREACHABLE"  # and kept for ten minutes
    assert site.twins.ids == ["CP0001"]
    site.driver.wait_for(lambda: "AVAILABLE" in site.pushed("Status"))


def test_each_message_is_an_event_on_the_bus(any_site: Site) -> None:
    site = any_site
    site.start()
    twins = site.charge()
    twins.act("sample", connector=1)
    action = "MeterValues" if site.ocpp == "1.6" else "TransactionEvent"
    site.driver.wait_for(lambda: f"ocpp/CP0001/{action}" in dict(site.events()))
    found = dict(site.events())
    assert {"ocpp/CP0001/Connected", "ocpp/CP0001/BootNotification"} <= found.keys()
    event = found["ocpp/CP0001/StatusNotification"]
    assert event["charge_point"] == "CP0001"
    assert event["connector"] == 1
    assert event["received"].endswith("Z")
    assert event["time"].endswith("Z")
    assert isinstance(event["data"], dict)


def test_what_a_flood_drops_is_said_and_everything_is_read(
    any_site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    """Of more messages than the queue takes the oldest are dropped. What they changed is published
    all the same, and readers of events learn how many are missing."""
    site = any_site
    site.start()
    behind_the_agent = "agent" in request.node.callspec.id
    queue = (
        request.getfixturevalue("announcer") if behind_the_agent else site.driver.interface._push
    )._queue
    monkeypatch.setattr(event_queue, "_MAX_WAITING", 2)
    free, gather = gevent.event.Event(), queue._gather
    queue._gather = lambda _: free.wait(LIMIT_S)
    # Nothing is published meanwhile, and what waits in the end is of another charger.
    site.charge()
    other = {"charge_point": "OTHER", "action": "Heartbeat", "received": "", "data": {}}
    for _ in range(2):
        queue.put(("chargers", other) if behind_the_agent else other)
    assert queue._lost > 2
    assert site.events() == []
    queue._gather = gather
    free.set()
    site.driver.wait_for(lambda: (site.pushed("portLoad") or [None])[-1] is not None)
    assert site.pushed("Status")[-1] == "INUSE"
    site.driver.wait_for(lambda: "ocpp//EventsLost" in dict(site.events()))
    event = dict(site.events())["ocpp//EventsLost"]
    assert (event["charge_point"], event["action"]) == ("", "EventsLost")
    assert event["data"]["lost"] > 0
    assert "came faster than they could be published" in caplog.text


def test_events_are_off_where_nobody_wants_them(any_site: Site) -> None:
    any_site.start(bus_events=False)
    any_site.twins  # noqa: B018 - they connect
    any_site.driver.wait_for(lambda: "AVAILABLE" in any_site.pushed("Status"))
    assert any_site.events() == []


def test_commands_by_set_point(any_site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site = any_site
    site.start()
    twins = site.connect()
    twins.act("plug", connector=1, vehicle=CAR)
    assert site.driver.set(ONE, "remoteStart", "TAG7") == "Accepted"
    site.until("rfidSerialNumber", "TAG7")
    assert twins.state()["power_kw"] > 0
    assert site.driver.set(ONE, "unlock", 0) == ""
    assert "nlock 0: nothing was sent; write 1 for it to happen" in caplog.text
    assert site.driver.set(ONE, "remoteStop", 1) == "Accepted"
    site.until("endTime", lambda at: at is not None)
    twins.act("unplug", connector=1)
    site.until("Status", "AVAILABLE")
    assert site.driver.set(ONE, "availability", 0) in {"Accepted", "Scheduled"}
    site.until("availability", 0)
    assert site.get("available_for_charging") == -1
    assert site.get("composite_status") == "down"
    assert site.driver.set(ONE, "availability", "1") in {"Accepted", "Scheduled"}
    site.until("availability", 1)
    connections = twins.state()["connections"]
    assert site.driver.set(ONE, "reset", "Hard") == "Accepted"
    site.driver.wait_for(lambda: twins.state()["connections"] > connections)


def test_what_a_charger_refuses_is_an_error_to_the_writer(any_site: Site) -> None:
    site = any_site
    site.start()
    site.connect()
    site.driver.set(ONE, "availability", 0)
    site.until("availability", 0)
    with pytest.raises(DriverInterfaceError, match=r"Rejected.*\[write_rejected\]"):
        site.driver.set(ONE, "remoteStart", "TAG7")
    with pytest.raises(DriverInterfaceError, match=r"no transaction runs.*\[nothing_there\]"):
        site.driver.set(ONE, "remoteStop", 1)
    site.twins.act("quirk", name="refuses_actions", parameters={"actions": ["SetChargingProfile"]})
    site.driver.set(ONE, "allowedLoad", 5.0)
    with pytest.raises(DriverInterfaceError, match=r"NotSupported"):
        site.driver.set(ONE, "shedState", 1)
    assert site.get("shedState") == 0
    assert site.get("limitRefused") == "NotSupported"
    assert site.get("requestedLoad") == 5.0
    assert site.get("acceptedLoad") is None


@pytest.mark.parametrize(
    ("point", "value"),
    [("remoteStart", ""), ("remoteStart", 7), ("remoteStart", "x" * 37), ("remoteStop", "maybe"),
     ("availability", None), ("availability", 2), ("reset", "Gentle"), ("unlock", "x")],
)  # fmt: skip
def test_a_value_that_cannot_be_meant_is_not_sent(site: Site, point: str, value: Any) -> None:
    site.start()
    with pytest.raises(ValueError, match=point):
        site.driver.set(ONE, point, value)


def test_commands_by_call(any_site: Site) -> None:
    site = any_site
    site.start()
    twins = site.connect()
    twins.act("plug", connector=1, vehicle=CAR)
    call = site.driver.agent.call
    results, errors = call("remoteStart", f"devices/{ONE}/remoteStart", None, "TAG8")
    assert (results, errors) == ({f"devices/{ONE}/remoteStart": "Accepted"}, {})
    site.until("rfidSerialNumber", "TAG8")
    # Of a whole device it is one command all the same.
    results, errors = call("remoteStop", f"devices/{ONE}")
    assert errors == {}
    assert set(results.values()) == {"Accepted"}
    site.until("endTime", lambda at: at is not None)
    results, errors = call("remoteStop", f"devices/{ONE}/Status")
    assert results == {}
    assert "nothing_there" in errors[f"devices/{ONE}/Status"]
    results, errors = call("availability", f"devices/{ONE}")
    assert "availability needs a value" in next(iter(errors.values()))
    results, errors = call("explode", f"devices/{ONE}/Status")
    assert "not found" in errors[f"devices/{ONE}/Status"]


def test_faults_are_alarms_and_call_for_maintenance(site: Site) -> None:
    site.start()
    twins = site.connect()
    twins.act("fault", connector=1, error_code="GroundFailure")
    site.until("alarmType", "GroundFailure")
    found = site.driver.get(
        ONE, "errorCode", "requires_maintenance", "composite_status", "available_for_charging"
    )
    assert found == {
        "errorCode": "GroundFailure",
        "requires_maintenance": 1,
        "composite_status": "down",
        "available_for_charging": -1,
    }
    twins.act("clear_fault", connector=1)
    site.until("Status", "AVAILABLE")
    assert site.get("alarmTime") is not None
    assert site.driver.set(ONE, "clearAlarms", 1) == 0
    assert site.get("alarmType") is None
    # The hour of the live status is not shortened by it.
    assert site.get("requires_maintenance") == 1
    assert site.get("composite_status") == "down"
    assert site.get("available_for_charging") == 1


def test_a_charge_point_of_several_connectors_as_one_device(driver: Driver, tmp_path: Path) -> None:
    site = Site(driver, tmp_path, "1.6", None)
    ports = {row.name: "2" for row in OCPP if row.scope.value == "port" and not row.whole.value}
    site.account["configuration_delay_s"] = 0
    device = site.device(rows(**ports), connectorId="")
    driver.start(
        {ONE: device, "a/two": site.device(connectorId=2), "a/nine": site.device(connectorId=9)}
    )
    twins = Twins(site.port, connectors=2)
    try:
        site.until("numPorts", 2)
        site.until("Status", "AVAILABLE")
        twins.act("start", connector=2, vehicle=CAR)
        driver.wait_for(lambda: driver.get("a/two", "Status")["Status"] == "INUSE")
        assert site.get("Status") == "AVAILABLE"  # the other one is free
        site.until("sessionID", lambda value: value is not None)
        assert driver.set(ONE, "allowedLoad", 12.0) == 12.0
        assert driver.set(ONE, "shedState", 1) == 1
        assert twins.state()["limit_kw"] == pytest.approx(12.0)
        assert driver.get("a/two", "shedState", "allowedLoad") == {
            "shedState": 1,
            "allowedLoad": 12.0,
        }
        assert driver.get("a/two", "requestedLoad") == {"requestedLoad": None}
        _, errors = driver.poll(["devices/a/nine/Status"])
        assert "has no port 9" in errors["devices/a/nine/Status"]
        with pytest.raises(DriverInterfaceError, match="no connector 9"):
            driver.set("a/nine", "allowedLoad", 1.0)  # the shed of the whole is in force there
    finally:
        twins.close()


def test_a_driver_that_is_made_anew_goes_on(site: Site) -> None:
    site.start()
    twins = site.charge()
    site.driver.set(ONE, "allowedLoad", 5.0)
    site.driver.set(ONE, "shedState", 1)
    session = site.get("sessionID")
    site.driver.agent.core.onstop.send(site.driver.agent)
    with pytest.raises(DriverInterfaceError):
        site.driver.agent.get_point(ONE, "Status")

    site.driver.interface.__init__(site.driver.interface.config, site.driver.interface.driver_agent)
    assert site.driver.add("a/again", site.device())
    again = lambda point: site.driver.get("a/again", point)[point]  # noqa: E731
    site.driver.wait_for(lambda: again("Status") == "INUSE")
    assert again("sessionID") == session
    assert again("allowedLoad") == 5.0
    assert twins.state()["power_kw"] <= 5.0


def test_settings_that_change_count_at_once(site: Site) -> None:
    site.start()
    site.connect()
    port = free_port()
    site.account["listen"] = f"127.0.0.1:{port}"
    assert site.driver.update(ONE, site.device())
    site.until("Status", "UNREACHABLE")
    twins = Twins(port)
    try:
        site.until("Status", "AVAILABLE")
        site.driver.wait_for(lambda: site.pushed("Status")[-1:] == ["AVAILABLE"])
    finally:
        twins.close()


def test_faults_of_a_device_are_named_with_their_cures(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = site.device(databas="x", connectorid=2, listen="nowhere")
    good = site.device(chargePointID="CP2")
    site.driver.start({ONE: wrong, "a/two": good})
    assert site.driver.devices == {"a/two"}
    for words in ("did you mean 'database'", "did you mean 'connectorId'", "must be address:port"):
        assert words in caplog.text


def test_a_port_that_is_taken_is_said(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.start()
    other = site.device(database=f"{site.account['database']}.other")
    assert not site.driver.add("a/two", other)
    assert f"127.0.0.1:{site.port}" in caplog.text


def test_the_samples_are_registries_of_such_devices(site: Site) -> None:
    with (SAMPLES / "ocpp.csv").open(encoding="utf-8") as file:
        registry = list(csv.DictReader(file))
    site.driver.start({ONE: site.device(registry)})
    assert site.driver.devices == {ONE}
    assert len(site.driver.topics(ONE)) == len(registry)
    gevent.sleep(0)
