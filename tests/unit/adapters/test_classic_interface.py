"""The contract of the driver, the same on modular and on classic VOLTTRON."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.config import AgentAccount
from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.ceilings import Limit

from . import classic_host
from .conftest import Driver, writes
from .devices import POINTS, classic_rows, device, row
from .fleet_node import TOKEN, FleetNode
from .twins import Twins, free_port

ROOT = Path(__file__).parents[3]
ONE, TWO = "a/one", "a/two"
Read = tuple[dict[str, Any], dict[str, str]]


class Modular:
    """Devices of the real platform driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def start(self, devices: dict[str, dict[str, Any]]) -> None:
        self._driver.start(devices)

    def read(self, topic: str, *names: str) -> Read:
        values, errors = self._driver.poll([f"devices/{topic}/{name}" for name in names])
        return _bare(values), _bare(errors)

    def get(self, topic: str, name: str) -> Any:
        return self._driver.agent.get_point(topic, name)

    def set(self, topic: str, name: str, value: Any) -> Any:
        return self._driver.set(topic, name, value)

    def revert(self, topic: str, name: str) -> None:
        self._driver.agent.revert_point(topic, name)

    def revert_all(self, topic: str) -> None:
        errors = self._driver.agent.revert(f"devices/{topic}")
        assert not errors

    def poll(self, topic: str) -> dict[str, Any]:
        return _bare(self._driver.poll(self._driver.topics(topic))[0])


