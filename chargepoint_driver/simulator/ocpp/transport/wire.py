"""OCPP-J framing: CALL, CALLRESULT and CALLERROR as JSON arrays, and nothing above it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

CALL, CALLRESULT, CALLERROR = 2, 3, 4


@dataclass(frozen=True)
class Call:
    """A request from the other side."""

    unique_id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """The answer to a request of ours."""

    unique_id: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class CallErrorReply:
    """A CALLERROR to a request of ours; code "" when no answer came at all."""

    unique_id: str
    code: str
    text: str = ""


Frame: TypeAlias = Call | Result | CallErrorReply


class InvalidFrameError(Exception):
    """Not an OCPP-J frame; `unique_id` when one could be read all the same."""

    def __init__(self, text: str, unique_id: str | None = None) -> None:
        super().__init__(text)
        self.unique_id = unique_id


def parse(text: str | bytes) -> Frame:
    """One frame. Raises InvalidFrameError."""
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidFrameError(f"not JSON: {error}") from None
    if not isinstance(parts, list) or len(parts) < 3 or not isinstance(parts[1], str):
        raise InvalidFrameError("not an array with a message type and an id")
    kind, unique_id = parts[0], parts[1]
    if kind == CALL and len(parts) == 4 and isinstance(parts[2], str) and _is_object(parts[3]):
        return Call(unique_id, parts[2], parts[3])
    if kind == CALLRESULT and len(parts) == 3 and _is_object(parts[2]):
        return Result(unique_id, parts[2])
    if kind == CALLERROR and len(parts) == 5:
        return CallErrorReply(unique_id, str(parts[2]), str(parts[3]))
    raise InvalidFrameError(f"message type {kind!r} with {len(parts)} parts", unique_id)


def call(unique_id: str, action: str, payload: dict[str, Any]) -> str:
    """Return a request as text."""
    return _text([CALL, unique_id, action, payload])


def result(unique_id: str, payload: dict[str, Any]) -> str:
    """Return an answer as text."""
    return _text([CALLRESULT, unique_id, payload])


def error(unique_id: str, code: str, text: str) -> str:
    """A refusal as text."""
    return _text([CALLERROR, unique_id, code, text[:255], {}])


def _text(parts: list[Any]) -> str:
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
