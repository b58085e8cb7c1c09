"""A 1.6 charge point: the messages that it sends on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..power.connector import Connector, Fault, Phase, Transaction
from ..power.spec import TwinSpec
from ..power.station import News
from ..protocol.charge_point import Charger
from ..protocol.payload_reader import error_codes
from ..scheduler import Scheduler
from ..settings import REGISTER
from ..transport import wire
from ..transport.message import Message, Reply
from . import configuration_keys
from .sampled_values import written

# 1.6 spells "Occurence" like this (OCPP-J 1.6, 4.2.3).
ERROR_CODES = error_codes("OccurenceConstraintViolation", "FormationViolation")

REASONS = {
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
    "DeAuthorized",
}
# The id of a transaction that the central system never named.
NEVER_NAMED = -1


class Charger16(Charger):
    """Speaks OCPP 1.6J."""

    subprotocol = "ocpp1.6"
    error_codes = ERROR_CODES
    names = configuration_keys.NAMES
    rows = staticmethod(configuration_keys.rows)
    written = staticmethod(written)

    def __init__(
        self, spec: TwinSpec, scheduler: Scheduler, seed: int, slots: asyncio.Semaphore, news: News
    ) -> None:
        super().__init__(spec, scheduler, seed, slots, news)
        self.firmware_status = "Idle"
        self.diagnostics_status = "Idle"
        self.announced_station: object = None

    # -- messages ---------------------------------------------------------------------

    def boot_payload(self) -> dict[str, Any]:
        """Return the content of a BootNotification."""
        return {
            "chargePointVendor": self.spec.vendor[:20],
            "chargePointModel": self.spec.model,
            "chargePointSerialNumber": (self.spec.serial_number or self.spec.identity)[:25],
            "firmwareVersion": self.spec.firmware_version,
            "meterType": "Twin meter",
        }

    def authorize_payload(self, id_tag: str) -> dict[str, Any]:
        """Return the content of an Authorize."""
        return {"idTag": id_tag}

    def id_status(self, reply: Mapping[str, Any]) -> str:
        """Return the status of an idTag in an answer."""
        info = reply.get("idTagInfo")
        return str(info.get("status")) if isinstance(info, Mapping) else "Invalid"

    def send_all_statuses(self) -> None:
        """StatusNotification of connector 0 and of each other."""
        self.announced_station = None
        for connector in self.connectors:
            connector.announced = None
        self._send_station(urgent=True)
        for connector in self.connectors:
            self._send_connector(connector, urgent=True)

    def send_status(self, connector: Connector) -> None:
        """StatusNotification where something has changed since the last."""
        if not self.is_connected():
            return
        if connector is self.connectors[0]:
            self._send_station()
        self._send_connector(connector)

    def _send_station(self, *, urgent: bool = False) -> None:
        phase = Phase.AVAILABLE if self.operative else Phase.UNAVAILABLE
        if self.station_fault is not None:
            phase = Phase.FAULTED
        if self.quirks.has("connector_0_unavailable"):
            phase = Phase.UNAVAILABLE
        present = (phase, self.station_fault)
        if present != self.announced_station:
            self.announced_station = present
            self.notify_status(0, phase, self.station_fault, urgent=urgent)

    def _send_connector(self, connector: Connector, *, urgent: bool = False) -> None:
        phase, fault = self.phase(connector), connector.fault or self.station_fault
        if (phase, fault) != connector.announced:
            connector.announced = (phase, fault)
            self.notify_status(connector.connector_id, phase, fault, urgent=urgent)

    def notify_status(
        self, connector_id: int, phase: Phase, fault: Fault | None, *, urgent: bool = False
    ) -> None:
        """Send a StatusNotification."""
        payload: dict[str, Any] = {
            "connectorId": connector_id,
            "errorCode": "NoError" if fault is None else fault.error_code,
            "status": phase.value,
            "timestamp": self.status_stamp(connector_id),
        }
        if fault is not None and fault.info:
            payload["info"] = fault.info
        if fault is not None and fault.vendor_error_code:
            payload["vendorId"] = self.spec.vendor
            payload["vendorErrorCode"] = fault.vendor_error_code
        self.link.send(Message("StatusNotification", lambda: payload), urgent=urgent)

    # -- transactions -------------------------------------------------------------------

    def send_started(self, connector: Connector, transaction: Transaction) -> None:
        """StartTransaction; its answer names the transaction."""
        if self.quirks.has("loses_start"):
            return
        payload = {
            "connectorId": connector.connector_id,
            "idTag": transaction.id_tag,
            "meterStart": transaction.meter_start_wh,
            "timestamp": self.stamp(transaction.start_s),
        }
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id

        def answered(reply: Reply) -> None:
            if isinstance(reply, wire.CallErrorReply):
                transaction.wire_id = NEVER_NAMED
                return
            if isinstance(named := reply.get("transactionId"), int):
                transaction.wire_id = named
            self.end_if_refused(connector, transaction, reply)

        self.send_message("StartTransaction", payload, answered, lasting=True)
        if self.quirks.has("repeats_start"):
            self.send_message("StartTransaction", payload, lasting=True)

    def send_stopped(self, connector: Connector, transaction: Transaction) -> None:
        """StopTransaction, with the readings at begin and end where configured."""
        payload: dict[str, Any] = {
            "idTag": transaction.id_tag,
            "meterStop": transaction.meter_stop_wh,
            "timestamp": self.stamp(transaction.stop_s or 0.0),
            "reason": transaction.reason if transaction.reason in REASONS else "Other",
        }
        names = self.measurands("StopTxnSampledData")
        if not names and self.quirks.has("begin_beside_values"):
            names = [REGISTER]
        if names:
            payload["transactionData"] = [self.meter_value(connector, names, "Transaction.End")]
        self._about(transaction, "StopTransaction", payload)
        sampled = self.measurands("MeterValuesSampledData")
        for _ in range(self.quirks.get("meter_values_after_stop", "times", 0)):
            late = self.meter_value(connector, sampled, "Sample.Periodic")
            content = {"connectorId": connector.connector_id, "meterValue": [late]}
            self._about(transaction, "MeterValues", content)

    def send_sample(self, connector: Connector, transaction: Transaction) -> None:
        """MeterValues of a transaction."""
        names = self.measurands("MeterValuesSampledData")
        value = self.meter_value(connector, names, "Sample.Periodic")
        if value["sampledValue"]:
            payload = {"connectorId": connector.connector_id, "meterValue": [value]}
            self._about(transaction, "MeterValues", payload)

    def _about(self, transaction: Transaction, action: str, payload: dict[str, Any]) -> None:
        # The id is known only once StartTransaction is answered: it is put in when this is sent.
        def content() -> dict[str, Any]:
            wire_id = NEVER_NAMED if transaction.wire_id is None else transaction.wire_id
            if self.quirks.has("numbers_from_one"):
                wire_id = transaction.own_number
            if action in self.quirks.get("transaction_id", "actions", ()):
                wire_id = self.quirks.get("transaction_id", "value")
            return {**payload, "transactionId": wire_id}

        self.link.send(Message(action, content, lasting=True))

    def send_meter_value(self, connector: Connector, value: dict[str, Any]) -> None:
        """MeterValues outside the rhythm of a transaction."""
        payload = {"connectorId": connector.connector_id, "meterValue": [value]}
        if connector.transaction is not None:
            self._about(connector.transaction, "MeterValues", payload)
        else:
            self.send_message("MeterValues", payload)
