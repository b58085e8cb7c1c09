"""The event stream of one account: what is stored where, and who hands it to the sinks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chargepoint_driver.backend import Backend, StreamingBackend, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.config import Account, AccountConfig
from chargepoint_driver.errors import ChargePointError, ConfigurationError, NotFoundError
from chargepoint_driver.events import EventStream, SinkState
from chargepoint_driver.events.anomaly_reader import AnomalyReader
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.outbox import Outbox
from chargepoint_driver.process.hand_over import HandOver
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.event_log import EventLog
from chargepoint_driver.service.shed_control import ShedController
from chargepoint_driver.service.station_alerts import StationAlerts
from chargepoint_driver.text import get_logger

__all__ = ["AccountStream"]

_log = get_logger(__name__)
# For `events --since`, also where all sinks have got everything.
_KEPT_HOURS = 7 * 24.0


class AccountStream:
    """A central system keeps events in its database, and relays them itself. For ChargePoint's
    service there is an outbox, and the relay is here."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._backend: Backend | None = None
        self._streaming: StreamingBackend | None = None
        self._outbox: Outbox | None = None
        self._anomalies: AnomalyReader | None = None
        self._stream: EventStream | None = None
        self._events: EventLog | None = None
        # Documents of the latest status also where no sink is configured.
        self._log = EventLog(lambda *_, **__: None, of_polls=True, now=now)
        self._file: Path | None = None
        # A host's alerts belong on its own threads, not on the relay's.
        self._alerts: HandOver | None = None
        self.alert: Callable[[str, str], None] = lambda about, what: None  # noqa: ARG005

    def begin(self, backend: Backend, account: Account, command_file: Path | None) -> None:
        """Open the outbox and hand events over, where sinks are configured. Raises
        ConfigurationError."""
        self._backend = backend
        self._file = command_file
        if isinstance(backend, StreamingBackend):
            self._streaming = backend
            self._begin_events(backend)
        elif isinstance(account, AccountConfig):
            self._begin_outbox(account)

    def _begin_events(self, backend: StreamingBackend) -> None:
        self._events = None
        if backend.has_sinks():
            self._events = EventLog(backend.add_event, of_polls=False, now=self._now)
            self._hand_alerts_over()
            backend.alert_to(self._raise)

    def _hand_alerts_over(self) -> None:
        if self._alerts is None:
            self._alerts = HandOver(self._call_host, "alerts of sinks")

    def _call_host(self, about: str, what: str) -> None:
        self.alert(about, what)  # the one that the host has set by then

    def _begin_outbox(self, account: AccountConfig) -> None:
        name = account.stream_name or account.backend
        self._log = EventLog(lambda *_, **__: None, of_polls=True, now=self._now, account=name)
        self._events = None
        if not account.sinks:
            return
        path = account.events_file
        if path is None:
            commands = account.command_file or self._file
            if commands is None:
                raise ConfigurationError(
                    "events_file: is missing; name the file that keeps events for the sinks"
                )
            path = commands.with_name(f"{commands.stem}-{name}.events.sqlite")
        hours = max(sink.max_waiting_hours for sink in account.sinks.values())
        self._outbox = outbox = Outbox(
            path.expanduser(),
            max_age_s=3_600 * max(hours, _KEPT_HOURS),
            max_events=max(sink.max_waiting_events for sink in account.sinks.values()),
            now=self._now,
        )
        self._anomalies = AnomalyReader(outbox.path, self._now)
        log = EventLog(
            outbox.add,
            of_polls=True,
            now=self._now,
            account=name,
            anomaly=self._anomalies.assess,
        )
        self._hand_alerts_over()
        try:
            self._stream = EventStream(
                outbox.path,
                name,
                account.sinks,
                StatusFeed(log.stations, log.document, log.take_touched),
                alert=self._raise,
                now=self._now,
            )
            self._stream.start()
        except BaseException:
            self.close()
            raise
        self._log = self._events = log

    def newest_event(self) -> int | None:
        """Return the id of the event that was stored last, of an account with an outbox."""
        return None if self._outbox is None else self._outbox.last

    def attach(self, control: ShedController, alerts: StationAlerts) -> None:
        """Take in the results of commands, and alerts, where sinks are configured."""
        events = self._events
        if events is None:
            control.on_shed = control.alerts.on_event = alerts.on_event = None
            return

        def alarm(action: str, target: Target, text: str) -> None:
            events.alarm(action, target.station_id, target.port, str(target), text)

        control.on_shed = _guarded(events.sheds)
        control.alerts.on_event = alarm
        alerts.on_event = events.alarm

    def observe(self, data: Data, record: StationRecord, age_s: float) -> None:
        """Take in what is reported of a station, `age_s` seconds ago."""
        if self._streaming is None:
            self._log.observe(data, record, age_s)

    def sinks(self) -> list[SinkState]:
        """Return how each sink stands."""
        if self._streaming is not None:
            return self._streaming.sinks()
        return [] if self._stream is None else self._stream.states()

    def live_status(self, station_id: str | None) -> list[dict[str, Any]]:
        """Return the latest status of all stations that are known, or of one. Raises
        NotFoundError."""
        if self._streaming is not None:
            return self._streaming.live_status(station_id)
        wanted = self._log.stations() if station_id is None else [station_id]
        found = [each for name in wanted if (each := self._log.document(name)) is not None]
        if station_id is not None and not found:
            raise NotFoundError(f"station {station_id[:128]!r} was not read yet")
        return found

    def reconfigure(self, backend: Backend, account: Account) -> None:
        """Go on with the sinks of a changed account."""
        if self._streaming is not None:
            self._begin_events(self._streaming)
            return
        self.close()
        try:
            self.begin(backend, account, self._file)
        except ConfigurationError as error:
            _log.error("sinks: %s; no events are handed over", error)

    def close(self) -> None:
        """Hand nothing over any more; what waits stays in the file."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
        anomalies, self._anomalies = self._anomalies, None
        if anomalies is not None:
            anomalies.close()
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()
        alerts, self._alerts = self._alerts, None
        if alerts is not None:
            alerts.stop()

    def _raise(self, about: str, what: str) -> None:
        alerts = self._alerts
        if alerts is not None:
            alerts.put(about, what)


def _guarded(take: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a callable that logs what cannot be stored while the backend is starting again."""

    def guarded(news: Any) -> None:
        try:
            take(news)
        except ChargePointError as error:
            _log.warning("the event of a shed was not stored: %s", error)

    return guarded
