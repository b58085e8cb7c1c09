"""Requests to OCPP 1.6 charge points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chargepoint_driver.backends.ocpp.model.limit import Composite
from chargepoint_driver.backends.ocpp.protocol.requests import (
    Firmware,
    ListedTag,
    Log,
    Profile,
    RequestPayload,
    composite_of,
    firmware_fields,
    given,
    log_fields,
)

__all__ = ["RequestBuilder16"]

_PURPOSES = {
    "max": "ChargePointMaxProfile",
    "default": "TxDefaultProfile",
    "transaction": "TxProfile",
}
_EXTENDED = {"LogStatusNotification", "SignChargePointCertificate"}


class RequestBuilder16:
    """See `outbound.RequestBuilder`."""

    rate_units = "ChargingScheduleAllowedChargingRateUnit"
    most_periods = "ChargingScheduleMaxPeriods"
    stack_levels = "ChargeProfileMaxStackLevel"
    interval = "MeterValueSampleInterval"
    sampled = "MeterValuesSampledData"
    most_sampled = "MeterValuesSampledDataMaxLength"
    # StartTransaction and StopTransaction always have the register.
    at_begin_and_end: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()
    most_names = 50
    asks_all = True

    def __init__(self) -> None:
        self.names = [
            self.rate_units,
            self.stack_levels,
            self.interval,
            "NumberOfConnectors",
            "GetConfigurationMaxKeys",
            "HeartbeatInterval",
            self.sampled,
            self.most_sampled,
        ]

    def set_profile(self, profile: Profile) -> RequestPayload:
        body: dict[str, Any] = {
            "chargingProfileId": profile.profile_id,
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": _PURPOSES[profile.purpose],
            "chargingProfileKind": profile.kind,
            "chargingSchedule": profile.schedule(),
        }
        if profile.wire_id is not None:
            body["transactionId"] = int(profile.wire_id)
        return "SetChargingProfile", {
            "connectorId": profile.connector_id,
            "csChargingProfiles": body,
        }

    def clear_profile(self, profile_id: int) -> RequestPayload:
        return "ClearChargingProfile", {"id": profile_id}

    def composite(self, connector_id: int, unit: str, duration_s: int) -> RequestPayload:
        return "GetCompositeSchedule", {
            "connectorId": connector_id,
            "duration": duration_s,
            "chargingRateUnit": unit,
        }

    def read_composite(self, answer: dict[str, Any]) -> Composite | None:
        return composite_of(answer, "chargingSchedule")

    def trigger(self, message: str, connector_id: int | None = None) -> RequestPayload:
        payload: dict[str, Any] = {"requestedMessage": message}
        if connector_id is not None:
            payload["connectorId"] = connector_id
        # The security whitepaper has a request of its own for the messages that it adds.
        return "ExtendedTriggerMessage" if message in _EXTENDED else "TriggerMessage", payload

    def remote_start(self, connector_id: int | None, id_tag: str, start_id: int) -> RequestPayload:
        del start_id
        payload: dict[str, Any] = {"idTag": id_tag}
        if connector_id is not None:
            payload["connectorId"] = connector_id
        return "RemoteStartTransaction", payload

    def remote_stop(self, wire_id: str) -> RequestPayload:
        return "RemoteStopTransaction", {"transactionId": int(wire_id)}

    list_names: tuple[str, ...] = (
        "SupportedFeatureProfiles",
        "LocalAuthListEnabled",
        "LocalAuthListMaxLength",
        "SendLocalListMaxLength",
    )
    longest_tag = 20

    def reserve(
        self, reservation_id: int, connector_id: int | None, id_tag: str, expires: str
    ) -> RequestPayload:
        return "ReserveNow", {
            "connectorId": connector_id or 0,
            "expiryDate": expires,
            "idTag": id_tag,
            "reservationId": reservation_id,
        }

    def cancel_reservation(self, reservation_id: int) -> RequestPayload:
        return "CancelReservation", {"reservationId": reservation_id}

    def send_local_list(
        self, version: int, tags: Sequence[ListedTag], *, is_full: bool
    ) -> RequestPayload:
        listed: list[dict[str, Any]] = []
        for each in tags:
            info = {"status": each.status}
            if each.expires is not None:
                info["expiryDate"] = each.expires
            listed.append({"idTag": each.id_tag, "idTagInfo": info})
        return "SendLocalList", {
            "listVersion": version,
            "updateType": "Full" if is_full else "Differential",
            "localAuthorizationList": listed,
        }

    def read_list_version(self, answer: dict[str, Any]) -> int | None:
        version = answer.get("listVersion")
        return version if isinstance(version, int) else None

    def availability(self, connector_id: int, operative: bool) -> RequestPayload:
        return "ChangeAvailability", {
            "connectorId": connector_id,
            "type": "Operative" if operative else "Inoperative",
        }

    def reset(self, hard: bool) -> RequestPayload:
        return "Reset", {"type": "Hard" if hard else "Soft"}

    def unlock(self, connector_id: int) -> RequestPayload:
        return "UnlockConnector", {"connectorId": connector_id}

    def configuration(self, names: list[str] | None) -> RequestPayload:
        return "GetConfiguration", {} if names is None else {"key": names}

    def configure(self, name: str, value: str) -> RequestPayload:
        return "ChangeConfiguration", {"key": name, "value": value}

    def configured_status(self, answer: dict[str, Any]) -> str | None:
        status = answer.get("status")
        return status if isinstance(status, str) else None

    def diagnostics(self, log: Log) -> RequestPayload:
        fields = {
            "location": log.location,
            "startTime": log.oldest,
            "stopTime": log.latest,
            "retries": log.retries,
            "retryInterval": log.retry_interval_s,
        }
        return "GetDiagnostics", given(fields)

    def log(self, log: Log) -> RequestPayload:
        return "GetLog", log_fields(log)

    def update_firmware(self, firmware: Firmware) -> RequestPayload:
        if firmware.signature is not None or firmware.signing_certificate is not None:
            return "SignedUpdateFirmware", firmware_fields(firmware)
        plain = {
            "location": firmware.location,
            "retrieveDate": firmware.retrieve,
            "retries": firmware.retries,
            "retryInterval": firmware.retry_interval_s,
        }
        return "UpdateFirmware", given(plain)

    def is_configured(self, answer: dict[str, Any]) -> bool:
        return answer.get("status") in {"Accepted", "RebootRequired"}

    def read_configuration(self, answer: dict[str, Any]) -> dict[str, str]:
        found = {}
        entries = answer.get("configurationKey")
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                value = entry.get("value")
                if value is not None:
                    found[entry["key"]] = str(value)
        return found
