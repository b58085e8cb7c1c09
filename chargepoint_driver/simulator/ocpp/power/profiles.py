"""Charging profiles in neutral form, and the ceiling they put on a connector.

Within a purpose the highest stack level in force wins. A TxProfile in force overrules the
TxDefaultProfile (OCPP 1.6 section 3.13.1, 2.0.1 K01). The maximum of the charge point caps both.
Each version of OCPP reads its messages into `Profile`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from .electrical import USUAL_PHASES, Cap

DAY_S = 86_400.0
RECURRENCE_S = {"Daily": DAY_S, "Weekly": 7 * DAY_S}


class Purpose(Enum):
    """Purpose of a profile."""

    STATION_MAX = "station"
    TX_DEFAULT = "default"
    TX = "transaction"


@dataclass(frozen=True)
class Period:
    """From `start_s` of the schedule on, `limit` W or A."""

    start_s: float
    limit: float
    phases: int = USUAL_PHASES


@dataclass(frozen=True)
class Profile:
    """A profile at a connector (0: the whole charge point). Times are seconds of the epoch.

    `start_s` None: the schedule begins with the transaction. `transaction` is the id that a
    TX profile is for, None for any.
    """

    profile_id: int
    connector_id: int
    stack_level: int
    purpose: Purpose
    kind: str
    unit: str
    periods: tuple[Period, ...]
    start_s: float | None = None
    duration_s: float | None = None
    recurrency: str | None = None
    valid_from_s: float = -math.inf
    valid_to_s: float = math.inf
    transaction: str | None = None
    received_s: float = 0.0

    def span(self, at_s: float, transaction_start_s: float | None) -> tuple[float, float]:
        """Begin and end of the schedule's run that `at_s` falls in (or the one to come)."""
        length_s = math.inf if self.duration_s is None else self.duration_s
        if self.start_s is None or self.kind == "Relative":
            if self.purpose is Purpose.STATION_MAX:
                begin_s = self.received_s
            else:
                begin_s = at_s if transaction_start_s is None else transaction_start_s
            return begin_s, begin_s + length_s
        if self.kind == "Recurring" and self.recurrency is not None:
            every_s = RECURRENCE_S[self.recurrency]
            runs = max(0, math.floor((at_s - self.start_s) / every_s))
            begin_s = self.start_s + runs * every_s
            return begin_s, begin_s + min(length_s, every_s)
        return self.start_s, self.start_s + length_s

    def cap(self, at_s: float, transaction_start_s: float | None) -> Cap | None:
        """Return the bound at that time; None when the profile is not in force."""
        if not self.valid_from_s <= at_s < self.valid_to_s:
            return None
        begin_s, end_s = self.span(at_s, transaction_start_s)
        if not begin_s <= at_s < end_s:
            return None
        now = None
        for period in self.periods:
            if begin_s + period.start_s <= at_s:
                now = period
        if now is None:
            return None
        if self.unit == "W":
            return Cap(power_w=now.limit, phases=now.phases)
        return Cap(current_a=now.limit, phases=now.phases)

    def changes(self, after_s: float, transaction_start_s: float | None) -> list[float]:
        """Times after `after_s` when the bound may change: at least the next one."""
        times = [self.valid_from_s, self.valid_to_s]
        begin_s, end_s = self.span(after_s, transaction_start_s)
        begins = [begin_s]
        if self.kind == "Recurring" and self.recurrency is not None and self.start_s is not None:
            begins.append(begin_s + RECURRENCE_S[self.recurrency])
        for start_s in begins:
            times.append(start_s + (end_s - begin_s))
            times += [start_s + period.start_s for period in self.periods]
        return [time_s for time_s in times if after_s < time_s < math.inf]


class ProfileBook:
    """The profiles of one charge point."""

    def __init__(self) -> None:
        self.profiles: list[Profile] = []
        # A quirk: profiles are kept and shown, but a profile works only after a number of seconds
        # (infinite: never). 0 is what the specification asks for.
        self.obeys_after_s = 0.0
        # A quirk: a TX profile caps together with the default one instead of overruling it.
        self.minimum_of_purposes = False

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """Answer as if every profile worked at once, until the block ends."""
        before, self.obeys_after_s = self.obeys_after_s, 0.0
        try:
            yield
        finally:
            self.obeys_after_s = before

    def put(self, profile: Profile) -> None:
        """Keep it, in place of one with its id or its place in the stack."""

        def same(other: Profile) -> bool:
            return other.profile_id == profile.profile_id or (
                other.connector_id == profile.connector_id
                and other.purpose is profile.purpose
                and other.stack_level == profile.stack_level
            )

        self.profiles = [other for other in self.profiles if not same(other)]
        self.profiles.append(profile)

    def remove(self, unwanted: Callable[[Profile], bool]) -> int:
        """Drop those; returns how many."""
        before = len(self.profiles)
        self.profiles = [profile for profile in self.profiles if not unwanted(profile)]
        return before - len(self.profiles)

    def cap(self, connector_id: int, at_s: float, transaction_start_s: float | None) -> Cap:
        """Return the bound on a connector (0: on the charge point as a whole)."""
        bound = Cap()
        caps = {
            purpose: self._strongest(
                (one for one in self._for(connector_id) if one.purpose is purpose),
                at_s,
                transaction_start_s,
            )
            for purpose in Purpose
        }
        if not self.minimum_of_purposes and caps[Purpose.TX] is not None:
            caps[Purpose.TX_DEFAULT] = None
        for cap in caps.values():
            if cap is not None:
                bound &= cap
        return bound

    def next_change_s(
        self, connector_id: int, after_s: float, transaction_start_s: float | None
    ) -> float:
        """Return when the bound may change next; infinite when it never does."""
        soonest_s = math.inf
        for profile in self._for(connector_id):
            times = profile.changes(after_s, transaction_start_s)
            if self.obeys_after_s:
                times.append(profile.received_s + self.obeys_after_s)
            soonest_s = min((soonest_s, *(time_s for time_s in times if time_s > after_s)))
        return soonest_s

    def _for(self, connector_id: int) -> list[Profile]:
        if connector_id == 0:
            return [one for one in self.profiles if one.purpose is Purpose.STATION_MAX]
        return [one for one in self.profiles if one.connector_id in (0, connector_id)]

    def _strongest(
        self, profiles: Iterable[Profile], at_s: float, transaction_start_s: float | None
    ) -> Cap | None:
        # One for the connector itself comes before one for all of them.
        ranked = sorted(
            profiles, key=lambda one: (one.connector_id > 0, one.stack_level), reverse=True
        )
        for profile in ranked:
            if at_s < profile.received_s + self.obeys_after_s:
                continue
            cap = profile.cap(at_s, transaction_start_s)
            if cap is not None:
                return cap
        return None
