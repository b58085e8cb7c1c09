"""A 2.0.1 charging station: its own messages. Connector n is EVSE n with one connector."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any
from uuid import uuid4

from ..power.connector import Connector, Fault, Reservation, Transaction
from ..power.spec import TwinSpec
from ..power.station import News
from ..protocol.charge_point import Charger
from ..scheduler import Scheduler
from ..transport import wire
from ..transport.message import Message, Reply
from . import variables
from .enums import BOOT_REASONS, CHARGING_STATE, ERROR_CODES, REASONS, STATUS, TRIGGERS
from .sampled_values import written


class Charger201(Charger):
    """Speaks OCPP 2.0.1."""

    subprotocol = "ocpp2.0.1"
    error_codes = ERROR_CODES
    ignored_fields = ("customData",)
    names = variables.NAMES
    rows = staticmethod(variables.rows)
    written = staticmethod(written)

    def __init__(
        self, spec: TwinSpec, scheduler: Scheduler, seed: int, slots: asyncio.Semaphore, news: News
    ) -> None:
        super().__init__(spec, scheduler, seed, slots, news)
        self.firmware_status: dict[str, Any] = {"status": "Idle"}
        self.log_status: dict[str, Any] = {"status": "Idle"}
        self.raw_profiles: dict[int, dict[str, Any]] = {}
        self.resets_when_idle = False
        self._states: dict[int, str] = {}
        self._events = count(1)
        self._seen_faults: dict[int, Fault | None] = {}

    # -- messages ---------------------------------------------------------------------

    def boot_payload(self) -> dict[str, Any]:
        """Return the content of a BootNotification."""
        return {
            "chargingStation": {
                "vendorName": self.spec.vendor,
                "model": self.spec.model,
                "serialNumber": (self.spec.serial_number or self.spec.identity)[:25],
                "firmwareVersion": self.spec.firmware_version,
            },
            "reason": BOOT_REASONS.get(self.boot_reason, "Unknown"),
        }

    def authorize_payload(self, id_tag: str) -> dict[str, Any]:
        """Return the content of an Authorize."""
        return {"idToken": {"idToken": id_tag, "type": "ISO14443"}}

    def id_status(self, reply: Mapping[str, Any]) -> str:
        """Return the status of an idToken in an answer."""
        info = reply.get("idTokenInfo")
        return str(info.get("status")) if isinstance(info, Mapping) else "Invalid"

    def send_all_statuses(self) -> None:
        """StatusNotification of each connector."""
        for connector in self.connectors:
            connector.announced = None
            self._send_connector(connector, urgent=True)
        if self.quirks.has("connector_0_unavailable"):
            self.notify_station("Unavailable", urgent=True)

    def send_status(self, connector: Connector) -> None:
        """StatusNotification, TransactionEvent and NotifyEvent where something has changed."""
        self._send_charging_state(connector)
        if self.is_connected():
            self._send_connector(connector)
            self._send_faults(connector)
        if self.resets_when_idle and all(one.transaction is None for one in self.connectors):
            self.resets_when_idle = False
            asyncio.get_running_loop().call_soon(lambda: self.reboot("ImmediateReset", gently=True))

    def _send_connector(self, connector: Connector, *, urgent: bool = False) -> None:
        status = self.connector_status(connector)
        if status != connector.announced:
            connector.announced = status
            self.notify_status(connector, urgent=urgent)

    def connector_status(self, connector: Connector) -> str:
        """Return the status in the words of 2.0.1."""
        return STATUS.get(self.phase(connector), "Occupied")

    def notify_status(self, connector: Connector, *, urgent: bool = False) -> None:
        """Send a StatusNotification."""
        payload = {
            "timestamp": self.status_stamp(connector.connector_id),
            "connectorStatus": self.connector_status(connector),
            "evseId": connector.connector_id,
            "connectorId": 1,
        }
        self.link.send(Message("StatusNotification", lambda: payload), urgent=urgent)

    def notify_station(self, status: str, *, urgent: bool = False) -> None:
        """Send a StatusNotification of the whole charging station (EVSE 0), as some do."""
        payload = {
            "timestamp": self.stamp(self.begin()),
            "connectorStatus": status,
            "evseId": 0,
            "connectorId": 0,
        }
        self.link.send(Message("StatusNotification", lambda: payload), urgent=urgent)

    def _send_faults(self, connector: Connector) -> None:
        if connector is self.connectors[0]:
            self._send_fault(0, self.station_fault)
        self._send_fault(connector.connector_id, connector.fault)

    def _send_fault(self, evse_id: int, fault: Fault | None) -> None:
        before = self._seen_faults.get(evse_id)
        if fault == before:
            return
        self._seen_faults[evse_id] = fault
        shown = fault or before
        assert shown is not None
        component: dict[str, Any] = {"name": "ChargingStation"}
        if evse_id:
            component = {"name": "Connector", "evse": {"id": evse_id, "connectorId": 1}}
        now = self.stamp(self.begin())
        event = {
            "eventId": next(self._events),
            "timestamp": now,
            "trigger": "Alerting",
            "actualValue": "false" if fault is None else "true",
            "techCode": shown.vendor_error_code or shown.error_code,
            "techInfo": shown.info or shown.error_code,
            "cleared": fault is None,
            "eventNotificationType": "HardWiredNotification",
            "component": component,
            "variable": {"name": "Problem"},
        }
        self.send_message("NotifyEvent", {"generatedAt": now, "seqNo": 0, "eventData": [event]})

    # -- transactions -------------------------------------------------------------------

    def send_started(self, connector: Connector, transaction: Transaction) -> None:
        """TransactionEvent Started; the charging station names the transaction."""
        transaction.wire_id = str(uuid4())
        if self.quirks.has("numbers_from_one"):
            transaction.wire_id = str(transaction.own_number)
        state = CHARGING_STATE.get(connector.phase(), "EVConnected")
        self._states[transaction.number] = state
        remote = transaction.remote_start_id is not None
        info: dict[str, Any] = {"chargingState": state}
        extra: dict[str, Any] = {}
        if remote:
            info["remoteStartId"] = transaction.remote_start_id
        if transaction.reservation_id is not None:
            extra["reservationId"] = transaction.reservation_id
        self.event(
            connector,
            transaction,
            "Started",
            "RemoteStart" if remote else "Authorized",
            info,
            measurands="SampledDataCtrlr.TxStartedMeasurands",
            context="Transaction.Begin",
            named=True,
            **extra,
        )

    def send_stopped(self, connector: Connector, transaction: Transaction) -> None:
        """TransactionEvent Ended."""
        reason = REASONS.get(transaction.reason or "", transaction.reason or "Other")
        self.event(
            connector,
            transaction,
            "Ended",
            TRIGGERS.get(transaction.reason or "", TRIGGERS.get(reason, "AbnormalCondition")),
            {"stoppedReason": reason, "chargingState": "EVConnected"},
            measurands="SampledDataCtrlr.TxEndedMeasurands",
            context="Transaction.End",
            named=reason in ("Local", "DeAuthorized"),
        )
        self._states.pop(transaction.number, None)
        for _ in range(self.quirks.get("meter_values_after_stop", "times", 0)):
            self.send_meter(connector, "Sample.Periodic")

    def send_sample(self, connector: Connector, transaction: Transaction) -> None:
        """TransactionEvent Updated with meter values."""
        self.send_update(connector, transaction, "MeterValuePeriodic", "Sample.Periodic")

    def send_update(
        self, connector: Connector, transaction: Transaction, trigger: str, context: str
    ) -> None:
        """TransactionEvent Updated with meter values, for that reason."""
        self.event(
            connector,
            transaction,
            "Updated",
            trigger,
            {"chargingState": self._states.get(transaction.number, "EVConnected")},
            measurands="SampledDataCtrlr.TxUpdatedMeasurands",
            context=context,
        )

    def _send_charging_state(self, connector: Connector) -> None:
        transaction = connector.transaction
        if transaction is None or transaction.number not in self._states:
            return
        state = CHARGING_STATE.get(connector.phase(), "EVConnected")
        if state != self._states[transaction.number]:
            self._states[transaction.number] = state
            self.event(
                connector, transaction, "Updated", "ChargingStateChanged", {"chargingState": state}
            )

    def event(
        self,
        connector: Connector,
        transaction: Transaction,
        kind: str,
        trigger: str,
        info: dict[str, Any],
        measurands: str | None = None,
        context: str = "Sample.Periodic",
        *,
        named: bool = False,
        **extra: Any,
    ) -> None:
        """Queue a TransactionEvent."""
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": self.stamp(self.begin()),
            "triggerReason": trigger,
            "seqNo": transaction.seq_no,
            "offline": not self.is_connected(),
            "transactionInfo": {"transactionId": transaction.wire_id, **info},
            "evse": {"id": connector.connector_id, "connectorId": 1},
            **extra,
        }
        transaction.seq_no += 2 if self.quirks.has("skips_seq_no") else 1
        if named and transaction.id_tag:
            payload |= self.authorize_payload(transaction.id_tag)
        if measurands is not None:
            value = self.meter_value(connector, self.measurands(measurands), context)
            if value["sampledValue"]:
                payload["meterValue"] = [value]

        if kind == "Started" and self.quirks.has("loses_start"):
            return

        def answered(reply: Reply) -> None:
            if not isinstance(reply, wire.CallErrorReply) and "idTokenInfo" in reply:
                self.end_if_refused(connector, transaction, reply)

        self.send_message("TransactionEvent", payload, answered, lasting=True)

    def send_expired(self, reservation: Reservation) -> None:
        """ReservationStatusUpdate."""
        self.send_message(
            "ReservationStatusUpdate",
            {"reservationId": reservation.reservation_id, "reservationUpdateStatus": "Expired"},
        )

    def send_meter_value(self, connector: Connector, value: dict[str, Any]) -> None:
        """MeterValues outside a transaction's events."""
        self.send_message("MeterValues", {"evseId": connector.connector_id, "meterValue": [value]})

    def send_aligned(self, connector: Connector) -> None:
        """TransactionEvent in a transaction, else MeterValues."""
        if connector.transaction is not None:
            self.send_update(connector, connector.transaction, "MeterValueClock", "Sample.Clock")
        else:
            super().send_aligned(connector)
