"""The real PlatformDriverAgent in this process, on a stub of the few things it touches of the
message bus, and simulators for it to talk to."""

from __future__ import annotations

import copy
import gc
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ... import under_gevent  # noqa: F401  # patches first

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the host's own imports warn
    import gevent
    import platform_driver.agent as host
    import volttron.client  # noqa: F401  # patches first
    from platform_driver.poll_scheduler import PollScheduler
    from volttron.client.vip.agent.dispatch import Signal
    from volttron.driver.base import driver_locks
    from volttron.utils import ClientContext, get_aware_utc_now

from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.simulator import ManualClock, Simulator

from .bus import AGENT, Bus, behind
from .devices import device

WRITES = ("shedLoad", "clearShedState", "clearAlarms")
LIMIT_S = 60.0


class _Done:
    """An answer that is there already."""

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        return self._value


class _Core:
    identity = "platform.driver"
    connected = True

    def __init__(self) -> None:
        self.greenlets: list[gevent.Greenlet] = []
        self.onstop = Signal()

    def schedule(self, when: Any, function: Any, *args: Any, **kwargs: Any) -> gevent.Greenlet:
        if hasattr(when, "tzinfo"):
            delay = max(0.0, (when - get_aware_utc_now()).total_seconds())
            greenlet = gevent.spawn_later(delay, function, *args, **kwargs)
        else:
            greenlet = gevent.spawn(self._periodically, when, function, args)
        self.greenlets.append(greenlet)
        return greenlet

    @staticmethod
    def _periodically(moments: Any, function: Any, args: Any) -> None:
        for moment in moments:
            gevent.sleep(max(0.0, (moment - get_aware_utc_now()).total_seconds()))
            function(*args)


class _Vip:
    def __init__(self) -> None:
        self.published: list[tuple[str, Any, Any]] = []
        self.subscribed: list[tuple[str, Any]] = []
        self.store: dict[str, Any] = {}
        vip = self

        class PubSub:
            def list(self, *args: Any) -> _Done:
                return _Done([])

            def subscribe(self, peer: str, prefix: str, callback: Any, **kwargs: Any) -> _Done:
                vip.subscribed.append((prefix, callback))
                return _Done()

            def publish(self, peer: str, topic: str, headers: Any = None, message: Any = None):
                vip.published.append((topic, headers, message))
                for prefix, callback in vip.subscribed:
                    if topic.startswith(prefix):
                        gevent.spawn(callback, peer, "tester", "", topic, headers, message)
                return _Done()

        class Config:
            def list(self) -> list[str]:
                return list(vip.store)

            def get(self, name: str) -> Any:
                return copy.deepcopy(vip.store[name])

            def set(self, name: str, value: Any, **kwargs: Any) -> None:
                vip.store[name] = value

            def set_default(self, name: str, value: Any) -> None:
                pass

            def subscribe(self, *args: Any, **kwargs: Any) -> None:
                pass

        class Rpc:
            context = types.SimpleNamespace(vip_message=types.SimpleNamespace(peer="tester"))

            def call(self, *args: Any, **kwargs: Any) -> _Done:
                return _Done("{}")

        self.pubsub, self.config, self.rpc = PubSub(), Config(), Rpc()
        self.health = types.SimpleNamespace(set_status=lambda *args: None)