class Classic:
    """Devices as the classic platform driver makes and calls them."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._interfaces: dict[str, Any] = {}
        self.alerts: list[Any] = []

    def start(self, devices: dict[str, dict[str, Any]]) -> None:
        for topic, content in devices.items():
            vip = types.SimpleNamespace(health=types.SimpleNamespace(send_alert=self.alerts.append))
            interface = self._module.Interface(vip=vip, core=None, device_path=topic)
            interface.configure(content["driver_config"], content["registry_config"])
            self._interfaces[topic] = interface

    def read(self, topic: str, *names: str) -> Read:
        values, errors = self._interfaces[topic].get_multiple_points(topic, list(names))
        return _bare(values), _bare(errors)

    def get(self, topic: str, name: str) -> Any:
        return self._interfaces[topic].get_point(name)

    def set(self, topic: str, name: str, value: Any) -> Any:
        return self._interfaces[topic].set_point(name, value)

    def revert(self, topic: str, name: str) -> None:
        self._interfaces[topic].revert_point(name)

    def revert_all(self, topic: str) -> None:
        self._interfaces[topic].revert_all()

    def poll(self, topic: str) -> dict[str, Any]:
        return dict(self._interfaces[topic].scrape_all())


def _bare(by_topic: dict[str, Any]) -> dict[str, Any]:
    return {topic.rsplit("/", 1)[-1]: value for topic, value in by_topic.items()}


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[types.ModuleType]:
    """The classic interface on a stub of its host."""
    monkeypatch.setenv("VOLTTRON_HOME", str(tmp_path))
    classic_host.install()
    from chargepoint_driver.adapters import classic_interface as module  # noqa: PLC0415

    yield module
    module.shared.close()


class OnFleet:
    """Devices whose account a node of a fleet holds."""

    def __init__(self, host: Any, nodes: list[FleetNode]) -> None:
        self._host = host
        self._nodes = nodes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def start(self, devices: dict[str, dict[str, Any]]) -> None:
        self._host.start({topic: self._on_fleet(content) for topic, content in devices.items()})

    def _on_fleet(self, content: dict[str, Any]) -> dict[str, Any]:
        given = content["driver_config"]
        account = {key: given[key] for key in given if key in AgentAccount.model_fields}
        own = {key: given[key] for key in given if key not in account}
        if not self._nodes:
            self._nodes.append(FleetNode(account))
        return {**content, "driver_config": {**own, **self._nodes[0].access}}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FleetNode]]:
    """The nodes that a test starts."""
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    made: list[FleetNode] = []
    yield made
    for each in made:
        each.stop()


@pytest.fixture(params=["modular", "classic", "modular on a fleet", "classic on a fleet"])
def host(request: pytest.FixtureRequest) -> Any:
    kind, _, on_fleet = request.param.partition(" ")
    nodes = request.getfixturevalue("nodes")
    made: Any
    if kind == "modular":
        made = Modular(request.getfixturevalue("driver"))
    else:
        made = Classic(request.getfixturevalue("classic"))
    return OnFleet(made, nodes) if on_fleet else made


@pytest.fixture
def one(host: Any, sim: Simulator) -> Any:
    """A device whose port 1 charges with about 6.4 kW."""
    host.start({ONE: device(sim, "1:34001")})
    return host


def test_every_point_is_in_values_or_in_errors(one: Any, sim: Simulator) -> None:
    sim.faults.set("getLoad", "http", status=503)
    values, errors = one.read(ONE, *POINTS)
    load = {"portLoad", "shedState", "allowedLoad", "percentShed"}
    assert errors.keys() == load
    assert values.keys() == set(POINTS) - load
    assert all(text.endswith("[try_later]") for text in errors.values())
    polled = one.poll(ONE)
    assert polled.keys() == values.keys()


def test_a_shed_and_its_revert(one: Any, sim: Simulator) -> None:
    before_kw = one.get(ONE, "portLoad")
    one.set(ONE, "allowedLoad", 2.0)
    assert writes(sim) == 0
    assert one.set(ONE, "shedState", 1) == 1
    assert one.get(ONE, "portLoad") == 2.0
    one.revert(ONE, "allowedLoad")
    assert one.get(ONE, "shedState") == 0
    assert one.get(ONE, "portLoad") == pytest.approx(before_kw)


def test_a_revert_puts_back_what_was_in_force_before(one: Any, sim: Simulator) -> None:
    sim.world.shed([sim.world.stations[0]], limit=Limit(allowed_kw=8.0))
    one.set(ONE, "allowedLoad", 1.0)
    one.revert_all(ONE)
    assert (one.get(ONE, "shedState"), one.get(ONE, "allowedLoad")) == (1, 4.0)


def test_a_revert_of_nothing_sends_nothing(one: Any, sim: Simulator) -> None:
    one.revert_all(ONE)
    assert writes(sim) == 0


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("allowedLoad", -1, "ValueError"), ("portLoad", 1, "ValueError")],
)
def test_a_bad_write_is_an_error(one: Any, sim: Simulator, name: str, value: Any, error: str):
    with pytest.raises(ValueError, match=name) as caught:
        one.set(ONE, name, value)
    assert type(caught.value).__name__ == error
    assert writes(sim) == 0


def test_a_failed_write_is_an_error(one: Any, sim: Simulator) -> None:
    one.set(ONE, "allowedLoad", 2.0)
    sim.faults.set("shedLoad", "refused", code="126")
    with pytest.raises(Exception, match=r"\[write_rejected\]") as caught:
        one.set(ONE, "shedState", 1)
    assert type(caught.value).__name__ == "DriverInterfaceError"


def test_devices_of_an_account_share_its_calls(host: Any, sim: Simulator) -> None:
    rows = [row(Currency="3600"), row(Volttron_Point_Name="status", Attribute_Name="Status",
                Register_Name="StationStatusRegister", Type="string", Currency="3600")]  # fmt: skip
    stations = [station.station_id for station in sim.world.stations]
    host.start({f"a/{n}": device(sim, station, rows) for n, station in enumerate(stations)})
    for n in range(len(stations)):
        host.read(f"a/{n}", "load", "status")
    assert sim.calls.count("getStationStatus") <= len(stations)
    calls = sim.calls.total
    for n in range(len(stations)):
        host.read(f"a/{n}", "load", "status")
    assert sim.calls.total == calls


def test_the_classic_registry_is_understood(host: Any, sim: Simulator) -> None:
    host.start({ONE: device(sim, "1:34001", classic_rows())})
    polled = host.poll(ONE)
    assert len(polled) == len({row["Volttron Point Name"] for row in classic_rows()})


def test_classic_register_types(classic: types.ModuleType, sim: Simulator) -> None:
    content = device(sim, "1:34001")
    interface = classic.Interface(vip=None)
    interface.configure(content["driver_config"], content["registry_config"])
    register = interface.get_register_by_name("allowedLoad")
    assert (register.python_type, register.read_only, register.units) == (float, False, "kW")
    assert interface.get_register_by_name("status").python_type is str


def test_classic_configuration_faults_come_all_at_once(
    classic: types.ModuleType, sim: Simulator
) -> None:
    content = device(sim, "1:34001", [row(Attribute_Name="portLaod"), row(Port="x")])
    with pytest.raises(ValueError, match="portLaod") as caught:
        classic.Interface(vip=None).configure(content["driver_config"], content["registry_config"])
    assert "'x' is not a port number" in str(caught.value)
    with pytest.raises(ValueError, match="cache_agent"):
        classic.Interface(vip=None).configure(
            {**content["driver_config"], "cache_agent": "x"}, content["registry_config"]
        )


def test_nothing_to_read_at_all_is_an_error_of_the_scrape(
    classic: types.ModuleType, sim: Simulator
) -> None:
    content = device(sim, "1:34001", [row()])
    interface = classic.Interface(vip=None)
    interface.configure(content["driver_config"], content["registry_config"])
    sim.faults.set("getLoad", "http", status=503)
    with pytest.raises(classic_host.DriverInterfaceError, match="503"):
        interface.scrape_all()


def test_on_a_host_that_patched_sockets_only_the_others_go_on(
    make_sim: Callable[..., Simulator], tmp_path: Path
) -> None:
    """As classic VOLTTRON does: sockets of gevent's, threads of Python's, the driver imported
    last."""
    sim = make_sim()
    sim.faults.set("getLoad", "delay", seconds=1)
    limit = row(Volttron_Point_Name="limit", Attribute_Name="limit", Writable="TRUE")
    content = device(sim, "1:34001", [row(), limit])
    script = f"""
        def configured():
            # The host imports the driver in the greenlet of a config call.
            from classic.chargepoint import Interface
            interface = Interface(vip=None)
            interface.configure({content["driver_config"]!r}, {content["registry_config"]!r})
            return interface
        interface = gevent.spawn(configured).get()
        beats = []
        def beat():
            while True:
                beats.append(1)
                gevent.sleep(0.05)
        greenlet = gevent.spawn(beat)
        first = interface.scrape_all()
        assert first["load"] > 5, first
        assert len(beats) > 10, len(beats)
        readers = [gevent.spawn(interface.scrape_all) for _ in range(5)]
        assert all(reader.get(timeout=60)["load"] > 5 for reader in readers)
        beats.clear()
        assert interface.set_point("limit", 2.0) == 2.0
        assert interface.set_point("limit", 0) == 0.0
        interface.revert_point("limit")
        assert interface.get_point("limit") > 5
        assert len(beats) > 10, len(beats)
        greenlet.kill()
    """
    run_as_classic(script, tmp_path)


def test_on_a_host_that_patched_sockets_only_chargers_connect(tmp_path: Path) -> None:
    port = free_port()
    content = {
        "backend": "ocpp",
        "chargePointID": "CP0001",
        "connectorId": 1,
        "listen": f"127.0.0.1:{port}",
        "database": str(tmp_path / "ocpp.db"),
    }
    rows = [row(Attribute_Name=name, Volttron_Point_Name=name, Register_Name="", Type="",
                Writable="FALSE") for name in ("Status", "portLoad")]  # fmt: skip
    script = f"""
        def configured():
            from classic.chargepoint import Interface
            interface = Interface(vip=None)
            interface.configure({content!r}, {rows!r})
            return interface
        interface = gevent.spawn(configured).get()
        def connected():
            while interface.scrape_all().get("Status") != "AVAILABLE":
                gevent.sleep(0.05)
        gevent.spawn(connected).get(timeout=30)
    """
    twins = Twins(port)
    try:
        run_as_classic(script, tmp_path)
    finally:
        twins.close()


def run_as_classic(script: str, folder: Path) -> None:
    """Run a script in a process of its own where sockets are gevent's and threads Python's. They
    have to be that at its end too, and then the process ends: one whose threads were replaced
    late waits permanently."""
    begin = """
