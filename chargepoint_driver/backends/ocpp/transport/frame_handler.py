"""Handler of one socket's frames: an answer to each, or a counted drop.

Nothing here knows what a message means.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.dispatch import (
    HandlerContext,
    ProtocolVersion,
    Request,
)
from chargepoint_driver.backends.ocpp.storage.restore import restore_running
from chargepoint_driver.backends.ocpp.transport.own_calls import OwnCalls, count_departures
from chargepoint_driver.backends.ocpp.wire import framing, schemas
from chargepoint_driver.backends.ocpp.wire.framing import WireError
from chargepoint_driver.backends.ocpp.wire.leniency import Departures
from chargepoint_driver.errors import StoreError

__all__ = ["FrameHandler"]

_REMEMBERED = 16
_BOOT = "BootNotification"
# The action of a frame stands near its beginning: ids have 36 characters.
_MAX_HEAD = 120


class FrameHandler:
    """Reads frames, has requests handled, and gives answers to our calls."""

    __slots__ = (
        "_calls",
        "_context",
        "_now",
        "_recent",
        "_version",
        "bad",
        "count",
        "has_answered",
        "is_heard",
        "point",
    )

    def __init__(
        self,
        point: Charger,
        version: ProtocolVersion,
        context: HandlerContext,
        calls: OwnCalls,
        now: Callable[[], float],
    ) -> None:
        self.point = point
        self._version = version
        self._context = context
        self._calls = calls
        self._now = now
        self.bad = 0  # bad frames without a good one in between
        self.count = 0  # that came in, readable or not
        # message id -> (hash of the frame, its answer): a repeated request is answered again
        self._recent: OrderedDict[str | int, tuple[int, bytes]] | None = None
        # True when a request came, and when our calls were answered.
        self.is_heard = self.has_answered = False

    def take(self, text: bytes, after: list[Callable[[], Awaitable[None]]]) -> bytes | None:
        """The answer to a frame, None where there is none to give."""
        point = self.point
        received_s = self._now()
        point.last_seen_s = received_s
        self.count += 1
        version = self._version.version
        try:
            frame = self._read(text)
        except framing.InvalidFrameError as error:
            return self._refuse_frame(error)
        if frame.kind in (framing.SEND, framing.RESULT_ERROR):
            return self._take_unanswered(frame, text, received_s, after)
        if frame.kind != framing.CALL:
            self.has_answered = True
            self._calls.take_answer(frame)
            return None
        self.is_heard = True
        try:
            if type(frame.message_id) is int and point.is_strict:
                frame.message_id = framing.NO_ID
                raise WireError("RpcFrameworkError", "the message id is a text")
            answer = self._answer(frame, text, received_s, after)
        except WireError as error:
            self.bad += 1
            self._context.count(point, "refused_requests", f"{frame.action[:40]!r} {error.code}")
            return framing.error_text(frame.message_id, error, version)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the charge point is answered
            self._context.count(point, "internal_errors", f"{frame.action[:40]!r} {error!r}")
            after.clear()
            return framing.error_text(
                frame.message_id, WireError("InternalError", "this request failed here"), version
            )
        self.bad = 0
        return answer

    def _read(self, text: bytes) -> framing.Frame:
        """Return the frame in a text; its payload is read already where it can be in one pass."""
        whole = self._version.whole
        if whole is not None and whole[0] in text[:_MAX_HEAD]:
            try:
                _, message_id, action, payload = whole[1].decode(text)
            except (msgspec.MsgspecError, RecursionError, ValueError):
                pass  # the slow path reports what is wrong with it
            else:
                if len(message_id) <= framing.MAX_ID:
                    return framing.Frame(framing.CALL, message_id, action, payload)
        return framing.read_frame(text)

    def _take_unanswered(
        self,
        frame: framing.Frame,
        text: bytes,
        received_s: float,
        after: list[Callable[[], Awaitable[None]]],
    ) -> bytes | None:
        """Take a message of OCPP 2.1 that has no answer. Other versions do not have the type."""
        if self._version.version != "2.1":
            types, message_id = "message types are 2, 3 and 4", str(frame.message_id)
            return self._refuse_frame(
                framing.InvalidFrameError("MessageTypeNotSupported", types, message_id)
            )
        if frame.kind == framing.RESULT_ERROR:
            self._context.count(self.point, "refused_answers", frame.payload)
            return None
        self.is_heard = True
        try:
            self._answer(frame, text, received_s, after)
        except WireError as error:
            self._context.count(
                self.point, "refused_requests", f"{frame.action[:40]!r} {error.code}"
            )
        except Exception as error:  # noqa: BLE001 - the socket goes on, as after a CALL
            self._context.count(self.point, "internal_errors", f"{frame.action[:40]!r} {error!r}")
        return None

    def _answer(
        self,
        frame: framing.Frame,
        text: bytes,
        received_s: float,
        after: list[Callable[[], Awaitable[None]]],
    ) -> bytes:
        action = frame.action
        request = Request(self._context, self.point, action, received_s, after)
        if action in self._version.fast:
            known = self._answer_known(request, frame, text)
            if known is not None:
                return known
        handler = self._version.handlers.get(action)
        version = self._version.version
        if handler is None:
            if action in schemas.actions(version):
                raise WireError("NotSupported", "this request is not for a central system")
            raise WireError("NotImplemented", f"OCPP {version} has no such action")
        mark = hash(text)
        if self._recent is not None:
            before = self._recent.get(frame.message_id)
            is_last = frame.message_id == next(reversed(self._recent), None)
            # A boot with anything after it is not a repeat: message ids begin again.
            if before is not None and before[0] == mark and (is_last or action != _BOOT):
                self._context.count(self.point, "repeated_messages")
                return before[1]
        departures = Departures()
        payload = self._usable(frame, departures)
        request.as_received = departures.raw
        answer = framing.result_text(frame.message_id, handler(request, payload))
        if departures.found:
            count_departures(self._context, self.point, action, departures.found)
        if action != "Heartbeat":
            # After a boot what looks like an earlier message is another one.
            if self._recent is None or action == _BOOT:
                self._recent = OrderedDict()
            self._recent[frame.message_id] = mark, answer
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return answer

    def _answer_known(self, request: Request, frame: framing.Frame, text: bytes) -> bytes | None:
        """Answer a request that has a type of its own; None where it does not fit that."""
        decoder, take = self._version.fast[frame.action]
        typed = frame.payload
        try:
            if isinstance(typed, (bytes, msgspec.Raw)):
                typed = decoder.decode(typed)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None  # the slow path reports what is wrong with it
        if b"null" in text:
            count_departures(self._context, self.point, frame.action, [("null", "")])
        return framing.result_text(frame.message_id, take(request, typed))

    def _usable(self, frame: framing.Frame, departures: Departures) -> dict[str, Any]:
        """Return the payload as handlers use it, and note its departures from the schema."""
        payload = framing.read_payload(frame.payload)
        if type(frame.message_id) is int:
            departures.add("message_id", "")
        return schemas.take_request(
            self._version.version, frame.action, payload, departures, strict=self.point.is_strict
        )

    def _refuse_frame(self, error: framing.InvalidFrameError) -> bytes | None:
        if error.message_id is None and self._calls.fail(error):
            return None
        self.bad += 1
        self._context.count(self.point, "bad_frames", error.description)
        if error.message_id is None:
            return None
        return framing.error_text(error.message_id, error, self._version.version)

    def refuse_unstored(self, text: bytes, error: BaseException) -> bytes:
        """Return the answer to what is not stored, so not acknowledged: it is sent again."""
        self._context.count(self.point, "not_stored", str(error))
        frame = framing.read_frame(text)
        if self._recent is not None:
            self._recent.pop(frame.message_id, None)
        with suppress(StoreError):
            restore_running(self._context.store, self.point)
        refusal = WireError("InternalError", "not stored; send it again")
        return framing.error_text(frame.message_id, refusal, self._version.version)
