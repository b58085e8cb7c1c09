"""Sending commands, one at a time for each station, and writing down what came of them.

A command is written down before it is sent, so that one that gets no answer, or whose process
dies, is looked for later instead of sent again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

from chargepoint_driver.backend import Backend, Limit, Target
from chargepoint_driver.cache import SharedCache
from chargepoint_driver.cache.flight import within
from chargepoint_driver.errors import BadValue, ChargePointError, FateUnknown, TryLater
from chargepoint_driver.service.control.held import Doubt, Held, words
from chargepoint_driver.service.control.ledger import Ledger
from chargepoint_driver.service.control.report import Report, report_of
from chargepoint_driver.service.control.turns import Turns
from chargepoint_driver.service.control.values import ShedOptions
from chargepoint_driver.snapshot import StationRecord

__all__ = ["ALARMS", "LOAD", "Commands"]

_log = logging.getLogger(__name__)

LOAD = "getLoad"
ALARMS = "getAlarms"

# How old a report may be that decides whether a shed is in force, or what a percentage is of.
STATE_CURRENCY_S = 30.0
# How old one may be that says what was in force before: reading it anew would delay a shed.
_BEFORE_CURRENCY_S = 120.0


class Commands:
    """Commands of one account. Callers hold the station's turn."""

    def __init__(
        self,
        backend: Backend,
        cache: SharedCache,
        ledger: Ledger,
        limit_s: float,
        time_s: Callable[[], float],
    ) -> None:
        """`limit_s` is how long one command may be waited for."""
        self.backend = backend
        self.cache = cache
        self.ledger = ledger
        self.turns = Turns(2 * limit_s)
        self.time_s = time_s
        self._limit_s = limit_s

    # ---- reading -------------------------------------------------------------------------

    def record(self, station_id: str, currency_s: float = STATE_CURRENCY_S) -> StationRecord:
        """What getLoad reports of a station. Raises what reading it raises."""
        key = (LOAD, station_id)
        outcome = self.cache.get({key: currency_s})[key]
        if outcome.record is None:
            raise outcome.error or ChargePointError(f"{station_id}: the load is not known")
        return outcome.record

    def report(self, target: Target, currency_s: float = STATE_CURRENCY_S) -> Report:
        """What is reported of a station's or port's limits. Raises what reading it raises."""
        return report_of(target, self.record(target.station_id, currency_s))

    def report_if_known(self, target: Target, currency_s: float) -> Report | None:
        try:
            return self.report(target, currency_s)
        except ChargePointError as error:
            _log.info("%s: what is in force cannot be told: %s", target, error)
            return None

    # ---- commands ------------------------------------------------------------------------

    def command(
        self,
        target: Target,
        limit: Limit | None,
        options: ShedOptions,
        *,
        restored: bool = False,
        group: str | None = None,
    ) -> None:
        """Shed a station or port, or clear it (None), and write it down. Sent once.

        Raises FateUnknown when no answer came; the command then stands as a doubt, and what
        was commanded before counts until a report shows it. Any other error means that
        nothing was changed.
        """
        doubt = self.prepare(target, limit, options, group)
        rest = self.rest(target)
        self.doubt({target: doubt})
        try:
            self.send(target, limit, options)
        except FateUnknown:
            raise
        except ChargePointError as error:
            self.refused({target: doubt}, error)
            raise
        self.acknowledged({target: doubt}, rest=rest, restored=restored)

    def prepare(
        self, target: Target, limit: Limit | None, options: ShedOptions, group: str | None = None
    ) -> Doubt:
        """A command that is about to be sent, checked; what is in force before it is noted."""
        report = self.report_if_known(target, _BEFORE_CURRENCY_S)
        ceiling_kw = None
        if limit is not None:
            ceiling_kw = self._ceiling_kw(target, limit)
            check_floor(target, limit, ceiling_kw, options, len(report.ports) if report else 1)
        self.ledger.begin_period(target, report)
        return Doubt(limit, options, self.time_s(), ceiling_kw, group)

    def _ceiling_kw(self, target: Target, limit: Limit) -> float | None:
        """What a percentage comes to, in kW; None for a limit in kW, and for an idle port.
        Raises TryLater when the load that it is of is not reported."""
        if limit.percent_shed is None:
            return None
        load_kw = self.report(target).load_kw
        if load_kw is None:
            raise TryLater(
                f"{target}: the present load, which percentShed is of, is not reported; nothing "
                "was sent. Write allowedLoad, or wait until portLoad is reported"
            )
        if load_kw <= 0:
            _log.warning("%s: %s", target, words(limit))
        # Rounded down, as the service does: a renewal must not allow more than the command.
        return math.floor(load_kw * (100 - limit.percent_shed) * 10 + 1e-6) / 1000 or None

    def rest(self, target: Target) -> dict[Target, Held | None]:
        """When one port of a station that is held as a whole is commanded: the other ports'
        shares as commands of their own, in place of the station's. Otherwise the next renewal
        of the station would undo the port's command."""
        whole = Target(target.station_id)
        held = self.ledger.held(whole)
        if target.port is None or held is None:
            return {}
        if not held.wanted or self.time_s() >= held.ends_s:
            return {whole: None}
        report = self.report(whole, _BEFORE_CURRENCY_S if held.seen else STATE_CURRENCY_S)
        rest: dict[Target, Held | None] = {whole: None}
        for port, found in report.ports.items():
            if port != target.port:
                limit, ceiling_kw = _share(held, found.limit, found.load_kw, len(report.ports))
                rest[Target(target.station_id, port)] = replace(
                    held, limit=limit, ceiling_kw=ceiling_kw, seen=False, waits_s=self.time_s()
                )
        return rest

    # ---- the books -----------------------------------------------------------------------

    def doubt(self, doubts: dict[Target, Doubt]) -> None:
        """Write down what is about to be sent."""
        self.ledger.put(
            {
                target: replace(self.ledger.held(target) or Held(seen=True), doubt=doubt)
                for target, doubt in doubts.items()
            }
        )

    def refused(self, doubts: dict[Target, Doubt], error: ChargePointError) -> None:
        """What was sent was not carried out: all stands as before, and says so."""
        changes: dict[Target, Held | None] = {}
        for target, doubt in doubts.items():
            held = self.ledger.held(target) or Held(seen=True)
            changes[target] = replace(
                held,
                doubt=None,
                failed=not held.wanted and not held.commanded_s,
                note=f"{words(doubt.limit)} failed: {error.message}",
            )
        self.ledger.put(changes)

    def acknowledged(
        self,
        doubts: dict[Target, Doubt],
        *,
        rest: dict[Target, Held | None] | None = None,
        restored: bool = False,
        seen: bool = False,
    ) -> None:
        """What was sent is what counts now. A station's command takes the place of those of
        its ports."""
        changes = dict(rest or {})
        for target, doubt in doubts.items():
            if target.port is None:
                others = self.ledger.of_station(target.station_id)
                changes |= dict.fromkeys(others.keys() - {target})
            before = self.ledger.covering(target)
            most_kw = math.inf if before is None else before.most_kw()
            changes[target] = Held(
                limit=doubt.limit,
                options=doubt.options,
                commanded_s=doubt.sent_s,
                sent_s=doubt.sent_s,
                waits_s=doubt.sent_s,
                ceiling_kw=doubt.ceiling_kw,
                before_kw=most_kw if math.isfinite(most_kw) else None,
                seen=seen,
                restored=restored,
                group=doubt.group if doubt.limit is not None else None,
            )
            _log.info("%s: %s%s", target, words(doubt.limit, doubt.ceiling_kw), _for(doubt))
        self.ledger.put(changes)

    # ---- sending -------------------------------------------------------------------------

    def send(self, target: Target, limit: Limit | None, options: ShedOptions) -> None:
        """One shed or clear, once, with nothing written down."""
        if limit is None:
            self.send_once(lambda: self.backend.clear(target), LOAD, target)
        else:
            self.send_once(lambda: self.backend.shed(target, limit, options.minutes), LOAD, target)

    def send_once(self, command: Callable[[], None], call: str, target: Target) -> None:
        """One command, once. What the service reported before it is out of date, also when
        the command failed: it may have been carried out."""
        try:
            self.within(command, f"writing to {target}")
        finally:
            stations = (
                [target.station_id] if target.group is None else self.cache.members(target.group)
            )
            for station in stations:
                self.cache.touch(call, station)

    def within(self, command: Callable[[], None], what: str) -> None:
        """Carry out within the limit of one command; FateUnknown after it."""
        within(command, self._limit_s, what, FateUnknown)