from gevent import monkey
monkey.patch_ssl(); monkey.patch_socket(); monkey.patch_os()
import threading, gevent
from tests.unit.adapters import classic_host
classic_host.install()
"""
    end = """
assert not monkey.is_module_patched("threading")
assert threading.Lock is threading._allocate_lock and threading.Thread.__module__ == "threading"
print("done")
"""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", begin + textwrap.dedent(script) + end],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "VOLTTRON_HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.stdout.strip() == "done", found.stderr


def test_the_shapes_of_the_classic_driver(classic: types.ModuleType, sim: Simulator) -> None:
    content = device(sim, "1:34001", classic_rows(), classic_shapes=True)
    plain = device(sim, "1:34001", classic_rows())
    found = []
    for each in (content, plain):
        interface = classic.Interface(vip=None)
        interface.configure(each["driver_config"], each["registry_config"])
        found.append(interface.scrape_all())
    shaped, now = found
    assert shaped.keys() == now.keys()
    (times,) = [name for name in now if name == "Status.TimeStamp"] or ["TimeStamp"]
    assert shaped[times] == now[times].replace("T", " ")
    assert shaped["clearAlarms"] is False
    assert now["clearAlarms"] == 0
    assert now["clearAlarms"] is not False
    ((group, profile),) = now["stationRightsProfile"].items()
    assert shaped["stationRightsProfile"][group] == {
        "sgID": int(group),
        "stationRightsProfile": profile,
    }
