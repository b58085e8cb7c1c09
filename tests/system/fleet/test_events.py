"""Events of chargers of one node, followed through another one."""

from __future__ import annotations

import signal
import time
from typing import Any

import requests

from tests.unit.backends.ocpp.conftest import Charger

from .nodes import TOKEN, NodeProcess

LIMIT_S = 60.0


class Follower:
    """Follows the events of all nodes through one, as any client of the control API does."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._cursor = self._ask()["cursor"]
        self._events: list[dict[str, Any]] = []

    def _ask(self, **query: Any) -> Any:
        answer = requests.get(
            f"{self._node.control_url}/events/follow", params=query,
            headers={"X-API-Key": TOKEN}, timeout=LIMIT_S,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, action: str, station: str) -> dict[str, Any]:
        """Return the next such event."""
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            while self._events:
                event = self._events.pop(0)
                if (event["action"], event["charge_point"]) == (action, station):
                    return event
            answer = self._ask(after=self._cursor, wait=1)
            self._cursor, self._events = answer["cursor"], answer["events"]
        raise AssertionError(f"no {action} of {station!r}\n{self._node.log[-2000:]}")


def test_changes_at_one_node_are_followed_through_another(linked, nats) -> None:
    first, second, third = linked
    follower = Follower(first)
    follower.until("EventsLost", "")  # what the other node sent before is not known
    charger = Charger(second.url, "CP1")
    charger.status("Available")
    assert follower.until("Connected", "CP1")["data"] == {"version": "1.6"}
    event = follower.until("StatusNotification", "CP1")
    assert (event["connector"], event["data"]["status"]) == (1, "Available")
    # A node that joins is followed too.
    late = Charger(third.start().url, "CP2")
    follower.until("EventsLost", "")
    late.status("Charging")
    follower.until("StatusNotification", "CP2")
    late.close()
    # What NATS does not carry makes the follower read everything; then events come again.
    nats.kill()
    follower.until("EventsLost", "")
    nats.start_again()
    follower.until("EventsLost", "")
    charger.status("Charging")
    follower.until("StatusNotification", "CP1")
    charger.close()
    follower.until("Disconnected", "CP1")
    second.end(signal.SIGKILL)
    follower.until("EventsLost", "")
