"""Requests to OCPP 2.0.1 and 2.1 charge points. A connector here is an EVSE."""

from __future__ import annotations

import re
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
    log_fields,
)

__all__ = ["RequestBuilder201"]

_PURPOSES = {
    "max": "ChargingStationMaxProfile",
    "default": "TxDefaultProfile",
    "transaction": "TxProfile",
}


class RequestBuilder201:
    """See `outbound.RequestBuilder`."""

    rate_units = "SmartChargingCtrlr.RateUnit"
    most_periods = "SmartChargingCtrlr.PeriodsPerSchedule"
    stack_levels = "SmartChargingCtrlr.ProfileStackLevel"
    interval = "SampledDataCtrlr.TxUpdatedInterval"
    sampled = "SampledDataCtrlr.TxUpdatedMeasurands"
    # Only a report of characteristics has the longest list; a charger that refuses is asked again.
    most_sampled = ""
    at_begin_and_end: tuple[str, ...] = (
        "SampledDataCtrlr.TxStartedMeasurands",
        "SampledDataCtrlr.TxEndedMeasurands",
    )
    lacks = frozenset({"Temperature", "RPM"})
    most_names = 4
    asks_all = False

    def __init__(self) -> None:
        self.names = [self.rate_units, self.stack_levels, self.interval, self.sampled]
        self.names += self.at_begin_and_end

    def set_profile(self, profile: Profile) -> RequestPayload:
        body: dict[str, Any] = {
            "id": profile.profile_id,
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": _PURPOSES[profile.purpose],
            "chargingProfileKind": profile.kind,
            "chargingSchedule": [{"id": profile.profile_id, **profile.schedule()}],
        }
        if profile.wire_id is not None:
            body["transactionId"] = profile.wire_id
        return "SetChargingProfile", {"evseId": profile.connector_id, "chargingProfile": body}

    def clear_profile(self, profile_id: int) -> RequestPayload:
        return "ClearChargingProfile", {"chargingProfileId": profile_id}

    def composite(self, connector_id: int, unit: str, duration_s: int) -> RequestPayload:
        return "GetCompositeSchedule", {
            "evseId": connector_id,
            "duration": duration_s,
            "chargingRateUnit": unit,
        }

    def read_composite(self, answer: dict[str, Any]) -> Composite | None:
        return composite_of(answer, "schedule")

    def trigger(self, message: str, connector_id: int | None = None) -> RequestPayload:
        payload: dict[str, Any] = {"requestedMessage": message}
        if connector_id is not None:
            payload["evse"] = {"id": connector_id, "connectorId": 1}
        return "TriggerMessage", payload

    def remote_start(self, connector_id: int | None, id_tag: str, start_id: int) -> RequestPayload:
        payload: dict[str, Any] = {
            "idToken": {"idToken": id_tag, "type": "Central"},
            "remoteStartId": start_id,
        }
        if connector_id is not None:
            payload["evseId"] = connector_id
        return "RequestStartTransaction", payload

    def remote_stop(self, wire_id: str) -> RequestPayload:
        return "RequestStopTransaction", {"transactionId": wire_id}

    list_names: tuple[str, ...] = (
        "LocalAuthListCtrlr.Available",
        "LocalAuthListCtrlr.Enabled",
        "",
        "LocalAuthListCtrlr.ItemsPerMessage",
    )
    longest_tag = 36

    def reserve(
        self, reservation_id: int, connector_id: int | None, id_tag: str, expires: str
    ) -> RequestPayload:
        payload: dict[str, Any] = {
            "id": reservation_id,
            "expiryDateTime": expires,
            "idToken": _token(id_tag),
        }
        if connector_id:
            payload["evseId"] = connector_id
        return "ReserveNow", payload

    def cancel_reservation(self, reservation_id: int) -> RequestPayload:
        return "CancelReservation", {"reservationId": reservation_id}

    def send_local_list(
        self, version: int, tags: Sequence[ListedTag], *, is_full: bool
    ) -> RequestPayload:
        listed = []
        for each in tags:
            info = {"status": each.status}
            if each.expires is not None:
                info["cacheExpiryDateTime"] = each.expires
            listed.append({"idToken": _token(each.id_tag), "idTokenInfo": info})
        payload: dict[str, Any] = {
            "versionNumber": version,
            "updateType": "Full" if is_full else "Differential",
        }
        if listed:
            payload["localAuthorizationList"] = listed
        return "SendLocalList", payload

    def read_list_version(self, answer: dict[str, Any]) -> int | None:
        version = answer.get("versionNumber")
        return version if isinstance(version, int) else None

    def availability(self, connector_id: int, operative: bool) -> RequestPayload:
        payload: dict[str, Any] = {"operationalStatus": "Operative" if operative else "Inoperative"}
        if connector_id:
            payload["evse"] = {"id": connector_id}
        return "ChangeAvailability", payload

    def reset(self, hard: bool) -> RequestPayload:
        return "Reset", {"type": "Immediate" if hard else "OnIdle"}

    def unlock(self, connector_id: int) -> RequestPayload:
        return "UnlockConnector", {"evseId": connector_id, "connectorId": 1}

    def configuration(self, names: list[str] | None) -> RequestPayload:
        return "GetVariables", {
            "getVariableData": [_variable(each) for each in names or self.names]
        }

    def configure(self, name: str, value: str) -> RequestPayload:
        return "SetVariables", {"setVariableData": [{**_variable(name), "attributeValue": value}]}

    def configured_status(self, answer: dict[str, Any]) -> str | None:
        results = answer.get("setVariableResult")
        first = results[0] if isinstance(results, list) and results else None
        status = first.get("attributeStatus") if isinstance(first, dict) else None
        return status if isinstance(status, str) else None

    def is_configured(self, answer: dict[str, Any]) -> bool:
        return self.configured_status(answer) in {"Accepted", "RebootRequired"}

    def diagnostics(self, log: Log) -> RequestPayload:
        return "GetLog", log_fields(log)

    def log(self, log: Log) -> RequestPayload:
        return "GetLog", log_fields(log)

    def update_firmware(self, firmware: Firmware) -> RequestPayload:
        return "UpdateFirmware", firmware_fields(firmware)

    def read_configuration(self, answer: dict[str, Any]) -> dict[str, str]:
        found = {}
        results = answer.get("getVariableResult")
        for result in results if isinstance(results, list) else ():
            if not isinstance(result, dict) or result.get("attributeStatus") != "Accepted":
                continue
            name = variable_name(result)
            if name is not None and result.get("attributeValue") is not None:
                found[name] = str(result["attributeValue"])
        return found


def _token(id_tag: str) -> dict[str, Any]:
    """Return an idToken: a UID of 4, 7 or 10 bytes is that of a card."""
    is_card = re.fullmatch(r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})", id_tag)
    return {"idToken": id_tag, "type": "ISO14443" if is_card else "Central"}


def _variable(name: str) -> dict[str, Any]:
    """Return the variable of a name like Component.Variable, or Component[EVSE].Variable."""
    component, _, variable = name.partition(".")
    found: dict[str, Any] = {"name": component}
    place = re.fullmatch(r"(.+)\[(\d+)\]", component)
    if place is not None:
        found = {"name": place[1], "evse": {"id": int(place[2])}}
    return {"component": found, "variable": {"name": variable}}


def variable_name(entry: dict[str, Any]) -> str | None:
    """Component.Variable of an entry, with the EVSE where it belongs to one."""
    component, variable = entry.get("component"), entry.get("variable")
    if not isinstance(component, dict) or not isinstance(variable, dict):
        return None
    evse = component.get("evse")
    where = f"[{evse.get('id')}]" if isinstance(evse, dict) else ""
    return f"{component.get('name')}{where}.{variable.get('name')}"
