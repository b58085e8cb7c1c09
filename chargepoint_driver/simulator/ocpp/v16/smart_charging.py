"""Smart charging in 1.6: SetChargingProfile, ClearChargingProfile, GetCompositeSchedule."""

from __future__ import annotations

from typing import Any

from ..power.profiles import Profile, Purpose
from ..protocol import smart_charging
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from ..protocol.smart_charging import (
    clear,
    composite_schedule,
    keep,
    purposes,
    read_composite,
    refused_because,
    selects,
)
from .charge_point import Charger16

PURPOSES = purposes("ChargePointMaxProfile")


def handlers(point: Charger16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "SetChargingProfile": lambda fields: set_profile(point, fields),
        "ClearChargingProfile": lambda fields: clear_profile(point, fields),
        "GetCompositeSchedule": lambda fields: get_composite(point, fields),
    }


def read_profile(fields: Fields, connector_id: int, now_s: float) -> tuple[Profile, str]:
    """Return a csChargingProfiles object, and its purpose in OCPP's words. Raises Refusal."""
    transaction_id = fields.maybe_integer("transactionId")
    purpose = fields.choice("chargingProfilePurpose", PURPOSES)
    profile = smart_charging.read_profile(
        fields,
        fields.object("chargingSchedule"),
        profile_id=fields.integer("chargingProfileId"),
        place=connector_id,
        purpose=PURPOSES[purpose],
        transaction=None if transaction_id is None else str(transaction_id),
        now_s=now_s,
    )
    return profile, purpose


def set_profile(point: Charger16, fields: Fields) -> dict[str, Any]:
    """SetChargingProfile."""
    connector_id = fields.integer("connectorId", least=0)
    given = fields.object("csChargingProfiles")
    profile, purpose = read_profile(given, connector_id, point.begin())
    fields.done()
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
    keep(point, profile)
    return {"status": "Accepted"}


def clear_profile(point: Charger16, fields: Fields) -> dict[str, Any]:
    """ClearChargingProfile: all that fit every filter given; Unknown when there are none."""
    profile_id = fields.maybe_integer("id")
    connector_id = fields.maybe_integer("connectorId", least=0)
    purpose = fields.maybe_choice("chargingProfilePurpose", PURPOSES)
    stack_level = fields.maybe_integer("stackLevel", least=0)
    fields.done()
    wanted = None if purpose is None else PURPOSES[purpose]
    return {"status": clear(point, selects(profile_id, connector_id, wanted, stack_level))}


def get_composite(point: Charger16, fields: Fields) -> dict[str, Any]:
    """GetCompositeSchedule."""
    wanted = read_composite(point, fields, "connectorId")
    if wanted.place > len(point.connectors) or wanted.is_in_another_unit:
        return {"status": "Rejected"}
    if wanted.claimed in ("empty", "rejected"):
        return {"status": "Accepted" if wanted.claimed == "empty" else "Rejected"}
    start, unit, periods = composite_schedule(point, wanted, "A")
    return {
        "status": "Accepted",
        "connectorId": wanted.place,
        "scheduleStart": start,
        "chargingSchedule": {
            "duration": wanted.duration_s,
            "startSchedule": start,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        },
    }
