"""Changes of chargers that connect directly are published when they happen, not at the next poll.

What a charger said is the reason to look at its points; published are those that differ from
what the host published last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chargepoint_driver.adapters.host.bus_events import changes_topic, publish_event, publish_lost
from chargepoint_driver.adapters.host.event_queue import EventQueue
from chargepoint_driver.fleet_client import Changes, FleetAccount
from chargepoint_driver.registry import Selection
from chargepoint_driver.service import Service

__all__ = ["Push"]

Read = Callable[[Selection], Mapping[str, Any]]
"""Topic to value of the points that can be read."""


class Push:
    """Of one interface: of its own central system, of one behind the caching agent, or of a
    fleet."""

    def __init__(self, driver_agent: Any, registers: Mapping[str, Any], read: Read) -> None:
        """`registers`: topic to register, of the interface, as it grows."""
        self._driver_agent = driver_agent
        self._registers = registers
        self._read = read
        # Station to its pushed points, and to the host's nodes of them.
        self._by_station: dict[str, tuple[Selection, dict[str, Any]]] = {}
        self._indexed = 0
        self._bus_events = False
        self._queue = EventQueue(self._handle)
        self._changes: Changes | None = None

    def follow(self, service: Service, *, bus_events: bool) -> None:
        """Follow the chargers of this process; publish their messages too, if wanted."""
        self._bus_events = bus_events
        service.follow(self._queue.put)

    def follow_agent(self, agent: str) -> None:
        """Follow the caching agent's lists of chargers with news."""

        def changed(*arguments: Any) -> None:
            message = arguments[-1]
            for station in message.get("stations", ()):
                self._queue.put({"charge_point": station})
            if message.get("all"):
                self._queue.put({"charge_point": None})

        self._driver_agent.vip.pubsub.subscribe("pubsub", changes_topic(agent), changed)

    def follow_fleet(self, account: FleetAccount) -> None:
        """Follow the chargers with news of an account that nodes hold."""

        def changed(stations: list[str] | None) -> None:
            for station in [None] if stations is None else stations:
                self._queue.put({"charge_point": station})

        self._changes = Changes(account, changed)

    def check(self, station_id: str) -> None:
        """Look at a station again: something was written to it."""
        self._queue.put({"charge_point": station_id})

    def forget(self) -> None:
        """Sort the points again: the registers changed."""
        self._indexed = 0

    def _handle(self, events: list[dict[str, Any]], lost: int) -> None:
        self._index()
        stations = dict.fromkeys(event["charge_point"] for event in events)
        self._publish(self._by_station if lost or None in stations else stations)
        if self._bus_events:
            if lost:
                publish_lost(self._driver_agent.vip, lost)
            for event in events:
                if "action" in event:
                    publish_event(self._driver_agent.vip, event)

    def _publish(self, stations: Iterable[str]) -> None:
        """Publish what differs from what the host published last."""
        get_node = self._driver_agent.equipment_model.get_node
        changed: dict[str, Any] = {}
        found = [self._by_station[each] for each in stations if each in self._by_station]
        if self._changes is not None and len(found) > 1:
            # Each read is a request to a node.
            found = [_joined(found)]
        for points, nodes in found:
            for topic, value in self._read(points).items():
                node = nodes[topic]
                # A device that was deleted has no node any more.
                if node.last_value != value and get_node(topic) is node:
                    changed[topic] = value
        if changed:
            self._driver_agent.publish_push(changed)

    def _index(self) -> None:
        if self._indexed == len(self._registers):
            return
        get_node = self._driver_agent.equipment_model.get_node
        self._by_station = {}
        for topic, register in self._registers.items():
            point = register.point
            if point.attribute.pushed and (node := get_node(topic)) is not None:
                points, nodes = self._by_station.setdefault(point.station_id, (Selection(), {}))
                points[topic], nodes[topic] = point, node
        self._indexed = len(self._registers)

    def stop(self) -> None:
        """Publish nothing any more."""
        if self._changes is not None:
            self._changes.stop()
        self._queue.stop()


def _joined(found: list[tuple[Selection, dict[str, Any]]]) -> tuple[Selection, dict[str, Any]]:
    """Return the points and nodes of several stations together."""
    points, nodes = Selection(), dict[str, Any]()
    for of_station, its_nodes in found:
        points.update(of_station)
        nodes.update(its_nodes)
    return points, nodes
