"""Event follower: sheds while an OpenADR-style event lasts, and releases afterwards.

An ordinary VOLTTRON agent. Events arrive as messages on `events_topic`, in the form of
docs/how-to/demand-response.md or as VOLTTRON's own OpenADR agents publish them. The result of each
is published on `results_topic`. The agent keeps events in its config store, entry `events`, and
resumes them after a restart. When it is stopped, it releases, because nobody would end the event.
Configured by `config`; DEFAULTS has the keys.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from chargepoint_driver import __version__
from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.agents.throttle import RPC_ERRORS, Throttle, ThrottlingAgent
from chargepoint_driver.demand_response.event_messages import Events
from chargepoint_driver.demand_response.ven_messages import name_of
from chargepoint_driver.text import get_logger

_log = get_logger(__name__)

IDENTITY = "event.follower"

DEFAULTS: dict[str, Any] = {
    "events_topic": "openadr/event",
    "devices": ["campus/garage/group"],  # a station group, or ports, which share alike
    # From this level, or price, on: kW for the devices together. The highest that is reached.
    "levels": {"1": 40.0, "2": 20.0, "3": 6.0},
    "prices": {},
    "rated_kw": None,  # what the devices can take together: a percentage is of it
    "look_seconds": 10,
    "lease_seconds": 300,  # an agent that is killed leaves its limit for so long
    "results_topic": "event_follower",
}


class EventFollowerAgent(ThrottlingAgent):
    """Does what the events say."""

    defaults = DEFAULTS

    def faults(self, settings: dict[str, Any]) -> list[str]:
        found = super().faults(settings)
        for name in ("levels", "prices"):
            try:
                good = all(float(step) * 0 == 0 <= float(kw) for step, kw in settings[name].items())
            except (AttributeError, TypeError, ValueError):
                good = False
            found += [] if good else [f"{name}: must be numbers as texts, each with a limit in kW"]
        rated_kw = settings["rated_kw"]
        is_number = isinstance(rated_kw, (int, float)) and not isinstance(rated_kw, bool)
        if rated_kw is not None and not (is_number and 0 < rated_kw < math.inf):
            found.append("rated_kw: must be a number above 0, or null")
        return found

    def work(self, settings: dict[str, Any], throttle: Throttle) -> None:
        """Follow the events until the agent stops."""
        self._kept = self._read()
        is_held, said = self._kept["held"], None
        events = Events(settings, self._kept["messages"], _now())
        if is_held:
            throttle.adopt(self.stopping)

        def take(_p: str, _s: str, _b: str, _topic: str, _headers: Any, message: Any) -> None:
            self.publish_status(
                settings, event_id=name_of(message), outcome=events.take(message, _now())
            )
            self.woken.set()

        self.vip.pubsub.subscribe("pubsub", settings["events_topic"], take).get(timeout=60)
        try:
            while not self.stopping.is_set():
                kw = events.allowed_kw(_now())
                is_held = is_held or kw is not None
                self._keep(events, is_held)  # Before anything is written.
                done = throttle.release() if kw is None else throttle.hold(kw)
                is_held = is_held and not (done and kw is None)
                if said != (kw, done):
                    said = kw, done
                    self.publish_status(settings, allowed_kw=kw, done=done)
                self.woken.wait(settings["look_seconds"])
                self.woken.clear()
            self._keep(events, is_held and not throttle.release())
        finally:
            self.vip.pubsub.unsubscribe("pubsub", settings["events_topic"], take)

    def _read(self) -> dict[str, Any]:
        """Return what an earlier run kept."""
        try:
            return dict(self.vip.config.get("events"))
        except KeyError:
            return {"held": False, "messages": []}

    def _keep(self, events: Events, is_held: bool) -> None:
        kept = {"held": is_held, "messages": list(events.messages.values())}
        if kept == self._kept:
            return
        try:
            self.vip.config.set("events", kept)
            self._kept = kept
        except RPC_ERRORS as error:
            _log.warning("The events cannot be kept, tried again: %s", error)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def main() -> None:
    """Run the agent as the platform starts agents."""
    run_agent(EventFollowerAgent, identity=IDENTITY, version=__version__)


if __name__ == "__main__":
    main()
