"""State of a charger, changed on the loop's thread only. No messages, no sockets.

Connector 0 is the charge point itself. In OCPP 2.x a connector here is an EVSE.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.energy import Registers
from chargepoint_driver.backends.ocpp.model.meter import Meter
from chargepoint_driver.backends.ocpp.model.quirks import Quirks

if TYPE_CHECKING:
    from chargepoint_driver.backends.ocpp.model.limit import LimitState
    from chargepoint_driver.backends.ocpp.model.needs import ChargingNeeds

__all__ = [
    "ALARMS_CLEARED",
    "EV_COMMUNICATION_ERROR",
    "Charger",
    "Connector",
    "Link",
    "Transaction",
    "is_fault",
]

# "Not a real error" by the specification's table of error codes: the vehicle does not talk.
EV_COMMUNICATION_ERROR = "evcommunicationerror"
# An errorCode, or a vendor's, that stands for no error of the charger.
NO_ERROR = {"", "0", "0x0", "0x0000", "noerror", "no error", "none", "ok", EV_COMMUNICATION_ERROR}


def is_fault(code: str | None) -> bool:
    """Return True if an errorCode, or a vendor's, reports an error."""
    return code is not None and code.strip().lower() not in NO_ERROR


ALARMS_CLEARED = "alarms_cleared_s"
"""Where a charge point's stored record keeps when its alarms were cleared, s since 1970."""
DEPARTURES = "departures"
"""Where a charge point's stored record keeps what was out of order (`record_departures`)."""
# The greatest number of places of one kind in `Charger.forgiven`.
MAX_PLACES = 50
_MAX_PLACE_CHARS = 120


# A message is late beyond that, and three intervals of meter values.
_MIN_LATE_S = 60.0


def _go_together(own_s: float, received_s: float) -> bool:
    """Return True if two messages are as far apart by their own times as by their receipt."""
    return own_s >= 5.0 and abs(own_s - received_s) <= 2.0 + received_s / 10