def _for(doubt: Doubt) -> str:
    """How long a command lasts, in words; nothing for a clear."""
    if doubt.limit is None:
        return ""
    minutes = doubt.options.minutes
    return f", for {minutes} min unless renewed" if minutes else ", without end"


def check_floor(
    target: Target, limit: Limit, ceiling_kw: float | None, options: ShedOptions, ports: int
) -> None:
    """Raises BadValue for a limit that is neither an explicit 0 nor enough for each port."""
    least_kw = options.floor_kw * ports
    kw = limit.allowed_load_kw
    if kw is None:
        kw = ceiling_kw or 0.0
        stop = limit.percent_shed == 100
    else:
        stop = kw == 0
    if stop or kw >= least_kw - 1e-9:
        return
    raise BadValue(
        f"{target}: {words(limit, ceiling_kw)} would leave less than floor_kw "
        f"({options.floor_kw:g} kW for each of {ports} ports); write {least_kw:g} kW or more, or "
        "0 kW to stop charging"
    )


def _share(
    held: Held, reported: Limit | None, load_kw: float | None, ports: int
) -> tuple[Limit, float | None]:
    """(one port's limit, what a percentage comes to) of a station's command."""
    assert held.limit is not None
    if held.limit.percent_shed is not None:
        if held.seen:
            return held.limit, load_kw or None
        kept = (100 - held.limit.percent_shed) / 100
        return held.limit, (load_kw or 0.0) * kept or None
    if held.seen and reported is not None and reported.allowed_load_kw is not None:
        return reported, None
    assert held.limit.allowed_load_kw is not None
    # The service has not said yet how it divides the limit; equal parts do not exceed it.
    return Limit(allowed_load_kw=held.limit.allowed_load_kw / ports), None
