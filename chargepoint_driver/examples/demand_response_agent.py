"""A demand-response agent: limits the busiest port for a while, then sets it free again.

It knows nothing of ChargePoint: it reads and writes through the platform driver. It publishes the
phases of its event (waiting, before, shed, cleared, failed) on `results_topic`. Its `config` in the
config store has the keys of DEFAULTS. Stopped during an event, it clears; killed, its lease ends.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import gevent
from gevent.event import Event
from volttron.client.known_identities import PLATFORM_DRIVER
from volttron.client.vip.agent import Agent, Core
from volttron.utils import load_config

from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.agents.throttle import RPC_ERRORS, RPC_LIMIT_S
from chargepoint_driver.text import get_logger

_log = get_logger(__name__)

DEFAULTS: dict[str, Any] = {
    "devices": "campus",  # ports are looked for below this topic
    "share": 0.5,  # of the load before, allowed while the event lasts
    "hold_seconds": 900,
    "minimum_load_kw": 1.0,  # a port below this is not worth an event
    "maximum_age_seconds": 120,  # an older reading is not used
    "wait_seconds": 600,  # for a busy port
    "lease_seconds": 60,  # an agent that is killed leaves its limit for so long; 0: no lease
    "results_topic": "demand_response/event",
}


class DemandResponseAgent(Agent):  # type: ignore[misc]  # the host has no types
    """One event per start, and another for each change of its configuration."""

    def __init__(self, config_path: str | dict[str, Any] = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = {**DEFAULTS, **load_config(config_path)}
        self._stopping = Event()
        self._event = gevent.Greenlet()
        self.vip.config.set_default("config", self.settings)
        self.vip.config.subscribe(self.configure, actions=["NEW", "UPDATE"], pattern="config")

    def configure(self, _name: str, _action: str, contents: dict[str, Any]) -> None:
        """Start an event with these settings, unless one is under way."""
        if self._event.started and not self._event.ready():
            _log.warning("An event is under way: store the configuration again after it.")
            return
        self.settings = {**DEFAULTS, **contents}
        self._event = gevent.spawn(self.run_event)

    @Core.receiver("onstop")  # type: ignore[untyped-decorator]
    def release(self, _sender: Any, **_kwargs: Any) -> None:
        """Leave no limit behind."""
        self._stopping.set()
        self._event.join(timeout=RPC_LIMIT_S)

    def run_event(self) -> None:
        """Run one event, from the search for a port to its release."""
        self.publish("waiting")
        device, load_kw = self.find_busiest()
        if not device:
            self.fail("No port was busy enough", "see that the driver polls, or wait longer")
            return
        allowed_kw = round(load_kw * self.settings["share"], 1)
        self.publish("before", device=device, load_kw=load_kw, allowed_load_kw=allowed_kw)
        try:
            self.lease(device, self.settings["lease_seconds"])
            accepted_kw = self.driver("set_point", device, "allowedLoad", allowed_kw)
            shed_state = self.driver("set_point", device, "shedState", 1)
            self.publish("shed", device=device, allowed_load_kw=accepted_kw, shed_state=shed_state)
            end = time.monotonic() + self.settings["hold_seconds"]
            while not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
                self.lease(device, self.settings["lease_seconds"])  # any write renews it
                self._stopping.wait(min(left, self.settings["lease_seconds"] / 3 or left))
        except RPC_ERRORS as error:
            self.fail(f"{device} could not be limited: {error}", "see that it may be shed")
        finally:
            # Also after a failure: the limit may be in force although no answer came.
            self.clear(device)

    def find_busiest(self) -> tuple[str, float]:
        """Return (device, load in kW); ("", 0) when no port is busy within `wait_seconds`."""
        end = time.monotonic() + self.settings["wait_seconds"]
        while time.monotonic() < end and not self._stopping.is_set():
            shed = self.read("shedState")
            free = {name: kw for name, kw in self.read("portLoad").items() if not shed.get(name)}
            device = max(free, key=lambda name: free[name], default="")
            if device and free[device] >= self.settings["minimum_load_kw"]:
                return device, free[device]
            self._stopping.wait(1)
        return "", 0.0

    def read(self, point: str) -> dict[str, Any]:
        """Device -> last polled value of a point, without those that have no current one."""
        try:
            found = self.driver("last", regex=f"(^|/){self.settings['devices']}/.*/{point}$")
        except RPC_ERRORS as error:
            _log.info("The platform driver does not answer yet: %s", error)
            return {}
        oldest = datetime.now(timezone.utc) - timedelta(0, self.settings["maximum_age_seconds"])
        return {
            topic.rsplit("/", 1)[0]: entry["value"]
            for topic, entry in found.items()
            if entry["value"] is not None and datetime.fromisoformat(entry["updated"]) > oldest
        }

    def lease(self, device: str, seconds: float) -> None:
        """Have a limit reverted that is not written again within `seconds`; 0 ends that."""
        with suppress(*RPC_ERRORS):  # a device without the point has none
            if self.settings["lease_seconds"]:
                self.driver("set_point", device, "commandLease", seconds)

    def clear(self, device: str) -> None:
        """Set a port free, in several attempts: a limit left behind keeps a car from charging."""
        for attempt in range(1, 4):
            try:
                shed_state = self.driver("set_point", device, "shedState", 0)
            except RPC_ERRORS as error:
                _log.warning("Clearing %s, attempt %d: %s", device, attempt, error)
                gevent.sleep(attempt)
            else:
                self.publish("cleared", device=device, shed_state=shed_state)
                self.lease(device, 0)  # other writers are not to be bound by it
                return
        self.fail(f"{device} may still be limited", f"write 0 to {device}/shedState by hand")

    def driver(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the platform driver; raises what went wrong, also when it does not answer."""
        return self.vip.rpc.call(PLATFORM_DRIVER, method, *args, **kwargs).get(timeout=RPC_LIMIT_S)

    def fail(self, what: str, cure: str) -> None:
        self.publish("failed", error=what, cure=cure)

    def publish(self, phase: str, **facts: Any) -> None:
        """Publish a phase of the event."""
        message = {"phase": phase, "time": datetime.now(timezone.utc).isoformat(), **facts}
        _log.info("%s", message)
        self.vip.pubsub.publish("pubsub", self.settings["results_topic"], {}, message)


if __name__ == "__main__":
    run_agent(DemandResponseAgent, identity="demand.response", version="0.1.0")