class Link(Protocol):
    """The connection of a charger, as its state knows it (`transport/connection.py`)."""

    pinged_s: float

    @property
    def is_heard(self) -> bool:
        """Return True if a request came."""
        ...

    @property
    def has_answered(self) -> bool:
        """Return True if the charger has answered a call."""
        ...

    @property
    def is_ignoring(self) -> bool:
        """Return True if the charger leaves calls without an answer."""
        ...

    @property
    def closed(self) -> bool:
        """Return True if no message can come or go."""
        ...

    async def call(
        self, action: str, payload: dict[str, Any], timeout_s: float, *, drop: bool = True
    ) -> dict[str, Any]:
        """Send a request and return the answer."""
        ...

    async def ping(self) -> bool:
        """Return True if the charger answers at once."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Transaction:
    """One charging session. `transaction_id` is ours. `wire_id` is the charger's, in OCPP 1.6
    mostly the same. `alias` is another id that some chargers use while it runs."""

    transaction_id: int
    wire_id: str
    connector_id: int
    id_tag: str
    start_s: float
    start_wh: float | None
    last_wh: float | None = None
    last_s: float | None = None
    alias: str | None = None
    # Registers that were reset inside the session: see `model/energy.py`.
    resets: int = 0
    carried_wh: float = 0.0
    base_wh: float | None = None
    # An end without a usable id may have meant it.
    in_question: bool = False
    state: str = "active"

    @property
    def registers(self) -> Registers:
        """Return what is known of its registers."""
        return Registers(self.start_wh, self.last_wh, self.resets, self.carried_wh, self.base_wh)

    @property
    def energy_wh(self) -> float | None:
        """Return what was delivered so far; None when a register is missing."""
        return self.registers.delivered().wh


class Connector:
    """One connector, or EVSE."""

    __slots__ = (
        "charging_state",
        "connector_id",
        "error_code",
        "faults",
        "info",
        "is_confirmed",
        "is_doubted",
        "limit",
        "meter",
        "needs",
        "parts",
        "reported",
        "status",
        "status_received_s",
        "status_s",
        "stopped",
        "transaction",
        "vendor_error_code",
        "vendor_id",
    )

    def __init__(self, connector_id: int) -> None:
        self.connector_id = connector_id
        self.status: str | None = None
        self.status_s: float | None = None
        self.status_received_s: float | None = None
        # Of connector 0: an inoperative status that does not count until it is said again, and
        # one that was said when we asked.
        self.is_doubted = False
        self.is_confirmed = False
        # The connection and timestamp of the last status (2.x: of each connector of the EVSE).
        self.reported: dict[int | None, tuple[Link | None, float]] = {}
        self.error_code: str | None = None
        self.vendor_error_code: str | None = None
        self.vendor_id: str | None = None
        self.info: str | None = None
        self.faults: deque[tuple[float, str]] = deque(maxlen=32)  # (received, code)
        self.meter = Meter()
        self.transaction: Transaction | None = None
        self.charging_state: str | None = None
        self.stopped = False
        self.parts: dict[int, str] = {}
        self.limit: LimitState | None = None
        self.needs: ChargingNeeds | None = None

    def add_fault(self, received_s: float, *codes: str | None) -> None:
        for code in codes:
            if code is not None and is_fault(code):
                self.faults.append((received_s, code))

    def begin(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.stopped = False
        self.meter.restart()

    def end(self) -> None:
        self.transaction = None
        self.needs = None
        self.stopped = True
        self.charging_state = None


@dataclass(eq=False)
class Charger:
    """One charge point, connected or not."""

    station_id: str
    electrical: Electrical
    own_quirks: Quirks = field(default_factory=Quirks)
    model: str | None = None
    link: Link | None = None
    version: str | None = None
    connected_s: float | None = None
    last_seen_s: float | None = None
    booted_s: float | None = None
    booted_on: Link | None = None  # the connection that its boot data came over
    boot: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    # What a charge point refused or took before, so that it is not tried again.
    learned: dict[str, Any] = field(default_factory=dict)
    connectors: dict[int, Connector] = field(default_factory=dict)
    last_status_connector: int | None = None
    status_asked_s: float = float("-inf")  # the last TriggerMessage for statuses that was taken
    quirks: Quirks = field(default_factory=Quirks)
    counters: Counter[str] = field(default_factory=Counter)
    # Kind of departure from OCPP -> place (action and field) -> how often it was forgiven.
    forgiven: dict[str, Counter[str]] = field(default_factory=dict)
    interval_s: float = 60.0
    settings_read: bool = False
    saved_seen_s: float | None = None
    # How far its messages' times are behind their receipt at least: a clock that is slow.
    lag_s: float | None = None
    # How far its clock was put back, or ours put forward, since.
    clock_behind_s: float = 0.0
    boots: Any = None  # what its boots may cost: see `Csms.booted`
    late_before: tuple[float, float] | None = None  # time and receipt of the last late message

    @property
    def connected(self) -> bool:
        return self.link is not None

    @property
    def is_strict(self) -> bool:
        """Return True if its messages are held to their schemas."""
        return self.quirks.validation == "strict"

    def record_departures(self) -> bool:
        """Put what was out of order since the start among what is stored. True where that is
        more than before."""
        known = {
            "counters": dict(self.counters),
            "forgiven": {kind: dict(places) for kind, places in self.forgiven.items()},
        }
        changed: bool = self.learned.get(DEPARTURES) != known
        self.learned[DEPARTURES] = known
        return changed

    def forgive(self, kind: str, place: str) -> None:
        """Count a departure from OCPP that was taken all the same."""
        places = self.forgiven.setdefault(kind, Counter())
        place = place[:_MAX_PLACE_CHARS]
        places[place if place in places or len(places) < MAX_PLACES else "other places"] += 1

    def connector(self, connector_id: int) -> Connector:
        """Return the connector, known before or not."""
        found = self.connectors.get(connector_id)
        if found is None:
            found = Connector(connector_id)
            # Replaced, not changed: other threads read it meanwhile.
            self.connectors = dict(sorted({**self.connectors, connector_id: found}.items()))
        return found

    def is_late(self, time_s: float, received_s: float) -> bool:
        """Return True if a message lay in a queue before it was sent. Learns from the message how
        slow the charge point's clock is; one without a time of its own teaches nothing."""
        lag_s = received_s - time_s
        if lag_s == 0:
            return False
        lag_s = max(lag_s, 0.0)  # of a clock that is ahead too
        if self.lag_s is None or lag_s < self.lag_s:
            self.lag_s = lag_s
            if lag_s < self.clock_behind_s - _MIN_LATE_S:
                self.clock_behind_s = 0.0
        if lag_s - self.lag_s <= max(3 * self.interval_s, _MIN_LATE_S):
            self.late_before = None
            return False
        before, self.late_before = self.late_before, (time_s, received_s)
        if before is not None and _go_together(time_s - before[0], received_s - before[1]):
            # What lay in a queue comes faster than it was measured. So its clock was put back.
            self.lag_s = self.clock_behind_s = lag_s
            self.late_before = None
            return False
        return True

    def live_time(self, time_s: float, received_s: float) -> float:
        """Return when a message counts as sent for what is live: never later than it was
        received."""
        return min(time_s + self.clock_behind_s, received_s)

    def running(self, wire_id: str) -> Connector | None:
        """Return the connector on which a transaction of that name runs."""
        for connector in self.connectors.values():
            transaction = connector.transaction
            if transaction is not None and transaction.wire_id == wire_id:
                return connector
        return None

    def connector_of(self, transaction_id: int) -> Connector | None:
        """Return the connector on which that transaction (our id) runs."""
        for connector in self.connectors.values():
            transaction = connector.transaction
            if transaction is not None and transaction.transaction_id == transaction_id:
                return connector
        return None
