"""Supervision of commands: confirms them, renews them in time, and looks for unanswered ones.

`run_due` does what is due and returns when the next thing is; `start` calls it on a thread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import ChargePointError, RefusedError
from chargepoint_driver.process import threads
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.groups.allocation import OF_ONE_STATION
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
    describe,
)
from chargepoint_driver.service.shed_control.records.reported_state import Report, report_of
from chargepoint_driver.service.shed_control.sending.dispatcher import STATE_CURRENCY_S, Dispatcher
from chargepoint_driver.service.shed_control.sending.ending import Ending
from chargepoint_driver.service.shed_control.sending.staging import Staging
from chargepoint_driver.service.shed_control.sending.station_locks import StationBusyError
from chargepoint_driver.service.shed_control.supervision.obeying import Obeying
from chargepoint_driver.text import get_logger

__all__ = ["ShedSupervisor"]

_log = get_logger(__name__)

# A bound of the sleep between two looks: never busy, and never deaf to a clock that jumps.
_MIN_S = 1.0
_MAX_S = 60.0
# The least after a service that did not answer, and how long to wait for a lock: its holder
# writes, and there is another look.
_PAUSE_S = 10.0
_PATIENCE_S = 2.0
# How often another limit may stand in the place of ours until it is left alone.
_MAX_TAKEN = 2


class ShedSupervisor:
    """Supervisor of commands: renews, confirms, reverts and ends them."""

    def __init__(
        self,
        commands: Dispatcher,
        group_controller: GroupController,
        alerts: Alerts,
        staging: Staging,
    ) -> None:
        self._commands = commands
        self._alerts = alerts
        self._command_log = commands.command_log
        self._groups = group_controller
        self._watch = commands.watch
        self._obeying = Obeying(commands, alerts)
        self._ending = Ending(commands, alerts)
        self._staging = staging
        self._looked_s: dict[Target, float] = {}
        self._stopped = threads.Event()
        self._thread: threading.Thread | None = None

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Look after the commands from now on. Once; `stop` ends it."""
        if self._thread is not None:
            return
        self._thread = threads.Thread(target=self._run, name="chargepoint-sheds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew nothing more: what is in force expires, or is adopted later."""
        self._stopped.set()
        self._command_log.changed.set()
        if self._thread is not None and self._thread is not threads.current_thread():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._command_log.changed.clear()
            try:
                wait_s = self.run_due()
            except Exception:  # noqa: BLE001 - logged
                # Whatever it was must not end the renewals of all the others.
                _log.exception("looking after sheds failed; tried again")
                wait_s = _MAX_S
            if self._stopped.wait(_MIN_S):
                return
            self._command_log.changed.wait(min(max(wait_s - _MIN_S, 0.0), _MAX_S))

    # ---- looking after -------------------------------------------------------------------

    def run_due(self) -> float:
        """Do what is due; the seconds until something is due next, infinite for never."""
        now_s = self._commands.time_s()
        self._command_log.catch_up()
        urgent = self._watch.take_urgent()
        everything = self._command_log.all()
        self._forget(everything.keys())
        due = [
            (target, state)
            for target, state in everything.items()
            if state.is_looked_for
            or target in urgent
            or state.due_s(now_s) <= now_s
            or self._due_in_s(target, state, now_s) <= now_s
        ]
        # Groups first: one call may renew all their stations.
        due.sort(key=lambda each: each[0].group is None)
        # One read for all, and before any turn is taken: no write waits for it.
        stations = {target.station_id for target, _ in due if target.group is None}
        records = self._commands.records(stations) if stations else {}
        least_s = 0.0
        self._looked_s.update(dict.fromkeys((target for target, _ in due), now_s))
        for target, state in due:
            if self._stopped.is_set():
                break
            try:
                self._check_target(target, state, records.get(target.station_id))
            except (*OF_ONE_STATION, StationBusyError) as error:
                _log.warning("%s: %s", target, error)
            except ChargePointError as error:
                # The service does not answer, or not this account; the others are not to find
                # that out one by one.
                _log.warning("commands cannot be looked after at present: %s", error)
                least_s = _PAUSE_S
                break
            except Exception:  # noqa: BLE001 - logged
                # Whatever it was must not end the renewals of all the others.
                _log.exception("%s cannot be looked after", target)
                least_s = _PAUSE_S
        now_s = self._commands.time_s()
        waits_s = (
            min(state.due_s(now_s), self._due_in_s(target, state, now_s)) - now_s
            for target, state in self._command_log.all().items()
        )
        staged_s = self._staging.check(now_s)
        return min(staged_s, max(least_s, min(waits_s, default=math.inf)))

    def _due_in_s(self, target: Target, state: CommandState, now_s: float) -> float:
        """Return when the load of a target is to be looked at next."""
        return self._watch.due_s(target, state, now_s, self._looked_s.get(target, 0.0))

    def _forget(self, targets: Iterable[Target]) -> None:
        """Forget the loads of what is not commanded any more."""
        known = set(targets)
        self._watch.loads.keep_only(known)
        self._obeying.keep_only(known)
        for target in self._looked_s.keys() - known:
            del self._looked_s[target]

    def _check_target(
        self, target: Target, state: CommandState, record: StationRecord | ChargePointError | None
    ) -> None:
        if target.group is not None:
            self._groups.check(target.group)
            return
        report = None
        try:
            if not isinstance(record, StationRecord):
                raise record or ChargePointError("not asked for")
            report = report_of(target, record)
        except ChargePointError as error:
            _log.info("%s: the limit in force is unknown: %s", target, error)
        with self._commands.station_locks.of(target.station_id, _PATIENCE_S):
            # What was commanded, or renewed, meanwhile has its own time.
            if self._command_log.state_of(target) is state:
                self._check(target, state, report)

    def _check(self, target: Target, state: CommandState, report: Report | None) -> None:
        # A share's deadline and lease are its group's.
        if self._commands.time_s() >= state.stops_s and state.group is None:
            self._ending.end(target, state)
        elif state.doubt is not None:
            self._find_unanswered(target, state, state.doubt, report)
        elif state.limit is None:
            self._check_clear(target, state, report)
        else:
            self._check_shed(target, state, state.limit, report)

    def _find_unanswered(
        self, target: Target, state: CommandState, doubt: UnconfirmedCommand, report: Report | None
    ) -> None:
        """Look for a command that got no answer: was it carried out?"""
        now_s = self._commands.time_s()
        # The report that decides may be as old as a look.
        over = now_s >= doubt.sent_s + doubt.options.confirm_minutes * 60 + STATE_CURRENCY_S
        if doubt.adopted and report is not None and _is_known(report):
            if doubt.limit is None and report.is_clear and not over:
                # Nothing is in force, so a second clear does no harm, and settles it.
                self._commands.command(target, None, doubt.options)
                self._command_log.end_period(target, unless_restorable=True)
                return
            # Chargers that connect directly act at once: their first report decides.
            over = over or self._watch.is_direct
        if report is not None and (over or not _explains(state, report)):
            if doubt.limit is None:
                shown = report.is_clear
            else:
                shown = report.shows(doubt.limit, doubt.ceiling_kw)
            if shown:
                self._commands.commit(
                    {target: doubt}, rest=self._commands.split_station_command(target), seen=True
                )
                if doubt.limit is None:
                    self._command_log.end_period(target, unless_restorable=True)
                self._alerts.resolved(target)
                return
        what = f"{describe(doubt.limit)} got no answer"
        if over and report is not None:
            self._drop(target, state, doubt, f"{what} and was not seen", report)
        elif state.wanted and now_s >= state.ends_s:
            self._expire(target, state)
        elif state.wanted and doubt.limit is not None and state.is_scarce(now_s):
            # What was acknowledged last would run out while the other is looked for. A clear
            # in doubt lets it run out: charging comes back, as somebody wanted.
            self._renew(target, state, f"{what} and was not seen")

    def _drop(
        self,
        target: Target,
        state: CommandState,
        doubt: UnconfirmedCommand,
        what: str,
        report: Report,
    ) -> None:
        """Give up a command that got no answer: what was acknowledged last counts on, and has
        to be seen again, also where it is of a port and the doubt was of the station."""
        now_s = self._commands.time_s()
        note = f"{what} within {doubt.options.confirm_minutes:g} min"
        changes: dict[Target, CommandState | None] = {
            other: replace(each, seen=False, waits_s=now_s)
            for other, each in self._crossing(target).items()
            if each.wanted and each.doubt is None
        }
        self._command_log.put(changes)
        seen = state.seen and not state.wanted
        stands = replace(state, doubt=None, seen=seen, waits_s=now_s)
        self._command_log.put(self._commands.restore_previous(target, stands, note))
        self._command_log.forget(target.station_id, doubt.began)
        self._alerts.raise_(target, f"{note}; {report}")

    def _check_clear(self, target: Target, state: CommandState, report: Report | None) -> None:
        if report is None or self._is_crossed(target):
            return
        if report.is_clear:
            self._command_log.put({target: replace(state, seen=True)})
            self._alerts.resolved(target)
        elif self._commands.time_s() > state.confirm_s:
            now_s = self._commands.time_s()
            self._alerts.raise_(
                target, f"cleared, and after {state.options.confirm_minutes:g} min {report}"
            )
            state = replace(state, waits_s=now_s, tries=state.tries + 1)
            self._command_log.put({target: state})
            if not state.is_settled:
                self._commands.send(target, None, state.options)

    def _check_shed(
        self, target: Target, state: CommandState, limit: Limit, report: Report | None
    ) -> None:
        now_s = self._commands.time_s()
        if now_s >= state.ends_s:
            self._expire(target, state)
            return
        if state.contested:
            self._check_contested(target, state, limit, report)
            return
        if self._is_crossed(target):
            # What is reported may be the other command's. Nothing is concluded from it, and
            # nothing sent over it that can wait, until its fate is known.
            if state.renews_s <= now_s and state.is_scarce(now_s):
                self._renew(target, state)
            return
        if report is not None:
            if report.shows(limit, state.ceiling_kw):
                if not state.seen:
                    # Why something was put back is worth knowing for as long as it lasts.
                    note = state.note if state.restored else ""
                    state = replace(state, seen=True, tries=0, note=note)
                    self._command_log.put({target: state})
                    self._alerts.resolved(target, About.STATE)
                self._obeying.check(target, state, limit)
            elif state.restored and state.seen:
                # Somebody else has changed what was somebody else's.
                self._command_log.put({target: None})
                return
            elif state.seen or now_s > state.confirm_s:
                self._send_again(target, state, limit, report)
                return
            else:
                self._obeying.check(target, state, limit)
        if state.renews_s <= now_s:
            self._renew(target, state)

    def _send_again(
        self, target: Target, state: CommandState, limit: Limit, report: Report
    ) -> None:
        """Send a limit again that is not in force: somebody ended it, or another limit stands in
        its place."""
        now_s = self._commands.time_s()
        said = describe(limit, state.ceiling_kw)
        if not self._is_another(target, state, report):
            self._alerts.raise_(target, f"{said} was commanded, and {report}; sent again")
        else:
            taken = state.taken + 1
            what = f"contested: {said} was commanded, and {report}: another controller limits it"
            if taken >= _MAX_TAKEN:
                note = "another limit stands in its place again; it is not sent any more"
                self._alerts.raise_(target, f"{what}; {note}", About.CONTEST)
                self._command_log.put(
                    {target: replace(state, taken=taken, contested=True, note=note)}
                )
                return
            self._alerts.raise_(
                target, f"{what}; sent again once, and not the next time", About.CONTEST
            )
            state = replace(state, taken=taken)
        # After reading back what is in force, and not before.
        state = replace(state, seen=False, waits_s=now_s, retry_s=0.0, tries=state.tries + 1)
        self._command_log.put({target: state})
        self._renew(target, state)

    def _is_another(self, target: Target, state: CommandState, report: Report) -> bool:
        """Return True if what is reported is another controller's limit, and not what was in force
        before this command, which may not have been carried out."""
        if not report.is_shed or state.seen:
            return report.is_shed
        before = [limit for limit in self._command_log.before(target).values() if limit is not None]
        if state.before_kw is not None:
            before.append(Limit(allowed_load_kw=state.before_kw))
        return not any(report.shows(limit, None) for limit in before)

    def _check_contested(
        self, target: Target, state: CommandState, limit: Limit, report: Report | None
    ) -> None:
        """Another limit stands in place of ours. Once it is gone, ours is sent again."""
        if report is None:
            return
        if report.shows(limit, state.ceiling_kw) or report.is_clear:
            now_s = self._commands.time_s()
            state = replace(state, contested=False, seen=False, waits_s=now_s, retry_s=0.0, note="")
            self._command_log.put({target: state})
            self._renew(target, state)

    def _crossing(self, target: Target) -> dict[Target, CommandState]:
        """Return what was commanded of the same station that reaches the target, or that it
        reaches."""
        return {
            other: state
            for other, state in self._command_log.of_station(target.station_id).items()
            if other != target and None in (target.port, other.port)
        }

    def _is_crossed(self, target: Target) -> bool:
        """Return True if a command in doubt may have changed what is in force at the target."""
        return any(state.doubt is not None for state in self._crossing(target).values())

    def _renew(self, target: Target, state: CommandState, note: str = "") -> None:
        """Send it again, so that its time begins again. Raises what sending it raises."""
        now_s = self._commands.time_s()
        if state.retry_s > now_s:
            return
        of_group = state.group and self._command_log.state_of(Target("", group=state.group))
        if isinstance(of_group, CommandState) and now_s >= of_group.stops_s:
            return  # its group's time is over, and it is being cleared
        options = state.options.until((of_group or state).deadline_s, now_s)
        try:
            self._commands.send(target, state.renewal(), options)
        except ChargePointError as error:
            state = replace(state.later(now_s), note=f"its renewal failed: {error.message}")
            self._command_log.put({target: state})
            left_s = state.ends_s - now_s
            if isinstance(error, RefusedError) or state.is_scarce(now_s):
                what = f"{state.note}; charging comes back in {left_s / 60:.0f} min"
                self._alerts.raise_(target, what, About.RENEWAL)
            raise
        self._command_log.put(
            {target: replace(state, sent_s=now_s, retry_s=0.0, note=note, doubt=None)}
        )
        self._alerts.resolved(target, About.RENEWAL)
        _log.info("%s: %s renewed", target, describe(state.limit, state.ceiling_kw))

    def _expire(self, target: Target, state: CommandState) -> None:
        """Record that a command expired. A later command that got no answer is looked for all the
        same."""
        note = state.note or "it was not renewed in time"
        self._command_log.put({target: replace(state, expired=True, note=note)})
        said = describe(state.limit, state.ceiling_kw)
        self._alerts.raise_(
            target, f"{said} has run out ({note}); charging is free again", About.RENEWAL
        )


def _is_known(report: Report) -> bool:
    """Return True if every port reports whether it is shed."""
    return bool(report.ports) and all(port.shed is not None for port in report.ports.values())


def _explains(state: CommandState, report: Report) -> bool:
    """Return True if the report is what the command before the doubt would show alone."""
    if state.limit is None:
        return report.is_clear
    return not state.seen or report.shows(state.limit, state.ceiling_kw)
