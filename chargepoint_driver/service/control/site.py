"""Station groups: one total, divided over the stations, never exceeded while it is divided anew.

A group's command is kept beside the commands of its stations, which are its shares. What is to
be raised waits until what has to be lowered is reported as lowered.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import BadValue, ChargePointError, FateUnknown, TryLater
from chargepoint_driver.service.control.commands import LOAD, STATE_CURRENCY_S, Commands
from chargepoint_driver.service.control.division import Member, divide
from chargepoint_driver.service.control.held import Doubt, Held, Status, judge, words
from chargepoint_driver.service.control.report import Report, report_of
from chargepoint_driver.service.control.reverting import may_be_shed, revert
from chargepoint_driver.service.control.values import ShedOptions
from chargepoint_driver.snapshot import StationRecord

__all__ = ["Sites"]

_log = logging.getLogger(__name__)

_DIRECTORY = "getStations"
_RATED_CURRENCY_S = 86_400.0
_NOTHING_KW = 1e-6
# How much a share has to change to be worth a command, of a station's equal part and in kW.
_WORTH = 0.05
_WORTH_KW = 0.2


class Sites:
    """The groups of one account."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._ledger = commands.ledger
        self.alert: Callable[[Target, str], None] = _no_alert

    # ---- what is commanded ---------------------------------------------------------------

    def held(self, group: str) -> Held | None:
        """What was commanded of the group; None when nothing was."""
        return self._ledger.held(_whole(group))

    def is_wanted(self, group: str) -> bool:
        held = self.held(group)
        return held is not None and held.wanted and self._commands.time_s() < held.ends_s

    def holding(self, station_id: str) -> str | None:
        """The group of whose total a station holds a share at present."""
        held = self._ledger.held(Target(station_id))
        if held is None or held.group is None or not self.is_wanted(held.group):
            return None
        return held.group

    # ---- commands ------------------------------------------------------------------------

    def command(self, group: str, limit: Limit | None, options: ShedOptions) -> None:
        """Hold a group to a total, shed every station by a percentage, or clear all.

        As one call where one can say it. Raises BadValue before anything is sent; when some
        stations could not be reached, the error says how many: the others hold their shares,
        and those are tried again.
        """
        with self._turns(group) as members:
            held = self._new(limit, options)
            if limit is None or limit.percent_shed is not None:
                self._all_alike(group, list(members), limit, options)
                self._ledger.put({_whole(group): held})
                return
            assert limit.allowed_load_kw is not None
            shares = divide(
                limit.allowed_load_kw,
                self._members(group, members),
                options.division,
                options.floor_kw,
            )
            if self._fits(shares) and _is_one_value(shares):
                value = Limit(allowed_load_kw=next(iter(shares.values())))
                self._all_alike(group, list(shares), value, options)
                self._ledger.put({_whole(group): held})
                return
            before = self.held(group)
            self._ledger.put({_whole(group): held})
            failed = self._approach(group, shares, limit.allowed_load_kw, options)
            if len(failed) == len(shares):
                self._ledger.put({_whole(group): before})
                raise failed[0]
            if failed:
                raise type(failed[0])(
                    f"{_whole(group)}: {len(shares) - len(failed)} of {len(shares)} stations "
                    f"hold their share; the others are tried again: {failed[0].message}",
                    service_code=failed[0].service_code,
                )

    def _new(self, limit: Limit | None, options: ShedOptions) -> Held:
        now_s = self._commands.time_s()
        return Held(limit, options, commanded_s=now_s, sent_s=now_s, waits_s=now_s)

    def _all_alike(
        self, group: str, stations: list[str], limit: Limit | None, options: ShedOptions
    ) -> None:
        """One call for all stations."""
        doubts = {
            Target(station): self._commands.prepare(
                Target(station), limit, options, group if limit is not None else None
            )
            for station in stations
        }
        self._commands.doubt(doubts)
        try:
            self._commands.send(_whole(group), limit, options)
        except FateUnknown:
            held = self.held(group) or Held(seen=True)
            doubt = Doubt(limit, options, self._commands.time_s())
            self._ledger.put({_whole(group): replace(held, doubt=doubt)})
            raise
        except ChargePointError as error:
            self._commands.refused(doubts, error)
            raise
        self._commands.acknowledged(doubts)

    def revert(self, group: str) -> bool:
        """Take back what was commanded of the group's stations; True when a command was sent."""
        with self._turns(group) as members:
            ledger = self._ledger
            stations = [Target(station) for station in members]
            ours = [target for target in stations if may_be_shed(self._commands, target)]
            held = self.held(group)
            if held is not None:
                ledger.put({_whole(group): self._new(None, held.options)})
            restorable = any(
                limit is not None for target in ours for limit in ledger.before(target).values()
            )
            if held is not None and len(ours) == len(stations) > 1 and not restorable:
                self._all_alike(group, [each.station_id for each in ours], None, held.options)
                for target in ours:
                    ledger.end_period(target)
                return True
            sent = [revert(self._commands, target) for target in stations]
            return any(sent)

    # ---- dividing ------------------------------------------------------------------------

    def _members(self, group: str, records: Mapping[str, StationRecord]) -> list[Member]:
        held = self._ledger.of_group(group)
        found = []
        rated_kw = self._rated_kw(records)
        for station, record in sorted(records.items()):
            own = held.get(Target(station))
            limit_kw = math.inf if own is None else own.most_kw()
            found.append(
                Member(
                    station,
                    len(record.ports),
                    report_of(Target(station), record).load_kw,
                    rated_kw.get(station),
                    limit_kw if math.isfinite(limit_kw) else None,
                )
            )
        return found

    def _rated_kw(self, stations: Iterable[str]) -> dict[str, float]:
        """Station to the rated power of all its ports, where the station list has it."""
        keys = {(_DIRECTORY, station): _RATED_CURRENCY_S for station in stations}
        rated: dict[str, float] = {}
        for (_, station), outcome in self._commands.cache.get(keys).items():
            record = outcome.record
            ports = [] if record is None else [port.get("Power") for port in record.ports.values()]
            numbers = [power for power in ports if isinstance(power, (int, float))]
            if numbers and len(numbers) == len(ports):
                rated[station] = float(sum(numbers))
        return rated

    def _fits(self, shares: Mapping[str, float]) -> bool:
        """Whether no station's share is above what it may have now: then they can be sent at
        once, in any order."""
        return all(kw <= self._most_kw(station) + _NOTHING_KW for station, kw in shares.items())

    def _most_kw(self, station: str) -> float:
        held = self._ledger.held(Target(station))
        if held is None or held.group is None:
            return math.inf
        return held.most_kw()

    def _approach(
        self, group: str, shares: Mapping[str, float], total_kw: float, options: ShedOptions
    ) -> list[ChargePointError]:
        """Lower what is to be lowered, and raise others by what is free already; what failed."""
        failed: list[ChargePointError] = []
        is_over = sum(self._commanded_kw(station) for station in shares) > total_kw + _NOTHING_KW
        for station, kw in shares.items():
            worth_kw = _NOTHING_KW if is_over else self._worth_kw(total_kw, shares, kw)
            if kw < self._commanded_kw(station) - worth_kw:
                failed += self._share(group, station, kw, options)
        free_kw = total_kw - sum(self._most_kw(station) for station in shares)
        for station, kw in shares.items():
            if free_kw <= 0:
                break
            most_kw = self._most_kw(station)
            raised_kw = math.floor(min(kw, most_kw + free_kw) * 1000 + 1e-6) / 1000
            worth_kw = self._worth_kw(total_kw, shares, kw)
            if math.isfinite(most_kw) and raised_kw > most_kw + worth_kw:
                trouble = self._share(group, station, raised_kw, options)
                failed += trouble
                free_kw -= raised_kw - most_kw
        return failed

    def _commanded_kw(self, station: str) -> float:
        """The limit that a station was told last, infinite for none."""
        held = self._ledger.held(Target(station))
        if held is None or held.group is None or held.limit is None or held.expired:
            return math.inf
        return held.limit.allowed_load_kw or 0.0

    @staticmethod
    def _worth_kw(total_kw: float, shares: Mapping[str, float], kw: float) -> float:
        return 0.0 if kw == 0 else max(_WORTH_KW, _WORTH * total_kw / len(shares))

    def _share(
        self, group: str, station: str, kw: float, options: ShedOptions
    ) -> list[ChargePointError]:
        try:
            own = replace(options, floor_kw=0.0)  # the division has seen to it
            limit = Limit(allowed_load_kw=kw)
            self._commands.command(Target(station), limit, own, group=group)
        except ChargePointError as error:
            _log.warning("%s: its share of %s: %s", station, _whole(group), error)
            return [error]
        return []

    # ---- looking after -------------------------------------------------------------------

    def look(self, group: str) -> None:
        """Renew all shares in one call where that is due, and divide the total anew."""
        held = self.held(group)
        if held is None or held.is_settled:
            return
        with self._turns(group) as members:
            held = self.held(group)
            if held is None:
                return
            if held.doubt is not None:
                self._look_for(group, members, held, held.doubt)
                return
            if held.limit is None:
                self._end(group, held)
                return
            shares = self._ledger.of_group(group)
            if shares and all(each.expired for each in shares.values()):
                self._ledger.put({_whole(group): replace(held, expired=True)})
                return
            self._renew_together(group, members, shares, held)
            self._redistribute(group, members, held)
            self._ledger.put({_whole(group): self._as_of_shares(group, held)})

    def _look_for(self, group: str, members: Iterable[str], held: Held, doubt: Doubt) -> None:
        """A call for all that got no answer: carried out when its stations show it."""
        stations = [self._ledger.held(Target(station)) for station in members]
        if any(station is not None and station.doubt is not None for station in stations):
            return
        shares = self._ledger.of_group(group)
        if bool(shares) == (doubt.limit is not None):
            now = Held(doubt.limit, doubt.options, doubt.sent_s, doubt.sent_s, doubt.sent_s)
            self._ledger.put({_whole(group): now})
        else:
            note = f"{words(doubt.limit)} got no answer and was not seen"
            self._ledger.put({_whole(group): replace(held, doubt=None, note=note)})

    def _end(self, group: str, held: Held) -> None:
        """A group that was cleared is done with when its stations are."""
        left = self._ledger.of_group(group)
        self._ledger.put({_whole(group): replace(held, seen=not left)})

    def _renew_together(
        self,
        group: str,
        members: Mapping[str, StationRecord],
        shares: Mapping[Target, Held],
        held: Held,
    ) -> None:
        now_s = self._commands.time_s()
        limits = {each.renewal() for each in shares.values() if each.wanted}
        due = any(each.renews_s <= now_s for each in shares.values())
        complete = {target.station_id for target in shares} == set(members)
        if not due or len(limits) != 1 or not complete or len(shares) < 2:
            return  # one by one, as any station's
        if any(each.doubt is not None for each in shares.values()):
            return
        try:
            self._commands.send(_whole(group), limits.pop(), held.options)
        except ChargePointError:
            self._ledger.put({target: each.later(now_s) for target, each in shares.items()})
            raise
        self._ledger.put(
            {target: replace(each, sent_s=now_s, retry_s=0.0) for target, each in shares.items()}
        )

    def _redistribute(self, group: str, members: Mapping[str, StationRecord], held: Held) -> None:
        assert held.limit is not None
        for target in self._ledger.of_group(group):
            if target.station_id not in members:
                # It left the group, and is held to nothing by it any more.
                self._commands.command(target, None, held.options)
        if held.limit.allowed_load_kw is None:
            return
        total_kw = held.limit.allowed_load_kw
        try:
            shares = divide(
                total_kw,
                self._members(group, members),
                held.options.division,
                held.options.floor_kw,
            )
        except (BadValue, TryLater) as error:
            self.alert(_whole(group), f"{words(held.limit)} cannot be divided anew: {error}")
            return
        failed = self._approach(group, shares, total_kw, held.options)
        if failed:
            self.alert(_whole(group), f"{len(failed)} stations did not take their share")

    def _as_of_shares(self, group: str, held: Held) -> Held:
        shares = self._ledger.of_group(group).values()
        if not shares:
            return held
        # Renewed, and confirmed, when the last of the shares is.
        return replace(
            held,
            sent_s=min(each.sent_s for each in shares),
            seen=False,  # looked at in each round: vehicles come and go
        )

    # ---- what is reported ----------------------------------------------------------------

    def records(self, group: str, currency_s: float) -> dict[str, StationRecord]:
        """What getLoad reports of every station of the group. Raises the first error there is:
        a group without one of its stations is not the group."""
        members = self._commands.cache.members(group)
        outcomes = self._commands.cache.get({(LOAD, station): currency_s for station in members})
        found: dict[str, StationRecord] = {}
        for (_, station), outcome in outcomes.items():
            if outcome.record is None:
                raise outcome.error or ChargePointError(f"{station}: the load is not known")
            found[station] = outcome.record
        return found

    def report(self, records: Mapping[str, StationRecord]) -> Report:
        """All ports of a group's stations, numbered through."""
        ports = [
            port
            for station, record in sorted(records.items())
            for port in report_of(Target(station), record).ports.values()
        ]
        return Report(dict(enumerate(ports, start=1)))

    def status(self, group: str, records: Mapping[str, StationRecord]) -> tuple[Status, str]:
        """(the status, why) of a group, out of those of its stations."""
        now_s = self._commands.time_s()
        held = self.held(group)
        each: dict[str, tuple[Status, str]] = {}
        for station, record in sorted(records.items()):
            own = self._ledger.held(Target(station))
            status, why = judge(own, report_of(Target(station), record), now_s)
            each[station] = status, why
        if held is not None and held.limit is not None:
            # A station without a share of a total that is wanted is not held yet.
            each |= {
                station: (Status.PENDING, "has no share yet")
                for station, (status, _) in each.items()
                if status in (Status.NONE, Status.RELEASED)
            }
        for status in _WORST_FIRST:
            found = [f"{station}: {why}" for station, (s, why) in each.items() if s is status]
            if found:
                return status, _in_short(found) if any(why for _, why in each.values()) else ""
        return Status.NONE, ""

    # ---- inside --------------------------------------------------------------------------

    def _turns(self, group: str) -> _Members:
        return _Members(self, self._commands, group)


_WORST_FIRST = (
    Status.FAILED,
    Status.EXPIRED,
    Status.PENDING,
    Status.ADOPTED,
    Status.IN_FORCE,
    Status.RELEASED,
    Status.NONE,
)


class _Members:
    """The group's stations, all their turns held."""

    def __init__(self, sites: Sites, commands: Commands, group: str) -> None:
        self._sites = sites
        self._commands = commands
        self._group = group
        self._stack = ExitStack()

    def __enter__(self) -> Mapping[str, StationRecord]:
        records = self._sites.records(self._group, STATE_CURRENCY_S)
        with ExitStack() as stack:
            # Always in the same order: two groups may share stations.
            for station in sorted(records):
                stack.enter_context(self._commands.turns.of(station))
            self._stack = stack.pop_all()
        return records

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _no_alert(target: Target, what: str) -> None:
    """Nobody looks after the commands yet."""


def _whole(group: str) -> Target:
    return Target("", group=group)


def _is_one_value(shares: Mapping[str, float]) -> bool:
    return len(shares) > 1 and len(set(shares.values())) == 1


def _in_short(texts: list[str]) -> str:
    rest = len(texts) - 3
    return "; ".join(texts[:3]) + (f"; and {rest} more" if rest > 0 else "")
