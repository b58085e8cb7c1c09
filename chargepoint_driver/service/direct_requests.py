"""Requests to the chargers of an account that connect directly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chargepoint_driver.backend import (
    Backend,
    DirectBackend,
    MessageBackend,
    RequestBackend,
    Target,
)
from chargepoint_driver.cache.single_flight import within
from chargepoint_driver.errors import InvalidValueError, OutcomeUnknownError

__all__ = ["DirectRequests"]


class DirectRequests:
    """Commands, operations and any request of OCPP. All raise InvalidValueError for a station that
    does not connect directly, and OutcomeUnknownError where no answer comes in time."""

    _backend: Backend
    _limit_s: float

    def command(self, target: Target, name: str, value: object) -> str:
        """Carry out a command of the CommandRegister; the charger's answer, '' when nothing was
        to be done. Raises InvalidValueError, WriteRejectedError when the charger refuses."""
        backend = self._backend
        if not isinstance(backend, DirectBackend):
            raise InvalidValueError(f"{target}: {name} is for chargers that connect directly")
        said: list[str] = []
        within(
            lambda: said.append(backend.command(target, name, value)),
            self._limit_s,
            f"{name} of {target}",
            OutcomeUnknownError,
        )
        return said[0]

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer. Raises PermissionDeniedError
        unless the account allows it, InvalidValueError before anything is sent, WriteRejectedError
        for a refusal."""
        backend = self._requests(station_id, action)
        return self._requested(
            station_id,
            action,
            lambda: backend.call(station_id, action, payload, timeout_s),
            timeout_s + 10.0,
        )

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `backend.OPERATIONS`. Raises as `call` does."""
        backend = self._requests(station_id, name)
        return self._requested(
            station_id, name, lambda: backend.operate(station_id, name, arguments), self._limit_s
        )

    def _requests(self, station_id: str, what: str) -> RequestBackend:
        backend = self._backend
        if not isinstance(backend, RequestBackend):
            raise InvalidValueError(f"{station_id}: {what} is for chargers that connect directly")
        return backend

    def _requested(
        self, station_id: str, what: str, ask: Callable[[], dict[str, Any]], limit_s: float
    ) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        within(lambda: found.append(ask()), limit_s, f"{what} of {station_id}", OutcomeUnknownError)
        return found[0]

    def stored_messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Stored messages of a charger (see `MessageBackend`). Raises InvalidValueError where the
        charger does not connect directly."""
        if not isinstance(self._backend, MessageBackend):
            raise InvalidValueError(f"{station_id}: messages are of chargers that connect directly")
        return self._backend.stored_messages(station_id, before, limit, action)