class Driver:
    """A platform driver and what tests do with it. `agent` is the real one; its methods are
    what RPC calls."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def start(self, devices: Mapping[str, dict[str, Any]], **config: Any) -> Driver:
        """Begin with these devices, by topic (without `devices/`)."""
        for topic, content in devices.items():
            self.agent.vip.store[f"devices/{topic}"] = copy.deepcopy(content)
        self.agent.configure_main("config", "NEW", {"remote_heartbeat_interval": 3600, **config})
        return self

    def add(self, topic: str, content: dict[str, Any]) -> bool:
        """Store one more device at run time."""
        return self.agent._configure_new_equipment(
            f"devices/{topic}", "NEW", copy.deepcopy(content)
        )

    def update(self, topic: str, content: dict[str, Any]) -> bool:
        """Store a device again."""
        return self.agent._update_equipment(f"devices/{topic}", "UPDATE", copy.deepcopy(content))

    @property
    def remotes(self) -> list[Any]:
        """The host's remotes; each has one interface."""
        return list(self.agent.equipment_tree.remotes.values())

    @property
    def interface(self) -> Any:
        """The interface, where there is one alone."""
        (remote,) = self.remotes
        return remote.interface

    @property
    def devices(self) -> set[str]:
        """Topics of the devices that are set up."""
        tree = self.agent.equipment_tree
        return {node.identifier.removeprefix("devices/") for node in tree.devices(tree.root)}

    def topics(self, device: str = "") -> list[str]:
        """Full topics of the points of a device, or of all."""
        found = [topic for remote in self.remotes for topic in remote.interface.point_map]
        return [topic for topic in found if topic.startswith(f"devices/{device}")]

    def poll(self, topics: list[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        """What one poll slot of the host gets."""
        return self.interface.get_multiple_points(self.topics() if topics is None else topics)

    def get(self, device: str, *points: str) -> dict[str, Any]:
        """Values of a device by point name; no errors are expected."""
        values, errors = self.poll([f"devices/{device}/{point}" for point in points])
        assert not errors
        return {topic.rsplit("/", 1)[-1]: value for topic, value in values.items()}

    def set(self, device: str, point: str, value: Any) -> Any:
        """The RPC set_point."""
        return self.agent.set_point(device, point, value)

    def published(self, suffix: str) -> dict[str, Any]:
        """Topic to the message published last, of topics that end so."""
        return {topic: m for topic, _, m in self.agent.vip.published if topic.endswith(suffix)}

    def wait_for(self, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Let the host's greenlets run until something is so."""
        with gevent.Timeout(limit_s, AssertionError("did not happen")):
            while not condition():
                gevent.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_to_the_interpreter_s_end() -> Iterator[None]:
    yield
    gc.collect()  # closes connections while greenlets can still run


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Driver]:
    """A platform driver without devices; `driver.start({topic: config})` configures it."""
    services: list[Service] = []
    keep = Service.keep

    def kept(self: Service, *alerts: Any) -> None:
        services.append(self)
        keep(self, *alerts)

    monkeypatch.setattr(Service, "keep", kept)
    monkeypatch.setattr(ClientContext, "get_volttron_home", lambda: str(tmp_path))
    PollScheduler.poll_sets.clear()  # class-level state of the host
    monkeypatch.setattr(driver_locks, "_socket_lock", None, raising=False)
    monkeypatch.setattr(driver_locks, "_publish_lock", None, raising=False)

    def init(self: Any, **kwargs: Any) -> None:
        self.core, self.vip = _Core(), _Vip()

    monkeypatch.setattr(host.Agent, "__init__", init)
    agent = host.PlatformDriverAgent()
    yield Driver(agent)
    agent.core.onstop.send(agent)
    for service in services:
        service.close()
    agent._stop_agent.set()
    gevent.killall(agent.core.greenlets)
    if agent.heartbeat_greenlet is not None:
        agent.heartbeat_greenlet.kill()
    PollScheduler.poll_sets.clear()


@pytest.fixture
def make_sim() -> Iterator[Callable[..., Simulator]]:
    """Simulators on a clock that stands still; stopped at the end."""
    sims: list[Simulator] = []

    def make(**options: Any) -> Simulator:
        sims.append(Simulator(**{"clock": ManualClock(), **options}))
        return sims[-1].start()

    yield make
    for sim in sims:
        sim.stop()


@pytest.fixture
def sim(make_sim: Callable[..., Simulator]) -> Simulator:
    """Four stations with two ports each; both ports of 1:34001 charge."""
    return make_sim()


class Time:
    """The driver's clock: it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Every service that is set up goes by this clock."""
    clock, original = Time(), Service.__init__

    def init(self: Service, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "clock": clock})

    monkeypatch.setattr(Service, "__init__", init)
    return clock


def writes(sim: Simulator) -> int:
    """How many commands have arrived at the service."""
    return sum(sim.calls.count(name) for name in WRITES)


@pytest.fixture
def bus(driver: Driver) -> Bus:
    bus = Bus(driver.agent.vip.rpc)
    driver.agent.vip.rpc = bus
    driver.agent.vip.peerlist = bus.peerlist
    return bus


@pytest.fixture
def accounts(sim: Simulator, bus: Bus, clock: Time) -> Iterator[Accounts]:
    """A caching agent that holds one account."""
    accounts = Accounts()
    account = {"username": sim.username, "password": sim.password, "endpoint": sim.soap_url}
    assert accounts.configure({"accounts": {"garage": {**account, "timeout": 10}}}) == []
    bus.peers[AGENT] = accounts
    yield accounts
    accounts.close()


@pytest.fixture(params=["embedded", "agent"])
def make_device(
    request: pytest.FixtureRequest, sim: Simulator, clock: Time
) -> Callable[..., dict[str, Any]]:
    """A device config, of either set-up."""
    if request.param == "embedded":
        return lambda station="1:34001", registry=None, **o: device(sim, station, registry, **o)
    request.getfixturevalue("accounts")
    return behind
