"""A real platform whose parts die and come back: historian, driver, agent, service, all of it."""

from __future__ import annotations

import importlib.util
import json
import signal
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.demo import garage
from examples.demo.errors import DemoError
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER, HISTORIAN
from examples.demo.watch import Watch

STEP_S = 60.0

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None,
        reason="needs a VOLTTRON platform: pip install '.[demo]'",
    ),
]

CELLS = [
    ({"kind": "http", "status": 503}, "try_later"),
    ({"kind": "soap_fault", "http_status": 200}, "try_later"),
    ({"kind": "drop_middle"}, "try_later"),
    ({"kind": "truncated_xml"}, "bad_reply"),
    ({"kind": "wrong_namespace"}, "bad_reply"),
    ({"kind": "entity_expansion"}, "bad_reply"),
]
CALLS = {
    "getLoad": {"attribute": "portLoad", "port": 1},
    "getStationStatus": {
        "attribute": "Status",
        "register": "StationStatusRegister",
        "port": 1,
    },
    "getChargingSessionData": {"attribute": "Energy", "port": 1},
    "getStations": {"attribute": "stationModel"},
}


class Site:
    """A platform with historian, caching agent and a driver that asks the service itself."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.processes = processes
        self.home = home
        self.database = processes.logs / "historian.sqlite"
        env = child_environment(home)
        program = Path(sys.executable).with_name("chargepoint-driver")
        lines = garage.launch_simulator(processes, program, env, home)
        self.platform = Platform(home, processes)
        self.platform.launch()
        self.place = garage.introduce(lines)
        self.password = {garage.PASSWORD_VARIABLE: self.place.password}
        self.platform.connect()
        for identity in (DRIVER, HISTORIAN, CACHE):
            self.platform.add_credentials(identity)
        account = self.place.account()
        self.platform.store(CACHE, "config", {"accounts": {"garage": account}})
        self.platform.store(DRIVER, "config", {})
        self.platform.store(DRIVER, garage.REGISTRY.name, garage.REGISTRY.read_text())
        self.ports = self.place.devices(account)
        for device, config in self.ports.items():
            self.platform.store(DRIVER, f"devices/{device}", config)
        self.start(HISTORIAN)
        self.start(CACHE)
        self.start(DRIVER)

    def start(self, identity: str) -> None:
        module = {
            HISTORIAN: "historian.sql.historian",
            CACHE: "chargepoint_driver.adapters.agent",
            DRIVER: "platform_driver.agent",
        }[identity]
        connection = {"type": "sqlite", "params": {"database": str(self.database)}}
        config = {"connection": connection} if identity == HISTORIAN else None
        env = None if identity == HISTORIAN else self.password
        self.platform.start_agent(identity, module, config, env=env)

    def kill(self, name: str) -> None:
        """As the kernel does when memory runs out: no goodbye."""
        process = self.processes._running[name]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        self.processes.stop(name)

    def restart_all(self) -> None:
        """The platform and all its agents end and come back in the same home."""
        for name in (DRIVER, CACHE, HISTORIAN, "link", "volttron"):
            self.processes.stop(name)
        (self.home / "VOLTTRON_PID").unlink(missing_ok=True)
        self.platform = Platform(self.home, self.processes)
        self.platform.launch()
        self.platform.connect()
        for identity in (HISTORIAN, CACHE, DRIVER):
            self.start(identity)

    # ---- the service ---------------------------------------------------------------------

    def control(self, method: str, path: str, **content: Any) -> Any:
        url = self.place.stats_url.removesuffix("/stats") + path
        data = json.dumps(content).encode() if content else None
        request = urllib.request.Request(url, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as reply:
            return json.load(reply)

    @contextmanager
    def fault(self, operation: str, **fault: Any) -> Iterator[None]:
        self.control("POST", "/faults", operation=operation, **fault)
        try:
            yield
        finally:
            self.control("DELETE", "/faults")

    # ---- what is seen --------------------------------------------------------------------

    def rows(self) -> int:
        if not self.database.exists():
            return 0
        try:
            with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT count(*) FROM data").fetchone()[0])
        except sqlite3.Error:
            return 0  # it is being made

    def wait_for(self, what: str, probe: Callable[[], Any]) -> None:
        self.processes.wait_for(what, probe, STEP_S)

    def wait_for_rows(self, what: str) -> None:
        before = self.rows()
        self.wait_for(what, lambda: self.rows() > before + 50)

    def wait_for_polls(self, what: str) -> dict[str, float]:
        """Loads of all ports, published from now on."""
        link = self.platform.link
        link.subscribe(f"devices/{garage.TOPIC}")
        link.messages()
        watch = Watch("")

        def probe() -> bool:
            for message in link.messages():
                watch.take(message)
            return set(self.ports) <= set(watch.loads)

        self.wait_for(what, probe)
        return {device: loads[-1].kw for device, loads in watch.loads.items()}

    def answers(self, identity: str, method: str) -> bool:
        try:
            self.platform.link.call(identity, method)
        except DemoError:
            return False
        return True

    def get(self, device: str, point: str) -> Any:
        return self.platform.link.call(DRIVER, "get_point", f"{garage.TOPIC}/{device}", point)

    def set(self, device: str, point: str, value: Any) -> Any:
        topic = f"{garage.TOPIC}/{device}"
        return self.platform.link.call(DRIVER, "set_point", topic, point, value)

    def log(self, identity: str) -> str:
        return (self.processes.logs / f"{identity}.log").read_text(errors="replace")


def test_a_life_with_faults(tmp_path: Path) -> None:
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes)
        loads = site.wait_for_polls("The first polls")
        assert max(loads.values()) > 1.0
        site.wait_for_rows("The first rows")

        _through_the_agent(site)
        _historian_dies(site)
        busy = max(loads, key=lambda topic: loads[topic]).removeprefix(f"{garage.TOPIC}/")
        _driver_dies_while_it_sheds(site, busy)
        assert "Traceback" not in site.log(DRIVER)
        _service_is_down(site)  # the host logs what it answers a call with as a traceback
        _config_is_changed(site)
        _config_is_deleted(site)
        site.restart_all()
        site.wait_for_polls("Polls after the platform's restart")
        site.wait_for_rows("Rows after the platform's restart")
        assert "Traceback" not in site.log(CACHE)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"not-a-real-password" in path.read_bytes()]


def _through_the_agent(site: Site) -> None:
    """A sample of the fault matrix over real RPC, at the real caching agent."""
    site.wait_for("The caching agent", lambda: site.answers(CACHE, "health"))
    station = site.place.stations[0]
    points = {call: {**point, "station": station, "currency": 0} for call, point in CALLS.items()}

    def read() -> dict[str, Any]:
        return dict(site.platform.link.call(CACHE, "read", points))

    good = read()
    assert good["errors"] == {}
    assert all(value is not None for value in good["values"].values())
    for number, (fault, code) in enumerate(CELLS):
        call = list(CALLS)[number % len(CALLS)]
        with site.fault(call, **fault):
            answer = read()
        assert set(answer["errors"]) == {call}, (fault, answer)
        assert answer["errors"][call]["code"] == code, (fault, answer)
        assert set(answer["values"]) == set(CALLS) - {call}
        site.wait_for(f"{call} after {fault['kind']}", lambda: not read()["errors"])


def _historian_dies(site: Site) -> None:
    site.kill(HISTORIAN)
    site.wait_for_polls("Polls without a historian")
    site.start(HISTORIAN)
    site.wait_for_rows("Rows of the new historian")


def _driver_dies_while_it_sheds(site: Site, busy: str) -> None:
    site.set(busy, "allowedLoad", 2.0)
    site.set(busy, "shedState", 1)
    site.wait_for("The shed", lambda: site.get(busy, "shedState") == 1)
    site.kill(DRIVER)
    site.start(DRIVER)
    site.wait_for_polls("Polls of the new driver")
    assert site.get(busy, "shedState") == 1
    assert site.get(busy, "portLoad") <= 2.0 + 1e-3
    assert "adopted 1 commands of an earlier run" in site.log(DRIVER)
    site.platform.link.call(DRIVER, "revert_point", f"{garage.TOPIC}/{busy}", "shedState")
    site.wait_for("The end of the shed", lambda: site.get(busy, "shedState") == 0)


def _service_is_down(site: Site) -> None:
    """Nothing is published of a point that cannot be read, above all no zero."""
    with site.fault("*", kind="http", status=503):
        with pytest.raises(DemoError, match="503"):
            site.get("station1/port1", "portLoad")
        # What was read just before may still be on its way; then there is silence.
        silent_since = time.monotonic()

        def is_silent() -> bool:
            nonlocal silent_since
            watch = Watch("")
            for message in site.platform.link.messages():
                if message["topic"].endswith("/multi"):
                    watch.take(message)
            if watch.loads:
                silent_since = time.monotonic()
            return time.monotonic() - silent_since > 3 * garage.POLL_S

        site.wait_for("The end of the loads", is_silent)
    site.wait_for_polls("Polls after the outage")


def _config_is_changed(site: Site) -> None:
    """For the worse, and back: the fault is named, the other devices go on, no restart."""
    device = f"{garage.TOPIC}/station3/port2"
    right = site.ports.pop(device)
    wrong = {**right["driver_config"], "shed_durration": 30}
    site.platform.store(DRIVER, f"devices/{device}", {**right, "driver_config": wrong})
    said = "unknown key 'shed_durration'; did you mean 'shed_duration'?"
    site.wait_for("What is wrong", lambda: said in site.log(DRIVER))
    site.wait_for_polls("Polls of the others")
    site.ports[device] = right
    site.platform.store(DRIVER, f"devices/{device}", right)
    site.wait_for_polls("Polls of all")


def _config_is_deleted(site: Site) -> None:
    """A device that is taken away takes no other one along."""
    gone = f"devices/{garage.TOPIC}/station4/port2"
    del site.ports[gone.removeprefix("devices/")]
    site.platform.link.call("platform.config_store", "delete_config", DRIVER, gone)
    site.wait_for_polls("Polls of the others")
    with pytest.raises(DemoError):
        site.get("station4/port2", "portLoad")
