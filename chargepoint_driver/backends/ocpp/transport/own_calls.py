"""Requests of ours on one socket: one at a time, each with its answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.exceptions import ConnectionClosed

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.dispatch import HandlerContext
from chargepoint_driver.backends.ocpp.wire import framing, schemas
from chargepoint_driver.backends.ocpp.wire.leniency import Departures
from chargepoint_driver.errors import OutcomeUnknownError, TransientError, WriteRejectedError

__all__ = ["CallRefusedError", "OwnCalls", "count_departures"]

# Until a charger has read the answer to its begin or end.
_TAKES_IN_S = 0.05


class CallRefusedError(WriteRejectedError):
    """The charge point answered a call of ours with a CALLERROR; `service_code` is its code."""

    def __init__(self, action: str, code: str, description: str, details: Any) -> None:
        super().__init__(
            f"{action}: the charge point answered {code}"
            + (f" ({description})" if description else ""),
            service_code=code,
        )
        self.action = action
        self.description = description
        self.details = details


class OwnCalls:
    """The calls that are out, and those that wait for their turn."""

    __slots__ = (
        "_answers",
        "_context",
        "_drop",
        "_free_s",
        "_heard",
        "_ids",
        "_send",
        "_timeout_s",
        "_turn",
        "_unsent",
        "_version",
        "closed",
        "is_ignoring",
        "point",
    )

    def __init__(
        self,
        point: Charger,
        version: str,
        context: HandlerContext,
        timeout_s: float,
        *,
        send: Callable[[bytes], Awaitable[None]],
        heard: Callable[[], int],
        drop: Callable[[str], None],
    ) -> None:
        """`heard` returns how many frames came in. `drop` closes the socket, for a reason."""
        self.point = point
        self._version = version
        self._context = context
        self._timeout_s = timeout_s
        self._send = send
        self._heard = heard
        self._drop = drop
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()
        # Done when the answer to a begin or end, which waits to be stored, was sent.
        self._unsent: asyncio.Future[None] | None = None
        self._free_s = 0.0
        self.closed = False
        # True when one was not answered.
        self.is_ignoring = False

    async def exchange(self, action: str, payload: dict[str, Any], *, drop: bool) -> dict[str, Any]:
        """Send a request when those before are answered, and return the payload of its answer.
        Raises as `Connection.call`."""
        limit_s = self._timeout_s
        quirk_s = self.point.quirks.call_timeout_s
        limit_s = limit_s if quirk_s is None else quirk_s
        station_id = self.point.station_id
        async with self._turn:
            if self._unsent is not None:
                # The answer goes first: it may have the id that this request is about.
                await asyncio.wait({self._unsent}, timeout=limit_s)
            if self.closed:
                raise TransientError(
                    f"{station_id}: the connection was closed; {action} was not sent"
                )
            wait_s = self._free_s - asyncio.get_running_loop().time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            refusal = self._context.store.refusal_to_send(station_id)
            if refusal is not None:
                raise TransientError(f"{station_id}: {refusal}; {action} was not sent")
            message_id = f"{id(self) & 0xFFFFFF:x}-{next(self._ids)}"
            waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._answers[message_id] = waiting
            before = self._heard()
            try:
                await self._send(framing.call_text(message_id, action, payload))
            except ConnectionClosed:
                self._answers.pop(message_id, None)
                raise OutcomeUnknownError(
                    f"{station_id}: the connection broke while {action} was out"
                ) from None
            try:
                await asyncio.wait({waiting}, timeout=limit_s)
            finally:
                self._answers.pop(message_id, None)
            if not waiting.done():
                self.is_ignoring = True
                self._context.count(self.point, "calls_without_answer", action)
                if drop and self._heard() == before:
                    self._drop("no answer to a call")
                raise OutcomeUnknownError(
                    f"{station_id}: no answer to {action} within {limit_s:g} s"
                )
            frame = waiting.result()
        if frame is None:
            raise OutcomeUnknownError(f"{station_id}: the connection broke while {action} was out")
        if isinstance(frame, framing.InvalidFrameError):
            raise OutcomeUnknownError(
                f"{station_id}: the answer to {action} cannot be read ({frame.description})"
            )
        if frame.kind == framing.ERROR:
            raise CallRefusedError(action, *frame.payload)
        return self._check_answer(action, frame.payload)

    def _check_answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer as it is used. What breaks its schema is counted."""
        departures = Departures()
        answer = schemas.take_answer(
            self._version, action, payload, departures, strict=self.point.is_strict
        )
        if departures.found:
            count_departures(self._context, self.point, f"{action} answer", departures.found)
        return answer

    # ---- answers -------------------------------------------------------------------------

    def take_answer(self, frame: framing.Frame) -> None:
        """Give an answer to the call that it is for."""
        waiting = self._waiting(str(frame.message_id))
        if waiting is None:
            self._context.count(self.point, "unmatched_answers", repr(str(frame.message_id)[:40]))
            return
        waiting.set_result(frame)

    def fail(self, error: framing.InvalidFrameError) -> bool:
        """Fail the call that an unreadable answer belongs to; False where there is none.

        An answer whose id is cut off or missing belongs to the one call that is out.
        """
        waiting = self._waiting(error.answers)
        if waiting is None:
            out = [each for each, it in self._answers.items() if not it.done()]
            if len(out) != 1 or not out[0].startswith(error.answers):
                return False
            waiting = self._answers.pop(out[0])
        self._context.count(self.point, "broken_answers", error.description)
        waiting.set_result(error)
        return True

    def _waiting(self, message_id: str) -> asyncio.Future[Any] | None:
        """The call of that id that is out, case and blanks around aside."""
        written = message_id.strip().casefold()
        for known in (message_id, *(each for each in self._answers if each == written)):
            found = self._answers.pop(known, None)
            if found is not None and not found.done():
                return found
        return None

    # ---- between our calls and their messages ------------------------------------------

    def hold(self) -> None:
        """Let no call go out before `release`: an answer goes first."""
        self._unsent = asyncio.get_running_loop().create_future()

    def release(self) -> None:
        """Let calls go on: the answer to a begin or end was sent, or never will be."""
        if self._unsent is not None:
            self._unsent.set_result(None)
            self._unsent = None
            self._free_s = asyncio.get_running_loop().time() + _TAKES_IN_S

    def end(self) -> None:
        """Fail the calls that are out: the socket is closed."""
        self.closed = True
        for waiting in list(self._answers.values()):
            if not waiting.done():
                waiting.set_result(None)
        self._answers.clear()


def count_departures(
    context: HandlerContext, point: Charger, action: str, found: list[tuple[str, str]]
) -> None:
    """Count what was out of order in one message: the message once, each kind by place."""
    for kind, place in found:
        where = ".".join(step for step in place.split(".") if not step.isdecimal())
        point.forgive(kind, f"{action}.{where}" if where else action)
    context.count(point, "forgiven", f"{action}: {found[0][0]} {found[0][1]}")
