"""A site cap: keeps a building and its chargers under one limit by throttling the chargers.

An ordinary VOLTTRON agent. It listens to the building's meter (without the chargers), writes
`allowedLoad` of a station group or of ports, and reverts when there is room for all. Configured
by its `config` in the config store; DEFAULTS has the keys. When the meter is silent, and when
the agent is stopped, the chargers are held to `safe_kw`.
"""

from __future__ import annotations

import time
from typing import Any

from chargepoint_driver import __version__
from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.agents.throttle import Throttle, ThrottlingAgent
from chargepoint_driver.demand_response.site_cap import Cap

IDENTITY = "site.cap"

DEFAULTS: dict[str, Any] = {
    "meter_topic": "devices/campus/meter/all",
    "meter_point": "Power",  # kW, of the building without its chargers
    "devices": ["campus/garage/group"],  # a station group, or ports, which share alike
    "limit_kw": 100.0,  # building and chargers together
    "chargers_kw": 50.0,  # the most that the chargers take when nothing holds them
    "floor_kw": 6.0,  # the chargers together are never throttled below this
    "safe_kw": 10.0,  # for the chargers together while the meter is silent
    "meter_timeout_seconds": 180,  # without a reading the meter is silent
    "hysteresis_kw": 2.0,  # smaller changes of the building change nothing
    "raise_seconds": 300,  # between a change and the next raise; lowering never waits
    "look_seconds": 10,  # between two looks at what is in force
    "lease_seconds": 300,  # an agent that is killed leaves its limit for so long
    "results_topic": "site_cap",
}


class SiteCapAgent(ThrottlingAgent):
    """Applies a Cap. It begins with what is in force."""

    defaults = DEFAULTS

    def faults(self, settings: dict[str, Any]) -> list[str]:
        found = super().faults(settings)
        if not found and settings["safe_kw"] < settings["floor_kw"]:
            return ["safe_kw: is below floor_kw"]
        return found

    def work(self, settings: dict[str, Any], throttle: Throttle) -> None:
        """Keep the limit until the agent stops."""
        cap, said = Cap(settings, time.monotonic(), throttle.adopt(self.stopping)), None

        def take(_p: str, _s: str, _b: str, _topic: str, _headers: Any, message: Any) -> None:
            values = message[0] if isinstance(message, list) and message else message
            kw = values.get(settings["meter_point"]) if isinstance(values, dict) else values
            if cap.meter(kw, time.monotonic()):
                self.woken.set()

        self.vip.pubsub.subscribe("pubsub", settings["meter_topic"], take).get(timeout=60)
        try:
            while not self.stopping.is_set():
                kw = cap.decide(time.monotonic())
                done = throttle.release() if kw is None else throttle.hold(kw)
                if said != (kw, done):
                    said = kw, done
                    self.publish_status(settings, allowed_kw=kw, done=done, reason=cap.reason)
                self.woken.wait(settings["look_seconds"])
                self.woken.clear()
            throttle.leave(cap.fall_back())
        finally:
            self.vip.pubsub.unsubscribe("pubsub", settings["meter_topic"], take)


def main() -> None:
    """Run the agent as the platform starts agents."""
    run_agent(SiteCapAgent, identity=IDENTITY, version=__version__)


if __name__ == "__main__":
    main()
