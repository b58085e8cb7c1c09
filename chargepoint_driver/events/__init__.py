"""The event stream: an envelope, an outbox, a relay and its sinks, and the latest status.

Events are stored first, in order, with an id. The relay reads them from there and hands them to
each sink on its own. Nothing here knows OCPP, ChargePoint's service or VOLTTRON.
"""

from chargepoint_driver.events.envelope import KINDS, SCHEMA_VERSION, Event, kind_of, schema
from chargepoint_driver.events.outlet import SinkState
from chargepoint_driver.events.relay import Relay
from chargepoint_driver.events.stored_events import StoredEvents
from chargepoint_driver.events.stream import EventStream

__all__ = [
    "KINDS",
    "SCHEMA_VERSION",
    "Event",
    "EventStream",
    "Relay",
    "SinkState",
    "StoredEvents",
    "kind_of",
    "schema",
]
