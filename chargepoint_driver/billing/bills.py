"""Sessions of several accounts with their costs: pages, sums, and the report of a month."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone, tzinfo
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from chargepoint_driver.billing.cost_centres import CostCentres
from chargepoint_driver.billing.costs import Cost
from chargepoint_driver.billing.prices import WeekClock
from chargepoint_driver.billing.sums import Sums
from chargepoint_driver.billing.tariffs import StationFacts, Tariffs
from chargepoint_driver.config import BillingConfig
from chargepoint_driver.errors import ChargePointError, InvalidValueError, NotFoundError
from chargepoint_driver.process import threads
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord
from chargepoint_driver.reports import month_bounds

__all__ = [
    "MAX_SESSIONS",
    "BilledSession",
    "Bills",
    "Page",
    "Report",
    "SessionFilter",
    "SessionSource",
]

MAX_SESSIONS = 200_000
"""Sessions of one sum, report or file."""
_CHUNK = 1_000
_FACTS_S = 600.0
_FACTS_AGAIN_S = 30.0


Place: TypeAlias = tuple[float, str, str]
"""Place of a session in the order of a list: `place_s`, account, `sessionID`."""


class SessionSource(NamedTuple):
    """Sessions of one account: a page of them, meter values within them by `sessionID`, and the
    values of its stations by id."""

    page: Callable[[SessionQuery], list[SessionRecord]]
    readings: Callable[[Sequence[str]], Mapping[str, Sequence[EnergyReading]]]
    stations: Callable[[], Mapping[str, Mapping[str, Any]]]


class BilledSession(NamedTuple):
    """A session of an account with its cost."""

    account: str
    session: SessionRecord
    cost: Cost


class Page(NamedTuple):
    """Sessions, newest first. `after`: the place to ask for those behind with, None at the end.
    `errors`: accounts that could not be asked."""

    sessions: list[BilledSession]
    after: Place | None
    errors: dict[str, ChargePointError]


@dataclass(frozen=True)
class SessionFilter:
    """Sessions that are wanted. None stands for all. See `records.SessionQuery`."""

    since_s: float
    until_s: float | None = None
    account: str | None = None
    station_id: str | None = None
    port: int | None = None
    id_tag: str | None = None
    is_by_end: bool = False

    def query(self, limit: int, before: tuple[float, str | None] | None) -> SessionQuery:
        """Return the query to one account."""
        return SessionQuery(
            self.since_s,
            self.until_s,
            self.station_id,
            self.port,
            self.id_tag,
            self.is_by_end,
            before,
            limit,
        )


class Report(NamedTuple):
    """Sessions that ended in a month of the site, by cost centre and by idTag.

    Cost centre None: not assigned. idTag None: the session has none. `errors`: accounts that could
    not be asked, so that all sums are too low.
    """

    month: str
    time_zone: str
    total: Sums
    centres: dict[str | None, Sums]
    tags: dict[tuple[str | None, str | None], Sums]
    errors: dict[str, ChargePointError]


class Bills:
    """Costs of the sessions of accounts. May wait; from any thread."""

    def __init__(
        self,
        config: BillingConfig,
        sources: Callable[[], Mapping[str, SessionSource]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources` gives the accounts as they are now, by name."""
        self._config = config
        self._sources = sources
        self._clock = clock
        self._zone: tzinfo = (
            timezone.utc if config.time_zone is None else ZoneInfo(config.time_zone)
        )
        self._tariffs = Tariffs(config.tariffs, WeekClock(self._zone))
        self._lock = threads.Lock()
        # Account to (when to ask again, facts of its stations).
        self._facts: dict[str, tuple[float, dict[str, StationFacts] | None]] = {}

    @property
    def time_zone(self) -> str:
        """Return the name of the zone of tariffs and months."""
        return self._config.time_zone or "UTC"

    @property
    def zone(self) -> tzinfo:
        """Return the zone of tariffs and months."""
        return self._zone

    def page(self, wanted: SessionFilter, limit: int, after: tuple[Any, ...] | None = None) -> Page:
        """Return the first `limit` sessions behind `after`. Raises InvalidValueError,
        NotFoundError, and what an account raises where it is the only one."""
        place = None if after is None else _checked(after)
        found: list[BilledSession] = []
        errors: dict[str, ChargePointError] = {}
        sources = self._chosen(wanted)
        for account, source in sources.items():
            before = None if place is None else _before(account, place)
            try:
                sessions = source.page(wanted.query(limit + 1, before))
                found += [BilledSession(account, each, Cost()) for each in sessions]
            except ChargePointError as error:
                if len(sources) == 1:
                    raise
                errors[account] = error
        found.sort(key=lambda each: (-each.session.place_s, each.account))
        shown = found[:limit]
        last = shown[-1] if len(found) > limit else None
        following = None
        if last is not None:
            following = last.session.place_s, last.account, last.session.session_id
        return Page(self._billed(shown, sources), following, errors)

    def walk(
        self, wanted: SessionFilter, errors: dict[str, ChargePointError] | None = None
    ) -> Iterator[list[BilledSession]]:
        """Yield all sessions in parts, account by account, each newest first. `errors` takes the
        accounts that cannot be asked; without it their errors are raised. Raises InvalidValueError
        for more than MAX_SESSIONS."""
        count = 0
        sources = self._chosen(wanted)
        for account, source in sources.items():
            before = None
            while True:
                try:
                    sessions = source.page(wanted.query(_CHUNK, before))
                except ChargePointError as error:
                    if errors is None:
                        raise
                    errors[account] = error
                    break
                count += len(sessions)
                if count > MAX_SESSIONS:
                    raise InvalidValueError(
                        f"there are more than {MAX_SESSIONS} sessions; choose a shorter time"
                    )
                yield self._billed(
                    [BilledSession(account, each, Cost()) for each in sessions], sources
                )
                if len(sessions) < _CHUNK:
                    break
                before = sessions[-1].place_s, sessions[-1].session_id

    def sums(self, wanted: SessionFilter) -> tuple[Sums, dict[str, ChargePointError]]:
        """Return the sums of all sessions that are wanted, and the accounts that could not be
        asked. Raises as `page` does."""
        total, errors = Sums(), dict[str, ChargePointError]()
        for part in self.walk(wanted, errors):
            for each in part:
                total.add(each.session, each.cost)
        _raise_alone(errors, len(self._chosen(wanted)))
        return total, errors

    def report(self, month: str, account: str | None = None) -> Report:
        """Return the report of a month of the site, YYYY-MM. A session counts in the month in which
        it ended. Raises InvalidValueError, ConfigurationError for the file of cost centres."""
        begin, end = (each.replace(tzinfo=self._zone).timestamp() for each in month_bounds(month))
        if begin < 0:
            raise InvalidValueError("month must not be before 1970")
        path = self._config.cost_centres
        centres = CostCentres() if path is None else CostCentres.read(path)
        wanted = SessionFilter(begin, end, account, is_by_end=True)
        total, errors = Sums(), dict[str, ChargePointError]()
        by_centre: dict[str | None, Sums] = {}
        by_tag: dict[tuple[str | None, str | None], Sums] = {}
        spelt: dict[str, str] = {}
        for part in self.walk(wanted, errors):
            for _, session, cost in part:
                centre = centres.of(session.id_tag)
                tag = session.id_tag
                if tag is not None:
                    tag = spelt.setdefault(tag.casefold(), tag)
                for sums in (
                    total,
                    by_centre.setdefault(centre, Sums()),
                    by_tag.setdefault((centre, tag), Sums()),
                ):
                    sums.add(session, cost)
        _raise_alone(errors, len(self._chosen(wanted)))
        return Report(
            month,
            self.time_zone,
            total,
            {key: by_centre[key] for key in sorted(by_centre, key=_none_last)},
            {
                key: by_tag[key]
                for key in sorted(by_tag, key=lambda key: (_none_last(key[0]), _none_last(key[1])))
            },
            errors,
        )

    # ---- inside --------------------------------------------------------------------------

    def _chosen(self, wanted: SessionFilter) -> Mapping[str, SessionSource]:
        sources = self._sources()
        if wanted.account is None:
            return sources
        if wanted.account not in sources:
            known = ", ".join(sources) or "none"
            raise NotFoundError(
                f"account: there is no {wanted.account!r}; the accounts are {known}"
            )
        return {wanted.account: sources[wanted.account]}

    def _billed(
        self, found: Sequence[BilledSession], sources: Mapping[str, SessionSource]
    ) -> list[BilledSession]:
        """Return sessions with their costs."""
        facts = {
            account: self._facts_of(account, sources) for account in {f.account for f in found}
        }

        def known_of(each: BilledSession) -> StationFacts | None:
            of_account = facts[each.account]
            if of_account is None:
                return None
            return of_account.get(each.session.station_id, StationFacts())

        readings: dict[str, Mapping[str, Sequence[EnergyReading]]] = {}
        for account in facts:
            ids = [
                each.session.session_id
                for each in found
                if each.account == account
                and self._tariffs.needs_readings(account, each.session, known_of(each))
            ]
            readings[account] = sources[account].readings(ids) if ids else {}
        return [
            each._replace(
                cost=self._tariffs.cost(
                    each.account,
                    each.session,
                    known_of(each),
                    readings[each.account].get(each.session.session_id, ()),
                )
            )
            for each in found
        ]

    def _facts_of(
        self, account: str, sources: Mapping[str, SessionSource] | None = None
    ) -> dict[str, StationFacts] | None:
        """Return the facts of an account's stations, None where they cannot be read."""
        with self._lock:
            known = self._facts.get(account)
        now_s = self._clock()
        if known is not None and now_s < known[0]:
            return known[1]
        found: dict[str, StationFacts] | None = None
        try:
            listed = (sources or self._sources())[account].stations()
            found = {station: StationFacts.of(values) for station, values in listed.items()}
        except (ChargePointError, KeyError):
            found = None if known is None else known[1]
            now_s += _FACTS_AGAIN_S - _FACTS_S
        with self._lock:
            self._facts[account] = now_s + _FACTS_S, found
        return found


def _raise_alone(errors: Mapping[str, ChargePointError], accounts: int) -> None:
    """Raise the error where nothing could be asked."""
    if errors and len(errors) == accounts:
        raise next(iter(errors.values()))


def _none_last(text: str | None) -> tuple[bool, str]:
    return text is None, (text or "").casefold()


def _before(account: str, place: Place) -> tuple[float, str | None]:
    """Return where an account goes on behind a session of some account."""
    place_s, of_account, session_id = place
    if account == of_account:
        return place_s, session_id
    return place_s, None if account > of_account else ""


def _checked(after: tuple[Any, ...]) -> Place:
    """Return a place that a page gave. Raises InvalidValueError."""
    if len(after) == 3:
        place_s, account, session_id = after
        is_number = isinstance(place_s, (int, float)) and not isinstance(place_s, bool)
        if is_number and isinstance(account, str) and isinstance(session_id, str):
            return float(place_s), account, session_id
    raise InvalidValueError("after: is not of this list; take the value that the page before gave")
