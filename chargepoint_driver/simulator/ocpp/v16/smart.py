"""Smart charging in 1.6: SetChargingProfile, ClearChargingProfile, GetCompositeSchedule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..charge_point import Handler
from ..composite import composite
from ..moments import iso
from ..payload_reader import Fault as Wrong
from ..payload_reader import Fields, Refusal
from ..profiles import Profile, Purpose
from ..validation import KINDS, ProfileLimits, read_periods, why_refused

if TYPE_CHECKING:
    from .point import ChargePoint16

PURPOSES = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
MOST_SECONDS = 31_536_000


def handlers(point: ChargePoint16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "SetChargingProfile": lambda fields: set_profile(point, fields),
        "ClearChargingProfile": lambda fields: clear_profile(point, fields),
        "GetCompositeSchedule": lambda fields: get_composite(point, fields),
    }


def read_profile(fields: Fields, connector_id: int, now_s: float) -> tuple[Profile, str]:
    """A csChargingProfiles object, and its purpose in OCPP's words. Raises Refusal."""
    profile_id = fields.integer("chargingProfileId")
    transaction_id = fields.maybe_integer("transactionId")
    stack_level = fields.integer("stackLevel", least=0)
    purpose = fields.choice("chargingProfilePurpose", PURPOSES)
    kind = fields.choice("chargingProfileKind", KINDS)
    recurrency = fields.maybe_choice("recurrencyKind", ("Daily", "Weekly"))
    valid_from_s = fields.maybe_moment("validFrom")
    valid_to_s = fields.maybe_moment("validTo")
    schedule = fields.object("chargingSchedule")
    unit = schedule.choice("chargingRateUnit", ("A", "W"))
    duration_s = schedule.maybe_integer("duration", least=0)
    start_s = schedule.maybe_moment("startSchedule")
    schedule.maybe_number("minChargingRate")
    periods = read_periods(schedule)
    schedule.done()
    fields.done()
    if kind == "Recurring" and (recurrency is None or start_s is None):
        raise Refusal(Wrong.MISSING, "a recurring profile needs recurrencyKind and startSchedule")
    profile = Profile(
        profile_id,
        connector_id,
        stack_level,
        PURPOSES[purpose],
        kind,
        unit,
        periods,
        start_s=start_s,
        duration_s=duration_s,
        recurrency=recurrency,
        transaction=None if transaction_id is None else str(transaction_id),
        received_s=now_s,
    )
    if valid_from_s is not None:
        profile = replace(profile, valid_from_s=valid_from_s)
    if valid_to_s is not None:
        profile = replace(profile, valid_to_s=valid_to_s)
    return profile, purpose


def refused_because(point: ChargePoint16, profile: Profile, purpose: str) -> str | None:
    """The status of a refusal by what the charge point can do; None when it can."""
    count = point.settings.count
    limits = ProfileLimits(
        count("ChargeProfileMaxStackLevel"),
        count("ChargingScheduleMaxPeriods"),
        count("MaxChargingProfilesInstalled"),
    )
    return why_refused(point, profile, purpose, limits)


def set_profile(point: ChargePoint16, fields: Fields) -> dict[str, Any]:
    """SetChargingProfile."""
    now_s = point.begin()
    connector_id = fields.integer("connectorId", least=0)
    profile, purpose = read_profile(fields.object("csChargingProfiles"), connector_id, now_s)
    if connector_id > len(point.connectors):
        return {"status": "Rejected"}
    if profile.purpose is Purpose.STATION_MAX and connector_id != 0:
        return {"status": "Rejected"}
    if profile.purpose is Purpose.TX:
        if connector_id == 0:
            return {"status": "Rejected"}
        running = point.connector(connector_id).transaction
        if running is None or profile.transaction not in (None, str(running.wire_id)):
            return {"status": "Rejected"}
    status = refused_because(point, profile, purpose)
    if status is not None:
        return {"status": status}
    fields.done()
    point.book.put(profile)
    point.then(lambda: point.refresh(point.begin()))
    return {"status": "Accepted"}


def clear_profile(point: ChargePoint16, fields: Fields) -> dict[str, Any]:
    """ClearChargingProfile: all that fit every filter given; Unknown when there are none."""
    profile_id = fields.maybe_integer("id")
    connector_id = fields.maybe_integer("connectorId", least=0)
    purpose = fields.maybe_choice("chargingProfilePurpose", PURPOSES)
    stack_level = fields.maybe_integer("stackLevel", least=0)

    def fits(one: Profile) -> bool:
        if profile_id is not None:
            return one.profile_id == profile_id
        return (
            connector_id in (None, one.connector_id)
            and (purpose is None or one.purpose is PURPOSES[purpose])
            and stack_level in (None, one.stack_level)
        )

    fields.done()
    dropped = point.book.remove(fits)
    point.then(lambda: point.refresh(point.begin()))
    return {"status": "Accepted" if dropped else "Unknown"}


def get_composite(point: ChargePoint16, fields: Fields) -> dict[str, Any]:
    """GetCompositeSchedule."""
    connector_id = fields.integer("connectorId", least=0)
    duration_s = min(fields.integer("duration", least=0), MOST_SECONDS)
    unit = fields.maybe_choice("chargingRateUnit", ("A", "W"))
    only = point.quirks.get("limit_unit", "unit")
    pretends = point.quirks.get("ignores_profiles", "composite")
    if connector_id > len(point.connectors) or (only and unit not in (None, only)):
        return {"status": "Rejected"}
    if pretends in ("empty", "rejected"):
        return {"status": "Accepted" if pretends == "empty" else "Rejected"}
    now_s = point.begin()
    unit = unit or only or "A"
    periods = composite(point, connector_id, duration_s, unit)
    return {
        "status": "Accepted",
        "connectorId": connector_id,
        "scheduleStart": iso(now_s),
        "chargingSchedule": {
            "duration": duration_s,
            "startSchedule": iso(now_s),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        },
    }
