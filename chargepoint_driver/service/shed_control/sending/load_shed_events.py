"""Load shed events: sheds that the service itself begins and ends at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chargepoint_driver.backend import Limit, ShedEvents, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import InvalidValueError, RefusedError
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.validation import check_kw, check_percent

__all__ = ["Events"]

_MAX_MINUTES = 525_600


class Events:
    """The load shed events of one account. The service keeps them; nothing is renewed here."""

    def __init__(self, commands: Dispatcher) -> None:
        self._commands = commands

    def create(
        self,
        target: Target,
        start: datetime,
        minutes: int,
        *,
        allowed_load_per_port: float | None = None,
        percent_shed_per_station: float | None = None,
        allow_opt_out: bool | None = None,
    ) -> int:
        """Announce a shed of a station or group; the id of the event. Sent once.

        Raises InvalidValueError before anything is sent; OutcomeUnknownError when no answer came:
        then the event may exist, and its id is not known.
        """
        limit = _limit(allowed_load_per_port, percent_shed_per_station)
        if start.tzinfo is None:
            raise InvalidValueError(
                "start: has no time zone; write one, like 2026-07-01T14:00:00-07:00"
            )
        if isinstance(minutes, bool) or not isinstance(minutes, int):
            raise InvalidValueError("minutes: must be whole minutes")
        if not 0 < minutes <= _MAX_MINUTES:
            raise InvalidValueError(f"minutes: {minutes} is not within 1 … {_MAX_MINUTES}")
        if start.timestamp() + minutes * 60 <= self._commands.time_s():
            raise InvalidValueError("start: the event would be over already")
        if target.port is not None:
            raise InvalidValueError(
                f"{target}: an event is for a station or a group, not for one port"
            )
        if allow_opt_out is not None and not isinstance(allow_opt_out, bool):
            raise InvalidValueError("allow_opt_out: must be true or false")
        found: list[int] = []
        backend = self._backend()
        self._send(
            target,
            lambda: found.append(
                backend.create_shed_event(target, limit, start, minutes, allow_opt_out)
            ),
        )
        return found[0]

    def remove(self, event_id: int) -> None:
        """End or forget an event. Raises WriteRejectedError when there is no such event."""
        if isinstance(event_id, bool) or not isinstance(event_id, int):
            raise InvalidValueError(
                "event_id: must be the number that createLoadShedEvent answered"
            )
        backend = self._backend()
        self._commands.within(
            lambda: backend.remove_shed_event(event_id), f"removing load shed event {event_id}"
        )

    def _backend(self) -> ShedEvents:
        backend = self._commands.backend
        if not isinstance(backend, ShedEvents):
            raise RefusedError(f"{backend.name} has no load shed events; write allowedLoad instead")
        return backend

    def _send(self, target: Target, command: Callable[[], None]) -> None:
        with self._commands.station_locks.of(target.station_id or str(target)):
            self._commands.send_once(command, Data.LOAD, target)


def _limit(allowed_load: float | None, percent: float | None) -> Limit:
    if (allowed_load is None) == (percent is None):
        raise InvalidValueError(
            "exactly one of allowed_load_per_port (kW) and percent_shed_per_station must be given"
        )
    if allowed_load is not None:
        return Limit(allowed_load_kw=check_kw("allowed_load_per_port", allowed_load))
    return Limit(percent_shed=check_percent("percent_shed_per_station", percent))
