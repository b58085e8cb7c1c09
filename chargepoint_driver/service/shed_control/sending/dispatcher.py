"""Sending commands, one at a time for each station, and writing down what came of them.

A command is written down before it is sent, so that one that gets no answer, or whose process
dies, is looked for later instead of sent again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace

from chargepoint_driver.backend import Backend, DirectBackend, Limit, Target
from chargepoint_driver.cache import DirectCache, Outcome, SharedCache
from chargepoint_driver.cache.single_flight import within
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
    describe,
)
from chargepoint_driver.service.shed_control.records.reported_state import (
    UNREPORTED,
    PortReport,
    Report,
    report_of,
)
from chargepoint_driver.service.shed_control.sending.station_locks import StationLocks
from chargepoint_driver.service.shed_control.sending.watch import EFFECT_S, ShedWatch
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = ["Dispatcher"]

_log = get_logger(__name__)

# How old a report may be that decides whether a shed is in force, or what a percentage is of.
STATE_CURRENCY_S = 30.0
# How old the report of the limit before may be: reading it again would delay a shed.
_BEFORE_CURRENCY_S = 120.0
# How often the loads of chargers that connect directly are looked at: it costs no call.
_LOOK_S = 15.0


class Dispatcher:
    """Commands of one account. Callers hold the station's turn."""

    def __init__(
        self,
        backend: Backend,
        cache: SharedCache | DirectCache,
        command_log: CommandLog,
        limit_s: float,
        time_s: Callable[[], float],
    ) -> None:
        """`limit_s` is how long one command may be waited for."""
        self.backend = backend
        self.cache = cache
        self.command_log = command_log
        self.station_locks = StationLocks(2 * limit_s)
        self.time_s = time_s
        self._limit_s = limit_s
        # Backends outside of this package may not say.
        effect_s = getattr(backend, "effect_s", EFFECT_S)
        look_s = _LOOK_S if isinstance(backend, DirectBackend) else None
        self.watch = ShedWatch(command_log, time_s, effect_s, look_s)

    # ---- reading -------------------------------------------------------------------------

    def record(self, station_id: str, currency_s: float = STATE_CURRENCY_S) -> StationRecord:
        """Return what is reported of a station. Raises what reading it raises."""
        found = self.records([station_id], currency_s)[station_id]
        if isinstance(found, ChargePointError):
            raise found
        return found

    def records(
        self, stations: Iterable[str], currency_s: float = STATE_CURRENCY_S
    ) -> dict[str, StationRecord | ChargePointError]:
        """Return what is reported of stations, read together, or why it is not known."""
        return {
            station: outcome.record
            or outcome.error
            or ChargePointError(f"{station}: the load is not known")
            for station, outcome in self.outcomes(stations, currency_s).items()
        }

    def outcomes(self, stations: Iterable[str], currency_s: float) -> dict[str, Outcome]:
        """As `records`, with the age of each."""
        asked = {self.cache.key(Data.LOAD, station): currency_s for station in stations}
        found = {station: outcome for (_, station), outcome in self.cache.get(asked).items()}
        for outcome in found.values():
            if outcome.record is not None:
                self.observe(outcome.record, outcome.age_s or 0.0)
        return found

    def observe(self, record: StationRecord, age_s: float) -> None:
        """Take in what is reported of a station: what it shows of a limit is acted on."""
        self.watch.observe(record, age_s, self.cache.replied(Data.LOAD, record.station_id))

    def check_is_whole(self, record: StationRecord) -> None:
        """Raises NotFoundError when what is reported of a station lacks one of its ports: a
        sum over the others would be too low."""
        missing = self.cache.ports(record.station_id) - record.ports.keys()
        if missing:
            ports = ", ".join(map(str, sorted(missing)))
            call, _ = self.cache.key(Data.LOAD, record.station_id)
            raise NotFoundError(
                f"{call}: the reply leaves out port {ports} of station {record.station_id}: "
                "the total cannot be computed; read the ports individually"
            )

    def report(self, target: Target, currency_s: float = STATE_CURRENCY_S) -> Report:
        """Return what is reported of a station's or port's limits. Raises what reading it
        raises."""
        return report_of(target, self.record(target.station_id, currency_s))

    def report_if_known(self, target: Target, currency_s: float) -> Report | None:
        try:
            return self.report(target, currency_s)
        except ChargePointError as error:
            _log.info("%s: the limit in force is unknown: %s", target, error)
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

        Raises OutcomeUnknownError when no answer came; the command then stands as a doubt, and what
        was commanded before counts until a report shows it. Any other error means that
        nothing was changed.
        """
        rest = self.split_station_command(target)
        doubt = self.check_and_record_before(target, limit, options, group)
        try:
            before = self.mark_unconfirmed({target: doubt})
        except TransientError:
            with suppress(OutcomeUnknownError):  # nothing was sent
                self.command_log.forget(target.station_id, doubt.began)
            raise
        try:
            self.send(target, limit, options, recorded=(target,))
        except OutcomeUnknownError:
            raise
        except ChargePointError as error:
            self.roll_back({target: doubt}, before, error)
            raise
        self.commit({target: doubt}, rest=rest, restored=restored)

    def check_and_record_before(
        self, target: Target, limit: Limit | None, options: ShedOptions, group: str | None = None
    ) -> UnconfirmedCommand:
        """Return a command that is about to be sent, checked; what is in force before it is
        noted."""
        report = self.report_if_known(target, _BEFORE_CURRENCY_S)
        ceiling_kw = None
        if limit is not None:
            ceiling_kw = self._ceiling_kw(target, limit)
            check_floor(target, limit, ceiling_kw, options, len(report.ports) if report else 1)
        began = self.command_log.begin_period(target, report)
        return UnconfirmedCommand(limit, options, self.time_s(), ceiling_kw, group, tuple(began))

    def _ceiling_kw(self, target: Target, limit: Limit) -> float | None:
        """Return the limit of a percentage in kW; None for a limit in kW, and for an idle port.
        Raises TransientError when the load that it is of is not reported."""
        if limit.percent_shed is None:
            return None
        load_kw = self.report(target).load_kw
        if load_kw is None:
            raise TransientError(
                f"{target}: the present load, which percentShed is of, is not reported; nothing "
                "was sent. Write allowedLoad, or wait until portLoad is reported"
            )
        # Rounded down, as the service does: a renewal must not allow more than the command.
        return math.floor(load_kw * (100 - limit.percent_shed) * 10 + 1e-6) / 1000 or None

    def split_station_command(self, target: Target) -> dict[Target, CommandState | None]:
        """Return when one port of a station that is held as a whole is commanded: the other ports'
        shares as commands of their own, in place of the station's. Otherwise the next renewal
        of the station would undo the port's command."""
        whole = Target(target.station_id)
        state = self.command_log.state_of(whole)
        if target.port is None or state is None:
            return {}
        wanted = state.wanted and self.time_s() < state.ends_s
        if not wanted and state.doubt is None:
            return {whole: None}
        report = self.report_if_known(whole, _BEFORE_CURRENCY_S if state.seen else STATE_CURRENCY_S)
        if report is None:
            # A shed has to get through; the ports were noted when the station was commanded.
            report = Report(dict.fromkeys(filter(None, self.command_log.before(whole)), UNREPORTED))
        if not report.ports:
            raise TransientError(
                f"{target}: {whole} is held as a whole, and its ports are not known; nothing was "
                "sent. Write the station, or wait until its load is reported"
            )
        rest: dict[Target, CommandState | None] = {whole: None}
        for port, found in report.ports.items():
            if port != target.port:
                own = CommandState(seen=True)
                if wanted:
                    limit, ceiling_kw = _share(state, found, len(report.ports))
                    own = replace(state, limit=limit, ceiling_kw=ceiling_kw, seen=False)
                    own = replace(own, waits_s=self.time_s())
                doubt = state.doubt and _share_of_doubt(state.doubt, len(report.ports))
                rest[Target(target.station_id, port)] = replace(own, doubt=doubt)
        return rest

    # ---- the books -----------------------------------------------------------------------

    def mark_unconfirmed(
        self, doubts: Mapping[Target, UnconfirmedCommand]
    ) -> dict[Target, CommandState | None]:
        """Write down what is about to be sent; what stood there before. Raises TransientError where
        it cannot be stored and must be: nothing was sent then."""
        before = {target: self.command_log.state_of(target) for target in doubts}
        self.command_log.note(
            {
                target: replace(before[target] or CommandState(seen=True), doubt=doubt)
                for target, doubt in doubts.items()
            }
        )
        return before

    def roll_back(
        self,
        doubts: Mapping[Target, UnconfirmedCommand],
        before: Mapping[Target, CommandState | None],
        error: ChargePointError,
    ) -> None:
        """Roll back a command that was not carried out; an older unconfirmed command stays."""
        changes: dict[Target, CommandState | None] = {}
        for target, doubt in doubts.items():
            note = f"{describe(doubt.limit)} failed: {error.message}"
            changes |= self.restore_previous(
                target, before[target] or CommandState(seen=True), note
            )
            with suppress(OutcomeUnknownError):  # nothing was sent; the error has the reason
                self.command_log.forget(target.station_id, doubt.began)
        with suppress(OutcomeUnknownError):
            self.command_log.put(changes)

    def restore_previous(
        self, target: Target, state: CommandState, note: str
    ) -> dict[Target, CommandState | None]:
        """Return the changes when a command had no effect and `state` stands."""
        whole = Target(target.station_id)
        above = self.command_log.state_of(whole) if target.port is not None else None
        never = not state.commanded_s and state.doubt is None
        if never and above is not None:
            return {target: None, whole: replace(above, note=note)}
        return {target: replace(state, failed=never and not state.wanted, note=note)}

    def commit(
        self,
        doubts: Mapping[Target, UnconfirmedCommand],
        *,
        rest: dict[Target, CommandState | None] | None = None,
        restored: bool = False,
        seen: bool = False,
    ) -> None:
        """Commit a command that was acknowledged. A station's command takes the place of those of
        its ports."""
        changes = dict(rest or {})
        for target, doubt in doubts.items():
            if target.port is None:
                others = self.command_log.of_station(target.station_id)
                changes |= dict.fromkeys(others.keys() - {target})
            before = self.command_log.covering(target)
            most_kw = math.inf if before is None else before.most_kw()
            since_s = self._since_s(before, doubt)
            if since_s == doubt.sent_s:
                kw = _commanded_kw(doubt.limit, doubt.ceiling_kw)
                self.watch.loads.begin(target, kw, doubt.options.most_kw(kw))
            self.command_log.unsent.pop(target, None)
            changes[target] = replace(
                CommandState.of(doubt),
                before_kw=most_kw if math.isfinite(most_kw) else None,
                seen=seen,
                restored=restored,
                group=doubt.group if doubt.limit is not None else None,
                since_s=since_s,
            )
            _log.info("%s: %s%s", target, describe(doubt.limit, doubt.ceiling_kw), _for(doubt))
        self.command_log.put(changes)

    @staticmethod
    def _since_s(before: CommandState | None, doubt: UnconfirmedCommand) -> float:
        """From when the load has to obey: a limit that was as low already needs no time to take
        effect."""
        if before is None or not before.wanted or before.contested or doubt.limit is None:
            return doubt.sent_s
        commanded_kw, kw = _commanded_kw(before.limit, before.ceiling_kw), doubt.most_kw()
        is_as_low = commanded_kw <= kw and before.group == doubt.group
        return (before.since_s or before.commanded_s) if is_as_low else doubt.sent_s

    # ---- sending -------------------------------------------------------------------------

    def send(
        self,
        target: Target,
        limit: Limit | None,
        options: ShedOptions,
        recorded: Collection[Target] = (),
    ) -> None:
        """Send one shed or clear, once. `recorded`: the targets whose doubts it settles; for others
        nothing is written down."""

        def command() -> None:
            with self.command_log.sending(recorded) if recorded else nullcontext():
                if limit is None:
                    self.backend.clear(target)
                else:
                    self.backend.shed(target, limit, options.minutes)

        self.send_once(command, Data.LOAD, target)

    def send_once(self, command: Callable[[], None], data: Data, target: Target) -> None:
        """Send one command, once. What the service reported before it is out of date, also when
        the command failed: it may have been carried out."""

        def checked() -> None:
            self.command_log.check()
            command()

        try:
            self.within(checked, f"writing to {target}")
        finally:
            stations = (
                [target.station_id] if target.group is None else self.cache.members(target.group)
            )
            for station in stations:
                self.cache.touch(data, station)

    def within(self, command: Callable[[], None], what: str) -> None:
        """Carry out within the limit of one command; OutcomeUnknownError after it."""
        within(command, self._limit_s, what, OutcomeUnknownError)


