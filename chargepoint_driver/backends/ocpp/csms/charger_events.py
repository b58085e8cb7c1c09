"""Event log of the chargers: stores and counts events, and calls listeners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.events.envelope import EVENTS_LOST
from chargepoint_driver.process.loop_thread import native_lock
from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["ChargerEvents", "Listener", "events_lost"]

Listener = Callable[[dict[str, Any]], None]


class ChargerEvents:
    """Events of all chargers of a central system. On the loop's thread."""

    def __init__(self, store: Store, lines: RateLimitedLog) -> None:
        self.store = store
        self._lines = lines
        self.counters: Counter[str] = Counter()
        """What was out of order, by kind."""
        self.messages: Counter[str] = Counter()
        """Messages by action, for metrics."""
        self._listeners: tuple[Listener, ...] = ()
        self._lock = native_lock()
        # Chargers with news, for who keeps the latest status; taken from any thread.
        self.touched: set[str] = set()
        # Takes a connector with a limit whose charger has said something.
        self.observe: Callable[[Charger, Connector], None] | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call back for each message on the loop's thread, before it is answered; return how to
        end it. From any thread."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def record_event(
        self, request: Request, connector: int | None, time_s: float, data: Any
    ) -> None:
        """Record a message, and observe the limit of its connector."""
        point = request.point
        self.touched.add(point.station_id)
        self.messages[request.action] += 1
        if request.as_received:
            data = {**data, "as_received": request.as_received}
        if request.action != "Heartbeat":
            self.record(point, request.action, connector, time_s, request.received_s, data)
        elif self._listeners:
            self._publish(point, request.action, connector, time_s, request.received_s, data)
        if connector is not None and connector in point.connectors:
            found = point.connectors[connector]
            if found.limit is not None and self.observe is not None:
                self.observe(point, found)

    def count(self, point: Charger | None, name: str, detail: str = "") -> None:
        """Count what was out of order, of a charger or (None) of none, and log it."""
        self.counters[name] += 1
        station_id = ""
        if point is not None:
            point.counters[name] += 1
            station_id = point.station_id
        self._lines.warning(name, name=station_id, reason=detail or "counted")

    def count_outside(self, kind: str, reason: str, address: str = "", name: str = "") -> None:
        """Count what was out of order before a connection was a charger's."""
        self.counters[kind] += 1
        self._lines.warning(kind, address=address, name=name, reason=reason)

    def record(
        self,
        point: Charger,
        action: str,
        connector: int | None,
        time_s: float,
        received_s: float,
        data: Any,
    ) -> None:
        """Store an event of a charger, and tell those who listen."""
        self.touched.add(point.station_id)
        self.store.event(
            received_s, time_s, point.station_id, connector, action, msgspec.json.encode(data)
        )
        if self._listeners:
            self._publish(point, action, connector, time_s, received_s, data)

    def add(
        self,
        action: str,
        station_id: str,
        connector: int | None,
        time_s: float,
        received_s: float,
        data: dict[str, Any],
    ) -> None:
        """Store an event that does not come from a charger's message. Nothing waits for it."""
        self.touched.add(station_id)
        self.store.event(received_s, time_s, station_id, connector, action, data)
        self.store.committed()

    def _publish(
        self,
        point: Charger,
        action: str,
        connector: int | None,
        time_s: float,
        received_s: float,
        data: Any,
    ) -> None:
        event = {
            "charge_point": point.station_id,
            "action": action,
            "connector": connector,
            "time": iso(time_s),
            "received": iso(received_s),
            "data": msgspec.to_builtins(data),
        }
        for listener in self._listeners:
            listener(event)


def events_lost(lost: int | None, now_s: float) -> dict[str, Any]:
    """Return the event that tells a follower to read everything again. `lost` is the number of
    events that it did not get; None: not known."""
    now = iso(now_s)
    return {
        "charge_point": "",
        "action": EVENTS_LOST,
        "connector": None,
        "time": now,
        "received": now,
        "data": {"lost": lost},
    }
