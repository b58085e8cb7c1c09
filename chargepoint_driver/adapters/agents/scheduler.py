"""A scheduler: limits chargers by time, price and circuit, through the platform driver.

An ordinary VOLTTRON agent, configured by its entry `config`; docs/how-to/schedules.md has the keys.
Changes are published on `results_topic`. What it shows is answered by RPC: `show`, `records`,
`set_need` and `set_prices`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from volttron.client.known_identities import PLATFORM_DRIVER
from volttron.client.messaging.health import STATUS_BAD, STATUS_GOOD
from volttron.client.vip.agent import RPC, Agent, Core
from volttron.utils import load_config

from chargepoint_driver import __version__
from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.agents.throttle import (
    RPC_ERRORS,
    RPC_LIMIT_S,
    driver_is_there,
    lacks_point,
)
from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import (
    READING_POINTS,
    PortReading,
    check_topics,
)
from chargepoint_driver.demand_response.schedule.follower import Follower
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    TransientError,
)
from chargepoint_driver.text import get_logger

_log = get_logger(__name__)

IDENTITY = "charging.scheduler"
_SAME_KW = 0.0005
# For each step of a stop; the host's own limit is less than half a minute.
_STOP_LIMIT_S = 8.0
# Until a schedule file that is missing or has a fault is read again.
_FILE_AGAIN_S = 10.0


class PlatformDevices:
    """Devices of the platform driver: topics without `devices/`. See `Devices`."""

    def __init__(self, vip: Any) -> None:
        self._vip = vip
        self._leased: dict[str, bool] = {}
        self._has_limit: dict[str, bool] = {}

    def read(self, device: Any) -> PortReading:
        topics = [f"{device}/{name}" for name in READING_POINTS]
        values, errors = self._call("get_multiple_points", topics)
        # Some hosts name them with `devices/` in front.
        found = {topic.rpartition("/")[2]: value for topic, value in values.items()}
        if "Status" not in found:
            raise TransientError(f"{device}: Status is not reported: {str(errors)[:200]}")
        return PortReading.of(found)

    def hold(self, device: Any, kw: float, *, lease_s: float) -> None:
        self._lease(device, lease_s)
        if self._is_held(device, kw):
            return
        # `limit` releases at the rated power. A port under a circuit always gets its limit.
        if lease_s and self._has(device, "set_point", "limit", kw):
            return
        # Sent at once while a shed is in force, else kept for shedState.
        self._call("set_point", device, "allowedLoad", kw)
        if not self._is_held(device, kw):
            self._call("set_point", device, "shedState", 1)

    def release(self, device: Any) -> None:
        if not self._has(device, "revert_point", "limit"):
            self._call("revert_point", device, "shedState")
        if self._leased.pop(device, False):
            self._call("set_point", device, "commandLease", 0)

    def plan(self, device: Any, text: str) -> bool:
        self._call("set_point", device, "chargingPlan", text)
        return True

    def _has(self, device: str, method: str, *arguments: Any) -> bool:
        """Make a call of the point `limit`; False, without an effect, where there is none."""
        if self._has_limit.get(device) is False:
            return False
        try:
            self._call(method, device, *arguments)
        except ChargePointError as error:
            if self._has_limit.get(device) or not lacks_point(error):
                raise
            self._has_limit[device] = False
            return False
        self._has_limit[device] = True
        return True

    def _lease(self, device: str, lease_s: float) -> None:
        """Renew a lease. A device without the point commandLease has none."""
        if not lease_s or self._leased.get(device) is False:
            return
        try:
            self._call("set_point", device, "commandLease", lease_s)
        except ChargePointError as error:
            if self._leased.get(device):
                raise
            _log.warning("%s has no lease: %s", device, error)
            self._leased[device] = False
        else:
            self._leased[device] = True

    def _is_held(self, device: str, kw: float) -> bool:
        held_kw = self._call("get_point", device, "commandedLoad")
        return held_kw is not None and abs(float(held_kw) - kw) < _SAME_KW

    def _call(self, method: str, *arguments: Any) -> Any:
        if not driver_is_there(self._vip):
            raise TransientError(f"{method}: {PLATFORM_DRIVER} is not there; nothing was sent")
        try:
            return self._vip.rpc.call(PLATFORM_DRIVER, method, *arguments).get(timeout=RPC_LIMIT_S)
        except RPC_ERRORS as error:
            found = str(error)
            # The driver's errors cross RPC as texts with their code.
            for kind in (InvalidValueError, ConfigurationError):
                if f"[{kind.code}]" in found:
                    raise kind(found) from None
            raise TransientError(f"{method}: {found or type(error).__name__}") from None


class SchedulerAgent(Agent):  # type: ignore[misc]  # the host has no types
    """Runs a Scheduler. A change of the configuration or of its `schedule_file` counts at once."""

    def __init__(self, config_path: str | dict[str, Any] = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._woken, self._stopping = Event(), Event()
        self._scheduler: Scheduler | None = None
        self._follower: Follower | None = None
        self._results_topic = ""
        self._working = gevent.Greenlet()
        self._trying_again = gevent.Greenlet()
        self._ends: list[Callable[[], None]] = []
        self.vip.config.set_default("config", load_config(config_path))
        self.vip.config.subscribe(self.configure, actions=["NEW", "UPDATE"], pattern="config")

    def configure(self, _name: str, _action: str, contents: dict[str, Any]) -> None:
        """Go on with another configuration, unless it has a fault."""
        self._trying_again.kill(block=False)
        file: ScheduleFile | None = None
        try:
            if not contents:
                raise ConfigurationError(
                    "config: is empty; store a schedule (docs/how-to/schedules.md)"
                )
            if "schedule_file" in contents:
                file = _file(contents)
                stored = file.read()
                if stored.config is None:
                    raise ConfigurationError(stored.fault)
                config = stored.config
            else:
                config = ScheduleConfig.from_dict(contents)
        except ConfigurationError as error:
            if file is not None:
                self._try_again(error, contents)
                return
            self.vip.health.set_status(STATUS_BAD, str(error))
            _log.error("%s. The one before stays in use.", error)
            return
        self.vip.health.set_status(STATUS_GOOD, "")
        self._halt()
        devices = PlatformDevices(self.vip)
        self._results_topic = config.results_topic
        if file is None:
            self._scheduler = Scheduler(config, devices, _now, self._publish)
        else:
            try:
                self._follower = Follower(file, devices, _now, self._publish, host="agent")
            except ConfigurationError as error:
                self._try_again(error, contents)
                return
            self._scheduler = self._follower.scheduler
        self._working = gevent.spawn(self._work, self._scheduler, self._follower)

    def _try_again(self, error: ConfigurationError, contents: dict[str, Any]) -> None:
        """Read the file again after a while: somebody may correct it."""
        self.vip.health.set_status(STATUS_BAD, str(error))
        _log.error("%s. It is read again; what runs stays in use.", error)
        self._trying_again = gevent.spawn_later(
            _FILE_AGAIN_S, self.configure, "config", "UPDATE", contents
        )

    def _work(self, scheduler: Scheduler, follower: Follower | None) -> None:
        look = scheduler.run_due if follower is None else follower.run_due
        subscribed: ScheduleConfig | None = None
        fault = ""
        while not self._stopping.is_set():
            if scheduler.config is not subscribed:
                self._subscribe_to(scheduler)
                subscribed = scheduler.config
            try:
                look()
            except ChargePointError as error:
                _log.error("%s; tried again", error)
            found = "" if follower is None else follower.fault
            if found != fault:
                fault = found
                self.vip.health.set_status(STATUS_BAD if fault else STATUS_GOOD, fault)
            self._woken.wait(scheduler.config.look_seconds)
            self._woken.clear()

    def _subscribe_to(self, scheduler: Scheduler) -> None:
        """Listen to the topics of prices and meters, and to no others."""
        self._unsubscribe()
        config = scheduler.config
        self._results_topic = config.results_topic
        topics: dict[str, Callable[[Any], object]] = {}
        if config.prices_topic:
            topics[config.prices_topic] = scheduler.take_prices
        for name, circuit in config.circuits.items():
            if circuit.meter_topic:
                topics[circuit.meter_topic] = _meter(scheduler, name, topics)
        for topic, take in topics.items():
            self._subscribe(topic, take)

    def _unsubscribe(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()

    def _subscribe(self, topic: str, take: Callable[[Any], object]) -> None:
        def handle(_p: str, _s: str, _b: str, found: str, _headers: Any, message: Any) -> None:
            del found
            take(message)

        self.vip.pubsub.subscribe("pubsub", topic, handle).get(timeout=RPC_LIMIT_S)

        def end() -> None:
            self.vip.pubsub.unsubscribe("pubsub", topic, handle)

        self._ends.append(end)

    def _publish(self, facts: dict[str, Any]) -> None:
        _log.info("%s", facts)
        self.vip.pubsub.publish("pubsub", self._results_topic, {}, facts)

    def _halt(self) -> None:
        """End what runs, and give back what it holds."""
        self._stopping.set()
        self._woken.set()
        if self._working:  # false before it is started, and at its end
            self._working.join(timeout=_STOP_LIMIT_S)
            self._working.kill(timeout=_STOP_LIMIT_S)
        self._unsubscribe()
        if self._scheduler is not None:
            # The host does not wait for a driver that does not answer.
            stop = self._scheduler.stop if self._follower is None else self._follower.stop
            ending = gevent.spawn(stop)
            ending.join(timeout=_STOP_LIMIT_S)
            ending.kill(block=False)
            self._scheduler = self._follower = None
        self._stopping.clear()
        self._woken.clear()

    @RPC.export  # type: ignore[untyped-decorator]
    def show(self) -> dict[str, Any]:
        """Return what applies now and next, by group."""
        return self._running().show()

    @RPC.export  # type: ignore[untyped-decorator]
    def records(self) -> list[dict[str, Any]]:
        """Return the last changes, oldest first."""
        return list(self._running().records)

    @RPC.export  # type: ignore[untyped-decorator]
    def set_need(
        self, group: str, name: str, energy_kwh: float | None, deadline: str | None = None
    ) -> None:
        """Set what a vehicle of a group needs by a time of ISO 8601; energy None ends it."""
        self._running().set_need(group, name, energy_kwh, deadline)
        self._woken.set()

    @RPC.export  # type: ignore[untyped-decorator]
    def set_prices(self, prices: Any) -> str:
        """Take day-ahead prices; `accepted`, or what is wrong with them."""
        self._woken.set()
        return self._running().take_prices(prices)

    def _running(self) -> Scheduler:
        if self._scheduler is None:
            raise TransientError("the scheduler has no valid configuration")
        return self._scheduler

    @Core.receiver("onstop")  # type: ignore[untyped-decorator]
    def end(self, _sender: Any, **_kwargs: Any) -> None:
        """Give back what is held; plans and limits of circuits stay."""
        self._trying_again.kill(block=False)
        self._halt()


def _file(contents: dict[str, Any]) -> ScheduleFile:
    """Return the file that a configuration names. Raises ConfigurationError."""
    path = contents["schedule_file"]
    if not isinstance(path, str) or not path:
        raise ConfigurationError("config: schedule_file: must be the path of a JSON file")
    base = {name: value for name, value in contents.items() if name != "schedule_file"}
    return ScheduleFile(Path(path), base=base, check=check_topics)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _meter(
    scheduler: Scheduler, circuit: str, topics: dict[str, Callable[[Any], object]]
) -> Callable[[Any], object]:
    """Return a handler of a meter's messages; several circuits may have one meter topic."""
    before = topics.get(scheduler.config.circuits[circuit].meter_topic)

    def take(message: Any) -> None:
        if before is not None:
            before(message)
        values = message[0] if isinstance(message, list) and message else message
        if isinstance(values, dict):
            scheduler.take_meter(circuit, values)

    return take


def main() -> None:
    """Run the agent as the platform starts agents."""
    run_agent(SchedulerAgent, identity=IDENTITY, version=__version__)


if __name__ == "__main__":
    main()