def _for(doubt: UnconfirmedCommand) -> str:
    """Return how long a command lasts, as text; nothing for a clear."""
    if doubt.limit is None:
        return ""
    minutes = doubt.options.minutes
    return f", for {minutes:g} min unless renewed" if minutes else ", without end"


def check_floor(
    target: Target, limit: Limit, ceiling_kw: float | None, options: ShedOptions, ports: int
) -> None:
    """Raises InvalidValueError for a limit that is neither an explicit 0 nor enough for each
    port."""
    least_kw = options.floor_kw * ports
    kw = limit.allowed_load_kw
    if kw is None:
        kw = ceiling_kw or 0.0
        stop = limit.percent_shed == 100
    else:
        stop = kw == 0
    if stop or kw >= least_kw - 1e-9:
        return
    raise InvalidValueError(
        f"{target}: {describe(limit, ceiling_kw)} would leave less than floor_kw "
        f"({options.floor_kw:g} kW for each of {ports} ports); write {least_kw:g} kW or more, or "
        "0 kW to stop charging"
    )


def _share(state: CommandState, found: PortReport, ports: int) -> tuple[Limit, float | None]:
    """Return (one port's limit, the kW of a percentage) of a station's command."""
    assert state.limit is not None
    if state.limit.percent_shed is not None:
        if state.seen:
            return state.limit, found.load_kw or None
        kept = (100 - state.limit.percent_shed) / 100
        return state.limit, (found.load_kw or 0.0) * kept or None
    if state.seen and found.limit is not None and found.limit.allowed_load_kw is not None:
        return found.limit, None
    # The service has not said yet how it divides the limit; equal parts do not exceed it.
    return _part(state.limit, ports), None


def _share_of_doubt(doubt: UnconfirmedCommand, ports: int) -> UnconfirmedCommand:
    """Return one port's part of a station's command in doubt."""
    limit = None if doubt.limit is None else _part(doubt.limit, ports)
    ceiling_kw = None if doubt.ceiling_kw is None else doubt.ceiling_kw / ports
    return replace(doubt, limit=limit, ceiling_kw=ceiling_kw, began=())


def _commanded_kw(limit: Limit | None, ceiling_kw: float | None) -> float:
    if limit is None:
        return math.inf
    return (ceiling_kw or 0.0) if limit.allowed_load_kw is None else limit.allowed_load_kw


def _part(limit: Limit, ports: int) -> Limit:
    if limit.allowed_load_kw is None:
        return limit
    return Limit(allowed_load_kw=limit.allowed_load_kw / ports)
