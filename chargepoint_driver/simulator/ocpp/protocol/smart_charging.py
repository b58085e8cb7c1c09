"""Smart charging that both versions share: reading profiles, what is refused, what is in force.

The versions keep the words and the shapes of their messages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..moments import iso
from ..power.composite import composite
from ..power.profiles import Period, Profile, Purpose
from .charge_point import Charger
from .payload_reader import Fault as Wrong
from .payload_reader import Fields, RefusalError

KINDS = ("Absolute", "Recurring", "Relative")
UNITS = ("A", "W")
MAX_SECONDS = 31_536_000


def purposes(station_max: str) -> dict[str, Purpose]:
    """Return OCPP's words for the purposes. The versions differ in the one for the station."""
    return {
        station_max: Purpose.STATION_MAX,
        "TxDefaultProfile": Purpose.TX_DEFAULT,
        "TxProfile": Purpose.TX,
    }


def read_profile(
    fields: Fields,
    schedule: Fields,
    *,
    profile_id: int,
    place: int,
    purpose: Purpose,
    transaction: str | None,
    now_s: float,
) -> Profile:
    """Return the profile: what both versions write alike of it and of its schedule, and the rest
    as it was read. Raises Refusal."""
    stack_level = fields.integer("stackLevel", least=0)
    kind = fields.choice("chargingProfileKind", KINDS)
    recurrency = fields.maybe_choice("recurrencyKind", ("Daily", "Weekly"))
    valid_from_s = fields.maybe_moment("validFrom")
    valid_to_s = fields.maybe_moment("validTo")
    unit = schedule.choice("chargingRateUnit", UNITS)
    duration_s = schedule.maybe_integer("duration", least=0)
    start_s = schedule.maybe_moment("startSchedule")
    schedule.maybe_number("minChargingRate")
    periods = _read_periods(schedule)
    schedule.done()
    fields.done()
    if kind == "Recurring" and (recurrency is None or start_s is None):
        raise RefusalError(
            Wrong.MISSING, "a recurring profile needs recurrencyKind and startSchedule"
        )
    return Profile(
        profile_id,
        place,
        stack_level,
        purpose,
        kind,
        unit,
        periods,
        start_s=start_s,
        duration_s=duration_s,
        recurrency=recurrency,
        valid_from_s=-math.inf if valid_from_s is None else valid_from_s,
        valid_to_s=math.inf if valid_to_s is None else valid_to_s,
        transaction=transaction,
        received_s=now_s,
    )


def _read_periods(schedule: Fields) -> tuple[Period, ...]:
    periods = []
    for one in schedule.objects("chargingSchedulePeriod"):
        limit = one.number("limit")
        if limit < 0:
            raise RefusalError(Wrong.VALUE, "limit: is negative")
        if abs(10 * limit - round(10 * limit)) > 1e-6:
            raise RefusalError(Wrong.VALUE, f"limit: {limit} is not a multiple of 0.1")
        phases = one.maybe_integer("numberPhases", least=1)
        one.maybe_integer("phaseToUse", least=1)
        periods.append(Period(one.integer("startPeriod", least=0), limit, phases or 3))
        one.done()
    following = pairwise(periods)
    if periods[0].start_s or any(a.start_s >= b.start_s for a, b in following):
        raise RefusalError(Wrong.VALUE, "chargingSchedulePeriod: must begin at 0 and ascend")
    return tuple(periods)


def refused_because(point: Charger, profile: Profile, purpose: str) -> str | None:
    """Return the status of a refusal by what the charge point can do; None when it can.

    `purpose` is in OCPP's words.
    """
    quirks, count, names = point.quirks, point.settings.count, point.names
    if purpose in quirks.get("refuses_purpose", "purposes", ()):
        return str(quirks.get("refuses_purpose", "status"))
    known = {one.profile_id for one in point.profile_store.profiles} | {profile.profile_id}
    cannot = (
        profile.unit != quirks.get("limit_unit", "unit", profile.unit)
        or profile.kind not in quirks.get("profile_kinds", "kinds", KINDS)
        or profile.stack_level
        > quirks.get("max_stack_level", "level", count(names.max_stack_level))
        or len(profile.periods) > count(names.max_periods)
        or len(known) > count(names.max_profiles)
    )
    return "Rejected" if cannot else None


def selects(
    profile_id: int | None,
    place: int | None,
    purpose: Purpose | None,
    stack_level: int | None,
) -> Callable[[Profile], bool]:
    """Return whether a filter of ClearChargingProfile and its like fits a profile. None: any."""

    def fits(one: Profile) -> bool:
        if profile_id is not None:
            return one.profile_id == profile_id
        return (
            place in (None, one.connector_id)
            and purpose in (None, one.purpose)
            and stack_level in (None, one.stack_level)
        )

    return fits


def keep(point: Charger, profile: Profile) -> None:
    """Take a profile; it works once the answer is sent."""
    point.profile_store.put(profile)
    point.then(lambda: point.refresh(point.begin()))


def clear(point: Charger, unwanted: Callable[[Profile], bool]) -> str:
    """Drop profiles; return the status: Accepted, or Unknown where none fits."""
    dropped = point.profile_store.remove(unwanted)
    point.then(lambda: point.refresh(point.begin()))
    return "Accepted" if dropped else "Unknown"


@dataclass(frozen=True)
class CompositeRequest:
    """GetCompositeSchedule: of a connector (EVSE), for some seconds, in a unit (None: any).

    `only` is the one unit that the charger knows (None: both). `claimed` is the answer of a twin
    that does not obey its profiles: empty, rejected, echo, truth; None for others.
    """

    place: int
    duration_s: int
    unit: str | None
    only: str | None
    claimed: str | None

    @property
    def is_in_another_unit(self) -> bool:
        """Return True if the charger does not know the unit that is asked for."""
        return self.only is not None and self.unit not in (None, self.only)


def read_composite(point: Charger, fields: Fields, place_field: str) -> CompositeRequest:
    """Read GetCompositeSchedule. Raises RefusalError."""
    return CompositeRequest(
        place=fields.integer(place_field, least=0),
        duration_s=min(fields.integer("duration", least=0), MAX_SECONDS),
        unit=fields.maybe_choice("chargingRateUnit", UNITS),
        only=point.quirks.get("limit_unit", "unit"),
        claimed=point.quirks.get("ignores_profiles", "composite"),
    )


def composite_schedule(
    point: Charger, request: CompositeRequest, default_unit: str
) -> tuple[str, str, list[dict[str, Any]]]:
    """Return its begin as a text, its unit and its periods."""
    unit = request.unit or request.only or default_unit
    start = iso(point.begin())
    return start, unit, composite(point, request.place, request.duration_s, unit)
