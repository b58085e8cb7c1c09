"""OCPP-J frames: arrays in JSON text. Cutting them up, and writing them. No actions here.

What cannot be read is a BadFrame; it says what may be answered, and under which message id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = [
    "CALL",
    "ERROR",
    "RESULT",
    "BadFrame",
    "Frame",
    "WireError",
    "call_text",
    "error_text",
    "read_frame",
    "read_payload",
    "result_text",
]

CALL, RESULT, ERROR = 2, 3, 4
NO_ID = "-1"
_LONGEST_ID = 255
_LONGEST_ACTION = 64
_head = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw])
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_salvage = re.compile(r'^\s*\[\s*2\s*,\s*"([^"\\]{1,36})"')
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


class BadFrame(WireError):
    """Text that is no frame. `message_id` is what an answer goes to; None: answer nothing,
    because it was an answer itself."""

    def __init__(self, code: str, description: str, message_id: str | None = NO_ID) -> None:
        super().__init__(code, description)
        self.message_id = message_id


@dataclass(slots=True)
class Frame:
    """One frame. Of a CALL, `payload` is JSON that was not looked into yet; of an answer it
    is the answer: an object, or (code, description, details) of a CALLERROR."""

    kind: int
    message_id: str
    action: str
    payload: Any


def read_frame(text: bytes) -> Frame:
    """The frame in the text. Raises BadFrame."""
    try:
        kind, message_id, action, raw = _head.decode(text)
        if kind == CALL and len(message_id) <= _LONGEST_ID and len(action) <= _LONGEST_ACTION:
            return Frame(CALL, message_id, action, raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    return _read_slowly(text)


def read_payload(raw: Any) -> Any:
    """The value of a payload. Raises WireError."""
    try:
        return _any.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireError("FormatViolation", _why(error)) from None


def _read_slowly(text: bytes) -> Frame:
    """Everything but a well-formed CALL."""
    try:
        parts = _any.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadFrame("RpcFrameworkError", _why(error), _salvaged(text)) from None
    if not isinstance(parts, list) or not parts:
        raise BadFrame("RpcFrameworkError", "a message is an array of 3 to 6 elements")
    kind, message_id = parts[0], parts[1] if len(parts) > 1 else None
    known = isinstance(message_id, str) and 0 < len(message_id) <= _LONGEST_ID
    if type(kind) is int and kind in (RESULT, ERROR):
        if not known:
            raise BadFrame("RpcFrameworkError", "an answer without message id", None)
        return _answer(kind, str(message_id), parts)
    answer_to = str(message_id) if known else NO_ID
    if type(kind) is not int or kind != CALL:
        raise BadFrame("MessageTypeNotSupported", "message types are 2, 3 and 4", answer_to)
    if not known:
        raise BadFrame("RpcFrameworkError", "the message id is a text of 1 to 36 characters")
    if len(parts) != 4:
        raise BadFrame("RpcFrameworkError", "a CALL has 4 elements", answer_to)
    action, payload = parts[2], parts[3]
    if not isinstance(action, str) or len(action) > _LONGEST_ACTION:
        raise BadFrame("RpcFrameworkError", "the action is a short text", answer_to)
    return Frame(CALL, answer_to, action, _encode(payload))


def _answer(kind: int, message_id: str, parts: list[Any]) -> Frame:
    if kind == RESULT:
        if len(parts) != 3 or not isinstance(parts[2], dict):
            raise BadFrame("RpcFrameworkError", "a CALLRESULT has 3 elements", None)
        return Frame(RESULT, message_id, "", parts[2])
    # Chargers leave out the last elements; what is there is enough to go on.
    code, description, details = (*parts[2:5], "", "", {})[:3]
    if not code and len(parts) < 3:
        code = "GenericError"
    return Frame(ERROR, message_id, "", (str(code)[:64], str(description)[:255], details))


def result_text(message_id: str, payload: Any) -> bytes:
    return _encode((RESULT, message_id, payload))


def call_text(message_id: str, action: str, payload: Any) -> bytes:
    return _encode((CALL, message_id, action, payload))


def error_text(message_id: str, error: WireError, version: str) -> bytes:
    code = _CODES_16.get(error.code, error.code) if version == "1.6" else error.code
    return _encode((ERROR, message_id, code, error.description[:255], {}))


def _salvaged(text: bytes) -> str:
    found = _salvage.match(text[:128].decode("utf-8", "replace"))
    return found.group(1) if found else NO_ID


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"not valid JSON ({type(error).__name__})"
