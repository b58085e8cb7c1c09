"""Requests to chargers: checked, sent, recorded and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.csms.stored_state import StoredState
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol import v16, v201
from chargepoint_driver.backends.ocpp.protocol.own_requests import record_answer, record_request
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder, RequestPayload
from chargepoint_driver.backends.ocpp.protocol.v16.outbound import RequestBuilder16
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import RequestBuilder201
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.backends.ocpp.wire.schemas import named
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
)

__all__ = ["BUILDERS", "VERSIONS", "ChargerRequests"]

VERSIONS = {"1.6": v16.DIALECT, "2.0.1": v201.DIALECT, "2.1": v201.DIALECT_21}
BUILDERS: dict[str, RequestBuilder] = {
    "1.6": RequestBuilder16(), "2.0.1": RequestBuilder201(), "2.1": RequestBuilder201()
}  # fmt: skip


class ChargerRequests:
    """Sends requests to chargers that are connected."""

    def __init__(
        self,
        store: Store,
        stored_state: StoredState,
        now: Callable[[], float],
        call_timeout_s: float,
    ) -> None:
        self._store = store
        self._keep = stored_state.keep
        self._now = now
        self._call_timeout_s = call_timeout_s
        # For metrics: requests by action and outcome.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        # Takes a charger, and action, payload and answer of a request that was answered.
        self.on_answer: Callable[[Charger, str, dict[str, Any], dict[str, Any]], None] | None = None

    def builder(self, point: Charger) -> RequestBuilder:
        """Return the requests of the version that a charger speaks (or spoke last)."""
        return BUILDERS[point.version or "1.6"]

    async def ask(self, point: Charger, ask: RequestPayload) -> dict[str, Any]:
        """Send a request within the time limit of its charger, and return its answer."""
        timeout_s = point.quirks.call_timeout_s or self._call_timeout_s
        return await self.call(point, *ask, timeout_s + 5)

    async def call(
        self,
        point: Charger,
        action: str,
        payload: dict[str, Any],
        timeout_s: float,
        *,
        drop: bool = True,
    ) -> dict[str, Any]:
        """Send any request; the errors are those of `Connection.call`. Raises InvalidValueError
        for one that is not a central system's."""
        version = point.version or "1.6"
        if action != "DataTransfer" and action in VERSIONS[version].handlers:
            raise InvalidValueError(
                f"{action}: charge points send this request, not a central system (OCPP {version});"
                " nothing was sent"
            )
        link = point.link
        if link is None:
            raise TransientError(f"{point.station_id} is not connected; {action} was not sent")
        station_id, now_s = point.station_id, self._now()
        self._keep(point, lambda: record_request(self._store, station_id, action, payload, now_s))
        try:
            answer = await link.call(action, payload, timeout_s, drop=drop)
        except ChargePointError as error:
            self.outcomes[named(version, action), error.code] += 1
            if not isinstance(error, (CallRefusedError, OutcomeUnknownError)):
                raise
            status = "Rejected" if isinstance(error, CallRefusedError) else None
            self._record_answer(point, action, payload, status)
            raise
        self.outcomes[named(version, action), "ok"] += 1
        self._record_answer(point, action, payload, str(answer.get("status")))
        if self.on_answer is not None:
            self.on_answer(point, action, payload, answer)
        return answer

    def _record_answer(
        self, point: Charger, action: str, payload: dict[str, Any], status: str | None
    ) -> None:
        args = self._store, point.station_id, action, payload, status, self._now()
        self._keep(point, lambda: record_answer(*args))
