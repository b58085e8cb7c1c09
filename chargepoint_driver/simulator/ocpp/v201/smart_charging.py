"""Smart charging in 2.0.1: set, clear, get and report profiles, and the composite schedule."""

from __future__ import annotations

from typing import Any

from ..power.profiles import Profile, Purpose
from ..protocol import smart_charging
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fault as Wrong
from ..protocol.payload_reader import Fields, RefusalError
from ..protocol.smart_charging import (
    clear,
    composite_schedule,
    keep,
    purposes,
    read_composite,
    refused_because,
    selects,
)
from .charge_point import Charger201

PURPOSES = purposes("ChargingStationMaxProfile")
EXTERNAL = "ChargingStationExternalConstraints"


def handlers(point: Charger201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "SetChargingProfile": lambda fields: set_profile(point, fields),
        "ClearChargingProfile": lambda fields: clear_profiles(point, fields),
        "GetChargingProfiles": lambda fields: get_profiles(point, fields),
        "GetCompositeSchedule": lambda fields: get_composite(point, fields),
    }


def rejected(code: str, text: str) -> dict[str, Any]:
    """Return the answer Rejected with its reason."""
    return {"status": "Rejected", "statusInfo": {"reasonCode": code, "additionalInfo": text}}


def read_profile(fields: Fields, evse_id: int, now_s: float) -> tuple[Profile, str]:
    """Return a ChargingProfile, and its purpose in OCPP's words. Raises Refusal."""
    purpose = fields.choice("chargingProfilePurpose", (*PURPOSES, EXTERNAL))
    schedules = fields.objects("chargingSchedule")
    if len(schedules) > 3:
        raise RefusalError(Wrong.TOO_MANY, "chargingSchedule: more than 3")
    schedules[0].integer("id")
    schedules[0].raw("salesTariff")
    profile = smart_charging.read_profile(
        fields,
        schedules[0],
        profile_id=fields.integer("id"),
        place=evse_id,
        purpose=PURPOSES.get(purpose, Purpose.STATION_MAX),
        transaction=fields.maybe_text("transactionId", 36),
        now_s=now_s,
    )
    return profile, purpose


def why_not(point: Charger201, profile: Profile, purpose: str) -> dict[str, Any] | None:
    """Return the answer of a refusal by what the station can do; None when it can."""
    if purpose == EXTERNAL:
        return rejected("InvalidProfile", "external constraints are not set by the CSMS")
    if refused_because(point, profile, purpose) is not None:
        return rejected("UnsupportedParam", "not supported by this station")
    return None


def set_profile(  # noqa: PLR0911 - one for each reason
    point: Charger201, fields: Fields
) -> dict[str, Any]:
    """SetChargingProfile."""
    now_s = point.begin()
    evse_id = fields.integer("evseId", least=0)
    raw = fields.raw("chargingProfile")
    if not isinstance(raw, dict):
        raise RefusalError(Wrong.MISSING, "chargingProfile: is missing or no object")
    profile, purpose = read_profile(fields.inner(raw, "chargingProfile."), evse_id, now_s)
    fields.done()
    if evse_id > len(point.connectors):
        return rejected("UnknownEvse", f"there is no EVSE {evse_id}")
    if profile.purpose is Purpose.STATION_MAX and evse_id != 0:
        return rejected("InvalidProfile", "this purpose is for EVSE 0")
    if profile.purpose is Purpose.TX:
        if evse_id == 0 or profile.transaction is None:
            return rejected("InvalidProfile", "a TxProfile needs an EVSE and a transactionId")
        running = point.connector(evse_id).transaction
        if running is None or running.wire_id != profile.transaction:
            return rejected("TxNotFound", "no such transaction at this EVSE")
    refusal = why_not(point, profile, purpose)
    if refusal is not None:
        return refusal
    if any(_clashes(profile, other) for other in point.profile_store.profiles):
        return rejected("DuplicateProfile", "another profile has this stack level at this time")
    keep(point, profile)
    point.raw_profiles[profile.profile_id] = raw
    return {"status": "Accepted"}


def _clashes(profile: Profile, other: Profile) -> bool:
    return (
        other.profile_id != profile.profile_id
        and other.connector_id == profile.connector_id
        and other.purpose is profile.purpose
        and other.stack_level == profile.stack_level
        and other.valid_from_s < profile.valid_to_s
        and profile.valid_from_s < other.valid_to_s
    )


def clear_profiles(point: Charger201, fields: Fields) -> dict[str, Any]:
    """ClearChargingProfile: by id, else all that fit the criteria; Unknown for none."""
    profile_id = fields.maybe_integer("chargingProfileId")
    criteria = fields.maybe_object("chargingProfileCriteria")
    evse_id = stack_level = purpose = None
    if criteria is not None:
        evse_id = criteria.maybe_integer("evseId", least=0)
        purpose = criteria.maybe_choice("chargingProfilePurpose", (*PURPOSES, EXTERNAL))
        stack_level = criteria.maybe_integer("stackLevel", least=0)
        criteria.done()
    fields.done()

    fits = selects(profile_id, evse_id, PURPOSES.get(purpose or ""), stack_level)
    if profile_id is None and purpose == EXTERNAL:
        return {"status": "Unknown"}
    return {"status": clear(point, fits)}


def get_profiles(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetChargingProfiles, answered by ReportChargingProfiles, one for each EVSE."""
    request_id = fields.integer("requestId")
    evse_id = fields.maybe_integer("evseId", least=0)
    criteria = fields.object("chargingProfile")
    purpose = criteria.maybe_choice("chargingProfilePurpose", (*PURPOSES, EXTERNAL))
    stack_level = criteria.maybe_integer("stackLevel", least=0)
    ids = criteria.raw("chargingProfileId")
    sources = criteria.maybe_texts("chargingLimitSource")
    criteria.done()
    fits = selects(None, evse_id, PURPOSES.get(purpose or ""), stack_level)
    found: dict[int, list[dict[str, Any]]] = {}
    for one in point.profile_store.profiles:
        if (
            fits(one)
            and purpose != EXTERNAL
            and (ids is None or one.profile_id in ids)
            and (sources is None or "CSO" in sources)
            and one.profile_id in point.raw_profiles
        ):
            found.setdefault(one.connector_id, []).append(point.raw_profiles[one.profile_id])
    if not found:
        return {"status": "NoProfiles"}

    def report() -> None:
        for index, (number, profiles) in enumerate(sorted(found.items()), start=1):
            payload: dict[str, Any] = {
                "requestId": request_id,
                "chargingLimitSource": "CSO",
                "evseId": number,
                "chargingProfile": profiles,
                "tbc": index < len(found),
            }
            point.send_message("ReportChargingProfiles", payload)

    point.then(report)
    return {"status": "Accepted"}


def get_composite(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetCompositeSchedule."""
    wanted = read_composite(point, fields, "evseId")
    if wanted.place > len(point.connectors):
        return rejected("UnknownEvse", f"there is no EVSE {wanted.place}")
    if wanted.is_in_another_unit:
        return rejected("UnsupportedRateUnit", f"only {wanted.only}")
    if wanted.claimed == "empty":
        return {"status": "Accepted"}
    if wanted.claimed == "rejected":
        return rejected("Unspecified", "there is no composite schedule here")
    start, unit, periods = composite_schedule(point, wanted, "W")
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": wanted.place,
            "duration": wanted.duration_s,
            "scheduleStart": start,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        },
    }
