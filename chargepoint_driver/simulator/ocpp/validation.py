"""What a charge point does not take: rules for profiles and starts that both versions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .connector import Connector, Phase
from .payload_reader import Fault as Wrong
from .payload_reader import Fields, Refusal
from .profiles import Period, Profile
from .station import Station

KINDS = ("Absolute", "Recurring", "Relative")
READY = (Phase.AVAILABLE, Phase.PREPARING, Phase.FINISHING, Phase.RESERVED)


@dataclass(frozen=True)
class ProfileLimits:
    """How many and how high."""

    stack_level: int
    periods: int
    profiles: int


def read_periods(schedule: Fields) -> tuple[Period, ...]:
    """A chargingSchedulePeriod. Raises Refusal."""
    periods = []
    for one in schedule.objects("chargingSchedulePeriod"):
        limit = one.number("limit")
        if limit < 0:
            raise Refusal(Wrong.VALUE, "limit: is negative")
        if abs(10 * limit - round(10 * limit)) > 1e-6:
            raise Refusal(Wrong.VALUE, f"limit: {limit} is no multiple of 0.1")
        phases = one.maybe_integer("numberPhases", least=1)
        one.maybe_integer("phaseToUse", least=1)
        periods.append(Period(one.integer("startPeriod", least=0), limit, phases or 3))
        one.done()
    following = pairwise(periods)
    if periods[0].start_s or any(a.start_s >= b.start_s for a, b in following):
        raise Refusal(Wrong.VALUE, "chargingSchedulePeriod: must begin at 0 and ascend")
    return tuple(periods)


def why_refused(
    station: Station, profile: Profile, purpose: str, limits: ProfileLimits
) -> str | None:
    """The status of a refusal by what the charge point can do; None when it can."""
    quirks = station.quirks
    if purpose in quirks.get("refuses_purpose", "purposes", ()):
        return str(quirks.get("refuses_purpose", "status"))
    known = {one.profile_id for one in station.book.profiles} | {profile.profile_id}
    cannot = (
        profile.unit != quirks.get("limit_unit", "unit", profile.unit)
        or profile.kind not in quirks.get("profile_kinds", "kinds", KINDS)
        or profile.stack_level > quirks.get("max_stack_level", "level", limits.stack_level)
        or len(profile.periods) > limits.periods
        or len(known) > limits.profiles
    )
    return "Rejected" if cannot else None


def free_connectors(station: Station, connector_id: int | None, id_tag: str) -> Sequence[Connector]:
    """Where an idTag may start (None: anywhere); where a vehicle waits comes first."""
    free = [
        one
        for one in station.connectors
        if connector_id in (None, one.connector_id) and _may_start(station, one, id_tag)
    ]
    return sorted(free, key=lambda one: one.charge is None)


def _may_start(station: Station, connector: Connector, id_tag: str) -> bool:
    reservation = connector.reservation
    if connector.finished and station.quirks.has("needs_replug"):
        return False
    if reservation is not None and reservation.id_tag != id_tag:
        return False
    return connector.transaction is None and station.phase(connector) in READY


def has_transaction(station: Station, connector_id: int) -> bool:
    """Whether one runs at that connector (0: at any)."""
    return any(
        one.transaction is not None and connector_id in (0, one.connector_id)
        for one in station.connectors
    )
