"""Station groups: one total, a percentage or a clear for all stations, kept as one command.

A group's command is kept together with the commands of its stations, which are its shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.groups.allocation import GroupAllocator
from chargepoint_driver.service.shed_control.groups.members import GroupMembers
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
    describe,
)
from chargepoint_driver.service.shed_control.sending.dispatcher import STATE_CURRENCY_S, Dispatcher
from chargepoint_driver.service.shed_control.sending.ending import is_by_lease, why_it_ends
from chargepoint_driver.service.shed_control.sending.revert import may_be_shed, revert
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = ["GroupController"]

_log = get_logger(__name__)

_PATIENCE_S = 2.0


class GroupController:
    """The groups of one account."""

    def __init__(self, commands: Dispatcher, alerts: Alerts) -> None:
        self._commands = commands
        self._alerts = alerts
        self._command_log = commands.command_log
        self._shares = GroupAllocator(commands)
        self.members = GroupMembers(commands)

    # ---- what is commanded ---------------------------------------------------------------

    def state_of(self, group: str) -> CommandState | None:
        """Return what was commanded of the group; None when nothing was."""
        return self._command_log.state_of(_whole(group))

    def is_wanted(self, group: str) -> bool:
        state = self.state_of(group)
        return state is not None and state.wanted and self._commands.time_s() < state.ends_s

    def holding(self, station_id: str) -> str | None:
        """Return the group of whose total a station holds a share at present."""
        state = self._command_log.state_of(Target(station_id))
        if state is None or state.group is None or not self.is_wanted(state.group):
            return None
        return state.group

    # ---- commands ------------------------------------------------------------------------

    def command(self, group: str, limit: Limit | None, options: ShedOptions) -> None:
        """Hold a group to a total, shed every station by a percentage, or clear all.

        As one call where one suffices. Raises InvalidValueError before anything is sent. If some
        stations could not be reached, the error counts them: the others have their shares, and
        those are tried again.
        """
        records = self.members.records(group, STATE_CURRENCY_S)
        with self._station_locks(group, records):
            state = self._new(limit, options)
            if limit is None or limit.allowed_load_kw is None:
                self._all_alike(group, records, limit, state)
                if limit is None:
                    for station in records:
                        self._command_log.end_period(Target(station), unless_restorable=True)
                return
            shares = self._shares.divide(group, records, limit.allowed_load_kw, options)
            in_one = self._commands.backend.group_calls and _is_one_value(shares)
            if in_one and self._shares.fit(shares):
                value = Limit(allowed_load_kw=next(iter(shares.values())))
                self._all_alike(group, records, value, state)
                return
            self._one_by_one(group, shares, limit.allowed_load_kw, state)

    def send_again(self, group: str, options: ShedOptions) -> None:
        """Send what the group is held to with other options, so that what lasts in the service
        ends in time. Callers hold the group's lock."""
        for target, share in self._command_log.of_group(group).items():
            if share.wanted and share.doubt is None and not share.contested:
                own = replace(share, options=options.as_share())
                self._commands.send(target, own.renewal(), own.options)
                self._command_log.put({target: replace(own, sent_s=self._commands.time_s())})

    def _one_by_one(
        self, group: str, shares: Mapping[str, float], total_kw: float, state: CommandState
    ) -> None:
        whole = _whole(group)
        # Each share notes when it is sent.
        doubt = UnconfirmedCommand(state.limit, state.options, state.sent_s, sending=True)
        before = self._commands.mark_unconfirmed({whole: doubt})
        failed = self._shares.approach(group, shares, total_kw, state.options)
        if len(failed) < len(shares):
            self._command_log.put({whole: state})
        else:
            # The doubt stands where a station's does.
            unknown = [error for error in failed if isinstance(error, OutcomeUnknownError)]
            if not unknown:
                self._command_log.put(before)
            raise (unknown or failed)[0]
        if failed:
            raise _partly(whole, "hold their share", failed, len(shares))

    def _new(self, limit: Limit | None, options: ShedOptions) -> CommandState:
        return CommandState.of(UnconfirmedCommand(limit, options, self._commands.time_s()))

    def _all_alike(
        self, group: str, stations: Iterable[str], value: Limit | None, state: CommandState
    ) -> None:
        """Send one call with a value for each station; `state` is the group's command then.
        Where the backend has no such call, one for each of them."""
        if not self._commands.backend.group_calls:
            self._each_alike(group, stations, value, state)
            return
        whole, tag = _whole(group), None if value is None else group
        doubts: dict[Target, UnconfirmedCommand] = {}
        try:
            for station in sorted(stations):
                target = Target(station)
                share = state.options.as_share()
                doubts[target] = self._commands.check_and_record_before(target, value, share, tag)
        except ChargePointError:
            for target, doubt in doubts.items():
                self._command_log.forget(target.station_id, doubt.began)
            raise
        if value is not None and value.percent_shed is not None:
            state = replace(
                state, ceiling_kw=sum(each.ceiling_kw or 0.0 for each in doubts.values())
            )
        of_group = UnconfirmedCommand(state.limit, state.options, state.sent_s, state.ceiling_kw)
        before = self._commands.mark_unconfirmed({**doubts, whole: of_group})
        try:
            self._commands.send(whole, value, state.options, recorded=(*doubts, whole))
        except OutcomeUnknownError:
            raise
        except ChargePointError as error:
            self._commands.roll_back(doubts, before, error)
            self._command_log.put({whole: before[whole]})
            raise
        self._commands.commit(doubts)
        self._command_log.put({whole: state})

    def _each_alike(
        self, group: str, stations: Iterable[str], value: Limit | None, state: CommandState
    ) -> None:
        """Send a call for each station with the same percentage, or a clear. Stations that could
        not be reached are as before; a clear of them is tried again."""
        whole, tag = _whole(group), None if value is None else group
        failed: list[ChargePointError] = []
        ceilings_kw = 0.0
        ids = sorted(stations)
        for station in ids:
            target = Target(station)
            try:
                self._commands.command(target, value, state.options.as_share(), group=tag)
            except ChargePointError as error:
                failed.append(error)
            else:
                own = self._command_log.state_of(target)
                ceilings_kw += (own and own.ceiling_kw) or 0.0
        if len(failed) == len(ids):
            raise failed[0]
        self._command_log.put({whole: replace(state, ceiling_kw=ceilings_kw or None)})
        if failed:
            raise _partly(whole, "did so", failed, len(ids), again=value is None)

    def revert(self, group: str) -> bool:
        """Take back what was commanded of the group's stations; True when a command was sent.
        If some could not be reached, the error counts them; those are tried again."""
        records = self.members.records(group, STATE_CURRENCY_S)
        with self._station_locks(group, records):
            command_log, state = self._command_log, self.state_of(group)
            stations = [Target(station) for station in sorted(records)]
            ours = [target for target in stations if may_be_shed(self._commands, target)]
            restorable = any(
                limit is not None
                for target in ours
                for limit in command_log.before(target).values()
            )
            if state is not None and len(ours) == len(stations) > 1 and not restorable:
                self._all_alike(group, records, None, self._new(None, state.options))
                for target in ours:
                    command_log.end_period(target)
                return True
            sent, failed = False, []
            for target in stations:
                try:
                    sent |= revert(self._commands, target)
                except ChargePointError as error:
                    failed.append(error)
            if failed and not sent:
                raise failed[0]
            if state is not None:
                command_log.put({_whole(group): self._new(None, state.options)})
            if failed:
                raise _partly(_whole(group), "are as before", failed, len(stations))
            return sent

    # ---- looking after -------------------------------------------------------------------

    def check(self, group: str) -> None:
        """Renew all shares in one call where that is due, and divide the total again. What the
        service does not report does not hinder a renewal."""
        state = self.state_of(group)
        if state is None or state.is_settled:
            return
        if self._commands.time_s() >= state.stops_s:
            self._stop(group, state)
            return
        records: dict[str, StationRecord] | None = None
        members: Set[str] = frozenset()
        try:
            members = self.members.current_members(group)
            records = self.members.records(group, STATE_CURRENCY_S, members)
        except ChargePointError as error:
            _log.info("%s: its stations' loads are not known: %s", _whole(group), error)
        with self._station_locks(group, records or members, _PATIENCE_S):
            state = self.state_of(group)
            if state is None:
                return
            shares = self._command_log.of_group(group)
            if state.doubt is not None:
                self._find_unanswered(group, members, state, state.doubt)
            elif state.limit is None:
                self._end(group, state)
            elif shares and all(each.expired for each in shares.values()):
                self._command_log.put({_whole(group): replace(state, expired=True)})
            else:
                self._renew_together(group, members, shares, state)
                if records is not None:
                    self._redistribute(group, records, state)
                    self.members.check_load(group, state, records, self._alerts)
                self._command_log.put({_whole(group): self._as_of_shares(group, state)})

    def _stop(self, group: str, state: CommandState) -> None:
        """Deadline or lease of the group are over."""
        whole, by_lease = _whole(group), is_by_lease(state, self._commands.time_s())
        why = why_it_ends(state, by_lease)
        said = describe(state.limit, state.ceiling_kw)
        if by_lease:
            self.revert(group)
        else:
            self.command(group, None, state.options.as_share())
        self.set_note(group, why)
        if by_lease:
            self._alerts.raise_(whole, f"{said}: {why}", About.LEASE)
            self._alerts.resolved(whole, About.LEASE)

    def set_note(self, group: str, why: str) -> None:
        """Note why a group was set free."""
        now = self.state_of(group)
        if now is not None:
            if now.wanted:  # every share had run out already: nothing was sent
                now = self._new(None, now.options.as_share())
            self._command_log.put({_whole(group): replace(now, note=why)})

    def lapse(self, group: str) -> None:
        """Renew nothing of the group any more."""
        gone: dict[Target, CommandState | None] = dict.fromkeys(self._command_log.of_group(group))
        self._command_log.put({**gone, _whole(group): None})
        for target in gone:
            self._command_log.end_period(target)

    def _find_unanswered(
        self, group: str, members: Iterable[str], state: CommandState, doubt: UnconfirmedCommand
    ) -> None:
        """Look for a command that got no answer: its stations show whether it was carried out."""
        shares = self._command_log.of_group(group)
        targets = {Target(station) for station in members} | shares.keys()
        stations = [self._command_log.state_of(target) for target in targets]
        if any(station is not None and station.doubt is not None for station in stations):
            return
        if doubt.limit is None:
            carried_out = not shares
        else:
            carried_out = any(each.commanded_s >= doubt.sent_s for each in shares.values())
        if carried_out:
            self._command_log.put({_whole(group): CommandState.of(doubt)})
            return
        note = f"{describe(doubt.limit)} got no answer and was not seen"
        failed = not state.wanted and not state.commanded_s
        self._command_log.put({_whole(group): replace(state, doubt=None, failed=failed, note=note)})

    def _end(self, group: str, state: CommandState) -> None:
        """Forget a group that was cleared when its stations are."""
        for target, share in self._command_log.of_group(group).items():
            if share.doubt is None:
                self._let_go(target)
        self._command_log.put(
            {_whole(group): replace(state, seen=not self._command_log.of_group(group))}
        )

    def _let_go(self, target: Target) -> None:
        """Clear a station's share of the group's limit."""
        try:
            if not revert(self._commands, target):
                self._command_log.put({target: None})
        except NotFoundError:
            self._command_log.put({target: None})
        except ChargePointError as error:
            _log.warning("%s: its share cannot be cleared at present: %s", target, error)

    def _renew_together(
        self,
        group: str,
        members: Set[str],
        shares: Mapping[Target, CommandState],
        state: CommandState,
    ) -> None:
        if not self._commands.backend.group_calls:
            return
        now_s = self._commands.time_s()
        limits = {each.renewal() for each in shares.values() if each.wanted}
        due = any(each.renews_s <= now_s for each in shares.values())
        if any(each.contested for each in shares.values()):
            return
        complete = {target.station_id for target in shares} == set(members)
        if not due or len(limits) != 1 or not complete or len(shares) < 2:
            return  # one by one, as any station's
        if any(each.doubt is not None or not each.wanted for each in shares.values()):
            return
        try:
            options = state.options.until(state.deadline_s, now_s)
            self._commands.send(_whole(group), limits.pop(), options)
        except ChargePointError as error:
            self._command_log.put({target: each.later(now_s) for target, each in shares.items()})
            if any(each.is_scarce(now_s) for each in shares.values()):
                what = f"its renewal failed: {error.message}"
                self._alerts.raise_(_whole(group), what, About.RENEWAL)
            raise
        self._command_log.put(
            {target: replace(each, sent_s=now_s, retry_s=0.0) for target, each in shares.items()}
        )

    def _redistribute(
        self, group: str, records: Mapping[str, StationRecord], state: CommandState
    ) -> None:
        assert state.limit is not None
        for target in self._command_log.of_group(group):
            if target.station_id not in records:
                self._let_go(target)
        if state.limit.allowed_load_kw is None:
            return
        total_kw = state.limit.allowed_load_kw
        try:
            shares = self._shares.divide(group, records, total_kw, state.options)
        except (InvalidValueError, TransientError) as error:
            self._alerts.raise_(
                _whole(group), f"{describe(state.limit)} cannot be divided again: {error}"
            )
            return
        failed = self._shares.approach(group, shares, total_kw, state.options)
        if failed:
            what = f"{len(failed)} stations did not take their share: {failed[0].message}"
            self._alerts.raise_(_whole(group), what)
            return
        states = self._command_log.of_group(group).values()
        if all(each.seen and each.wanted and not each.retry_s for each in states):
            self._alerts.resolved(_whole(group), About.STATE, About.RENEWAL)

    def _as_of_shares(self, group: str, state: CommandState) -> CommandState:
        shares = [each for each in self._command_log.of_group(group).values() if each.wanted]
        if not shares:
            return state
        # Renewed, and confirmed, when the last of the shares is.
        return replace(
            state,
            sent_s=min(each.sent_s for each in shares),
            seen=False,  # looked at in each round: vehicles come and go
        )

    # ---- inside --------------------------------------------------------------------------

    @contextmanager
    def _station_locks(
        self, group: str, stations: Iterable[str], limit_s: float | None = None
    ) -> Iterator[None]:
        """Hold the locks of the group's stations, and of those that have a share of it still."""
        shares = {target.station_id for target in self._command_log.of_group(group)}
        with ExitStack() as stack:
            # Always in the same order: two groups may share stations.
            for station in sorted(shares.union(stations)):
                stack.enter_context(self._commands.station_locks.of(station, limit_s))
            yield


def _whole(group: str) -> Target:
    return Target("", group=group)


def _is_one_value(shares: Mapping[str, float]) -> bool:
    return len(shares) > 1 and len(set(shares.values())) == 1


def _partly(
    whole: Target, done: str, failed: list[ChargePointError], stations: int, *, again: bool = True
) -> ChargePointError:
    first = failed[0]
    others = "are tried again" if again else "are as before"
    return type(first)(
        f"{whole}: {stations - len(failed)} of {stations} stations {done}; the others {others}: "
        f"{first.message}",
        service_code=first.service_code,
    )
