"""Looking after commands: confirmed, renewed before they run out, looked for where no answer came.

`look_after` does what is due and says when the next thing is; `start` calls it on a thread.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import replace

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import (
    BadValue,
    ChargePointError,
    NothingThere,
    NotPermitted,
    Refused,
    WriteRejected,
)
from chargepoint_driver.service.control.commands import STATE_CURRENCY_S, Commands
from chargepoint_driver.service.control.held import Held, words
from chargepoint_driver.service.control.report import Report
from chargepoint_driver.service.control.site import Sites

__all__ = ["Alert", "Keeping"]

_log = logging.getLogger(__name__)

Alert = Callable[[str, str], None]
"""Called with what an alert is about and what happened."""

# A bound of the sleep between two looks: never busy, and never deaf to a clock that jumps.
_LEAST_S = 1.0
_MOST_S = 60.0
# Errors that say nothing of other stations.
_OF_ONE_STATION = (BadValue, NothingThere, NotPermitted, WriteRejected)
# With less than this part of its time left a command that cannot be renewed is worth an alert.
_SCARCE = 0.4


class Keeping:
    """What has to happen without anybody asking."""

    def __init__(self, commands: Commands, sites: Sites) -> None:
        self._commands = commands
        self._ledger = commands.ledger
        self._sites = sites
        self._alerted: set[Target] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.alert: Alert = _no_alert
        sites.alert = self._alert

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Look after the commands from now on. Once; `stop` ends it."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="chargepoint-sheds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew nothing more: what is in force ends by itself, or is adopted later."""
        self._stopped.set()
        self._ledger.changed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._ledger.changed.clear()
            try:
                wait_s = self.look_after()
            except Exception:  # noqa: BLE001 - logged
                # Whatever it was must not end the renewals of all the others.
                _log.exception("looking after sheds failed; tried again")
                wait_s = _MOST_S
            if self._stopped.wait(_LEAST_S):
                return
            self._ledger.changed.wait(min(max(wait_s - _LEAST_S, 0.0), _MOST_S))

    # ---- looking after -------------------------------------------------------------------

    def look_after(self) -> float:
        """Do what is due; the seconds until something is due next, infinite for never."""
        down: ChargePointError | None = None
        for target in self._ledger.all():
            if self._stopped.is_set():
                break
            held = self._ledger.held(target)
            if held is None:
                continue
            now_s = self._commands.time_s()
            if not held.is_looked_for and held.due_s(now_s) > now_s:
                continue
            try:
                if target.group is not None:
                    self._sites.look(target.group)
                else:
                    with self._commands.turns.of(target.station_id):
                        self._look(target)
            except _OF_ONE_STATION as error:
                _log.warning("%s: %s", target, error)
            except ChargePointError as error:
                # The service does not answer, or not this account; the others are not to find
                # that out one by one.
                down = error
                break
        if down is not None:
            _log.warning("commands cannot be looked after at present: %s", down)
        now_s = self._commands.time_s()
        return min(
            (held.due_s(now_s) - now_s for held in self._ledger.all().values()), default=math.inf
        )

    def _look(self, target: Target) -> None:
        held = self._ledger.held(target)
        if held is None or held.is_settled:
            return
        report = self._commands.report_if_known(target, STATE_CURRENCY_S)
        if held.doubt is not None:
            self._look_for(target, held, report)
        elif held.limit is None:
            self._look_at_clear(target, held, report)
        else:
            self._look_at_shed(target, held, report)

    def _look_for(self, target: Target, held: Held, report: Report | None) -> None:
        """A command that got no answer: carried out, or not?"""
        doubt = held.doubt
        assert doubt is not None
        now_s = self._commands.time_s()
        over = now_s >= doubt.sent_s + doubt.options.confirm_minutes * 60
        if report is not None:
            if doubt.limit is None:
                shown = report.is_clear
            else:
                shown = report.shows(doubt.limit, doubt.ceiling_kw)
            if shown and (over or not _explains(held, report)):
                self._commands.acknowledged(
                    {target: doubt}, rest=self._commands.rest(target), seen=True
                )
                self._resolved(target)
                return
        what = f"{words(doubt.limit)} got no answer"
        if over and report is not None:
            held = replace(
                held,
                doubt=None,
                failed=not held.wanted and not held.commanded_s,
                note=f"{what} and was not seen within {doubt.options.confirm_minutes:g} min",
            )
            self._ledger.put({target: held})
            self._alert(target, f"{held.note}; {report}")
        elif held.limit is not None and now_s >= held.ends_s:
            self._expire(target, held)
        elif held.renews_s <= now_s and doubt.limit is not None and report is not None:
            # What was acknowledged last would run out while the other is looked for. A clear
            # in doubt lets it run out: charging comes back, as somebody wanted.
            self._renew(target, replace(held, doubt=None), f"{what} and was not seen")

    def _look_at_clear(self, target: Target, held: Held, report: Report | None) -> None:
        if report is None:
            return
        if report.is_clear:
            self._ledger.put({target: replace(held, seen=True)})
            self._resolved(target)
        elif self._commands.time_s() > held.confirm_s:
            now_s = self._commands.time_s()
            self._alert(target, f"cleared, and after {held.options.confirm_minutes:g} min {report}")
            held = replace(held, waits_s=now_s, tries=held.tries + 1)
            self._ledger.put({target: held})
            if not held.is_settled:
                self._commands.send(target, None, held.options)

    def _look_at_shed(self, target: Target, held: Held, report: Report | None) -> None:
        assert held.limit is not None
        now_s = self._commands.time_s()
        if now_s >= held.ends_s:
            self._expire(target, held)
            return
        if report is not None:
            if report.shows(held.limit, held.ceiling_kw):
                if not held.seen:
                    held = replace(held, seen=True, note="")
                    self._ledger.put({target: held})
                    self._resolved(target)
            elif held.restored and held.seen:
                # Somebody else has changed what was somebody else's.
                self._ledger.put({target: None})
                return
            elif held.seen or now_s > held.confirm_s:
                said = words(held.limit, held.ceiling_kw)
                self._alert(target, f"{said} was commanded, and {report}; sent again")
                # After reading back what is in force, and not before.
                held = replace(held, seen=False, waits_s=now_s, retry_s=0.0, sent_s=held.sent_s)
                self._ledger.put({target: held})
                self._renew(target, held)
                return
        if held.renews_s <= now_s:
            self._renew(target, held)

    def _renew(self, target: Target, held: Held, note: str = "") -> None:
        """Send it again, so that its time begins anew. Raises what sending it raises."""
        now_s = self._commands.time_s()
        try:
            self._commands.send(target, held.renewal(), held.options)
        except ChargePointError as error:
            held = replace(held.later(now_s), note=f"its renewal failed: {error.message}")
            self._ledger.put({target: held})
            left_s = held.ends_s - now_s
            if isinstance(error, Refused) or left_s < _SCARCE * held.options.minutes * 60:
                self._alert(target, f"{held.note}; charging comes back in {left_s / 60:.0f} min")
            raise
        self._ledger.put({target: replace(held, sent_s=now_s, retry_s=0.0, note=note)})
        _log.info("%s: %s renewed", target, words(held.limit, held.ceiling_kw))

    def _expire(self, target: Target, held: Held) -> None:
        note = held.note or "it was not renewed in time"
        self._ledger.put({target: replace(held, expired=True, doubt=None, note=note)})
        said = words(held.limit, held.ceiling_kw)
        self._alert(target, f"{said} has run out ({note}); charging is free again")

    # ---- alerts --------------------------------------------------------------------------

    def _alert(self, target: Target, what: str) -> None:
        """Raise an alert, once until it is resolved."""
        if target in self._alerted:
            return
        self._alerted.add(target)
        _log.error("%s: %s", target, what)
        try:
            self.alert(str(target), what)
        except Exception:  # noqa: BLE001 - the host's, logged
            _log.exception("the alert could not be raised")

    def _resolved(self, target: Target) -> None:
        if target in self._alerted:
            self._alerted.discard(target)
            _log.info("%s: as commanded again", target)


def _explains(held: Held, report: Report) -> bool:
    """Whether the report is what the command before the doubt would show alone."""
    if held.limit is None:
        return report.is_clear
    return not held.seen or report.shows(held.limit, held.ceiling_kw)


def _no_alert(about: str, what: str) -> None:
    """Where no host listens, the log has it."""
