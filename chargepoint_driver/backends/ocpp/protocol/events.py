"""Neutral events: what a message of a charger reports, whatever its protocol version.

The handlers of a version translate a payload into one of these, and the outcome into an answer.
`transactions`, `meter_values`, `status_notifications` and `charger_reports` act on them.
A connector is an EVSE in OCPP 2.x; connector 0 is the charger itself. Times are seconds since 1970
(UTC), registers are Wh; None means not reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backends.ocpp.model.metering import Sample
from chargepoint_driver.backends.ocpp.model.needs import ChargingNeeds
from chargepoint_driver.backends.ocpp.storage.transaction_table import End

__all__ = [
    "AlarmChanged",
    "Booted",
    "Metered",
    "NeedsReported",
    "ReservationEnded",
    "SettingsReported",
    "StatusChanged",
    "StatusDetails",
    "TransactionEnded",
    "TransactionStarted",
    "TransactionUpdated",
]

Moments = Sequence[tuple[float, Sample]]
"""(time of measuring, what was measured) of each moment of a message."""


@dataclass(frozen=True, slots=True)
class Booted:
    """The charger has started: BootNotification. `boot` has `vendor`, `model`, `serial` and
    `firmware`, each None where it is not reported (2.x: `reason` too)."""

    boot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """Details of a StatusNotification of OCPP 1.6."""

    error_code: str | None
    vendor_error_code: str | None
    vendor_id: str | None
    info: str | None


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The status of a connector.

    `timestamp` is as the charger sent it. `part` is the connector of an EVSE that has several.
    `faults` are the codes to record as errors. `details` None: the details known before stay.
    """

    connector_id: int
    status: str
    timestamp: object
    part: int | None = None
    faults: tuple[str, ...] = ()
    details: StatusDetails | None = None


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """An alarm of a connector besides its status (2.x: NotifyEvent). `code` None: it is over."""

    connector_id: int
    code: str | None
    info: str | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """Meter values of a connector. `wire_id` is the transaction that they name."""

    connector_id: int
    wire_id: str | None
    moments: Moments


@dataclass(frozen=True, slots=True)
class NeedsReported:
    """Reported charging needs of a vehicle (2.x: NotifyEVChargingNeeds)."""

    connector_id: int
    needs: ChargingNeeds


@dataclass(frozen=True, slots=True)
class SettingsReported:
    """Settings by name (2.x: NotifyReport)."""

    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReservationEnded:
    """A reservation is over: `state` is "expired" or "cancelled"."""

    reservation_id: int
    state: str


@dataclass(frozen=True, slots=True)
class _TransactionEvent:
    """Common fields of the start, updates and end of a session.

    `wire_id` is the charger's id of the session; `ids_are_ours`: the central system gives the ids
    (OCPP 1.6), and a begin has none yet. `connector_id` 0: not known. `begin_wh` is the register
    of the begin. `moments` are the meter values that came with it. `key` tells a message that is
    sent again from another one of the same kind. `sequence` is its number in the session;
    `is_offline`: the charger was offline when it happened.
    """

    wire_id: str | None
    ids_are_ours: bool
    connector_id: int
    id_tag: str
    time_s: float
    begin_wh: float | None
    moments: Moments
    key: str
    sequence: int | None = None
    is_offline: bool = False
    charging_state: str | None = None
    reservation_id: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionStarted(_TransactionEvent):
    """A session begins."""


@dataclass(frozen=True, slots=True)
class TransactionUpdated(_TransactionEvent):
    """A session goes on."""


@dataclass(frozen=True, slots=True)
class TransactionEnded(_TransactionEvent):
    """A session ends. `registers` are the (time, register) pairs that came with it, `end_wh` is
    the last one."""

    registers: Sequence[tuple[float, float]] = ()
    end_wh: float | None = None
    reason: str = "Local"

    @property
    def end(self) -> End:
        """Return the end as the store keeps it."""
        return End(self.wire_id, self.id_tag, self.time_s, self.end_wh, self.reason, self.key)
