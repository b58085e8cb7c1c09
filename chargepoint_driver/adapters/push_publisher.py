"""Changes of chargers that connect directly are published when they happen, not at the next poll.

What a charger said is the reason to look at its points; published are those that differ from
what the host published last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chargepoint_driver.adapters.event_queue import Inbox
from chargepoint_driver.adapters.events import changes_topic, publish_event
from chargepoint_driver.registry import Selection
from chargepoint_driver.service import Service

__all__ = ["Push"]

Read = Callable[[Selection], Mapping[str, Any]]
"""Topic to value of the points that can be read."""


class Push:
    """Of one interface: of its own central system, or of one behind the caching agent."""

    def __init__(self, driver_agent: Any, registers: Mapping[str, Any], read: Read) -> None:
        """`registers`: topic to register, of the interface, as it grows."""
        self._driver_agent = driver_agent
        self._registers = registers
        self._read = read
        self._by_station: dict[str, Selection] = {}
        self._indexed = 0
        self._bus_events = False
        self._inbox = Inbox(self._handle)

    def follow(self, service: Service, *, bus_events: bool) -> None:
        """Heed the chargers of this process; their messages go onto the bus too, if wanted."""
        self._bus_events = bus_events
        service.follow(self._inbox.put)

    def follow_agent(self, agent: str) -> None:
        """Heed what the caching agent says of its chargers."""

        def changed(*arguments: Any) -> None:
            for station in arguments[-1].get("stations", ()):
                self._inbox.put({"charge_point": station})

        self._driver_agent.vip.pubsub.subscribe("pubsub", changes_topic(agent), changed)

    def look(self, station_id: str) -> None:
        """Look at a station anew: something was written to it."""
        self._inbox.put({"charge_point": station_id})

    def _handle(self, events: list[dict[str, Any]]) -> None:
        self._publish(dict.fromkeys(event["charge_point"] for event in events))
        if self._bus_events:
            for event in events:
                if "action" in event:
                    publish_event(self._driver_agent.vip, event)

    def _publish(self, stations: Mapping[str, None]) -> None:
        self._index()
        points = Selection()
        for station in stations:
            points.update(self._by_station.get(station, ()))
        if not points:
            return
        node = self._driver_agent.equipment_model.get_node
        values = self._read(points)
        changed = {
            topic: value
            for topic, value in values.items()
            if (found := node(topic)) is not None and found.last_value != value
        }
        if changed:
            self._driver_agent.publish_push(changed)

    def _index(self) -> None:
        if self._indexed == len(self._registers):
            return
        self._by_station.clear()
        for topic, register in self._registers.items():
            point = register.point
            if point.attribute.pushed:
                self._by_station.setdefault(point.station_id, Selection())[topic] = point
        self._indexed = len(self._registers)

    def stop(self) -> None:
        """Publish nothing any more."""
        self._inbox.stop()
