"""OCPP-J frames: arrays in JSON text, read and written. No actions here.

What cannot be read is an InvalidFrameError. It has the answer to send, or the request of ours
that it answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = [
    "CALL",
    "ERROR",
    "MAX_ID",
    "RESULT",
    "RESULT_ERROR",
    "SEND",
    "Frame",
    "InvalidFrameError",
    "WireError",
    "call_text",
    "error_text",
    "read_frame",
    "read_payload",
    "result_text",
]

CALL, RESULT, ERROR = 2, 3, 4
RESULT_ERROR, SEND = 5, 6
"""Message types of OCPP 2.1: our answer was wrong; a message without answer."""
NO_ID = "-1"
MAX_ID = 255
_MAX_ACTION = 64
_head = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw])
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_salvage = re.compile(r'^\s*\[\s*2\s*,\s*"([^"\\]{1,36})"')
# The head of an answer, as far as a charger got it right: its type, then what is left of the id.
_answer_head = re.compile(
    r"""^[\s\ufeff\[,{(]*["']?([34])["']?\s*(?:[,:;]\s*["']?([^"',\]\s]{0,255})|\]?\s*$)"""
)
# Outside of texts: a comma with nothing before or behind it.
_spare_comma = re.compile(r'("(?:[^"\\]|\\.)*")|(?<=[\[{])(\s*,)+|,(?=\s*[,\]}])', re.DOTALL)
# The names that OCPP 1.6 gives to codes of 2.x; its document spells two of them in its own way.
_CODES_16 = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "MessageTypeNotSupported": "ProtocolError",
    "RpcFrameworkError": "ProtocolError",
}


class WireError(Exception):
    """A request that is answered by a CALLERROR. `code` is OCPP 2.0.1's word."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


class InvalidFrameError(WireError):
    """Text that is not a frame.

    `message_id` is the id that a CALLERROR goes to. None: it was itself an answer, so nothing
    is sent; `answers` is then what could be read of the id of our request, perhaps nothing.
    """

    def __init__(
        self,
        code: str,
        description: str,
        message_id: str | None = NO_ID,
        *,
        answers: str = "",
    ) -> None:
        super().__init__(code, description)
        self.message_id = message_id
        self.answers = answers


@dataclass(slots=True)
class Frame:
    """One frame. Of a CALL, `payload` is JSON that was not looked into yet; of an answer it
    is the answer: an object, or (code, description, details) of a CALLERROR. A CALL whose id is
    a number is answered with that number."""

    kind: int
    message_id: str | int
    action: str
    payload: Any


def read_frame(text: bytes) -> Frame:
    """Return the frame in the text. Raises InvalidFrameError."""
    try:
        kind, message_id, action, raw = _head.decode(text)
        if kind == CALL and len(message_id) <= MAX_ID and len(action) <= _MAX_ACTION:
            return Frame(CALL, message_id, action, raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    return _read_slowly(text)


def read_payload(raw: Any) -> Any:
    """Return the value of a payload. Raises WireError."""
    try:
        return _any.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireError("FormatViolation", _why(error)) from None


def _read_slowly(text: bytes) -> Frame:
    """Read everything but a well-formed CALL."""
    try:
        parts = _any.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        parts = _broken_answer(text, _why(error))
        if parts is None:
            raise InvalidFrameError("RpcFrameworkError", _why(error), _salvaged(text)) from None
    if not isinstance(parts, list) or not parts:
        raise InvalidFrameError("RpcFrameworkError", "a message is an array of 3 to 6 elements")
    kind, message_id = parts[0], parts[1] if len(parts) > 1 else None
    if type(kind) is int and kind in (RESULT, ERROR):
        return _answer(kind, message_id, parts)
    known = (isinstance(message_id, str) and 0 < len(message_id) <= MAX_ID) or (
        type(message_id) is int and abs(message_id) < 1 << 63
    )
    answer_to: Any = message_id if known else NO_ID
    if type(kind) is int and kind == RESULT_ERROR:
        return Frame(RESULT_ERROR, answer_to, "", " ".join(map(str, parts[2:4])))
    if type(kind) is int and kind == SEND and len(parts) == 4 and isinstance(parts[2], str):
        return Frame(SEND, answer_to, parts[2][:_MAX_ACTION], _encode(parts[3]))
    if type(kind) is not int or kind != CALL:
        raise InvalidFrameError(
            "MessageTypeNotSupported", "message types are 2, 3 and 4", answer_to
        )
    if not known:
        raise InvalidFrameError(
            "RpcFrameworkError", "the message id is a text of 1 to 36 characters"
        )
    if len(parts) != 4:
        raise InvalidFrameError("RpcFrameworkError", "a CALL has 4 elements", answer_to)
    action, payload = parts[2], parts[3]
    if not isinstance(action, str) or len(action) > _MAX_ACTION:
        raise InvalidFrameError("RpcFrameworkError", "the action is a short text", answer_to)
    return Frame(CALL, answer_to, action, _encode(payload))


def _answer(kind: int, given_id: Any, parts: list[Any]) -> Frame:
    """Return the answer in the parts of a frame. Raises InvalidFrameError if it is empty."""
    is_id = isinstance(given_id, str) or type(given_id) is int
    message_id = str(given_id)[:MAX_ID] if is_id else ""
    if kind == RESULT:
        payload = parts[2] if len(parts) > 2 else ""
        payload = {} if payload is None else payload
        if not message_id or not isinstance(payload, dict):
            raise InvalidFrameError(
                "RpcFrameworkError",
                "a CALLRESULT has 3 elements: 3, the message id and an object",
                None,
                answers=message_id,
            )
        return Frame(RESULT, message_id, "", payload)
    # Chargers leave out the last elements; what is there is enough to go on.
    code, description, details = (*parts[2:5], "", "", {})[:3]
    texts = str(code or "GenericError")[:64], str(description or "")[:255]
    if not message_id:
        raise InvalidFrameError(
            "RpcFrameworkError", f"a CALLERROR without message id: {texts[0]}", None
        )
    return Frame(ERROR, message_id, "", (*texts, details))


def _broken_answer(text: bytes, why: str) -> list[Any] | None:
    """Return the elements of an answer that is not quite JSON; None for any other text.

    Spare commas and NaN lose nothing. A CALLERROR has said enough with its type and id. Of
    anything else only the id counts: InvalidFrameError names it.
    """
    shown = text.decode("utf-8", "replace")
    head = _answer_head.match(shown[:400])
    if head is None:
        return None
    try:
        readable = _spare_comma.sub(lambda found: found[1] or "", shown)
        parts = json.loads(readable.strip("\ufeff\0 \r\n\t"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        parts = None
    if isinstance(parts, list) and parts and parts[0] in (RESULT, ERROR):
        return parts
    message_id = head[2] or ""
    if head[1] == str(ERROR):
        return [ERROR, message_id, "GenericError", why]
    raise InvalidFrameError("RpcFrameworkError", why, None, answers=message_id)


def result_text(message_id: str | int, payload: Any) -> bytes:
    return _encode((RESULT, message_id, payload))


def call_text(message_id: str, action: str, payload: Any) -> bytes:
    return _encode((CALL, message_id, action, payload))


def error_text(message_id: str | int, error: WireError, version: str) -> bytes:
    code = _CODES_16.get(error.code, error.code) if version == "1.6" else error.code
    return _encode((ERROR, message_id, code, error.description[:255], {}))


def _salvaged(text: bytes) -> str:
    found = _salvage.match(text[:128].decode("utf-8", "replace"))
    return found.group(1) if found else NO_ID


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"not valid JSON ({type(error).__name__})"
