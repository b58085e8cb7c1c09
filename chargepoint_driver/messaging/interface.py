"""Interface of messages between processes, and what its implementations share.

A request has one answer, or fails in one of two ways: it was not sent (TransientError), or nobody
knows whether it was carried out (OutcomeUnknownError). It is never sent twice. An error that a
handler raises reaches the requester as the same error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.text import get_logger

__all__ = [
    "Handler",
    "Messaging",
    "RequestTasks",
    "decode_answer",
    "encode_error",
    "encode_fields",
]

_log = get_logger(__name__)
_MAX_REQUESTS = 1_000

Handler = Callable[[dict[str, Any]], Awaitable["dict[str, Any] | None"]]
"""Takes the fields of a message and returns those of the answer; of a notice nobody reads it."""


class Messaging(Protocol):
    """Messages by subject. Subjects are tokens of letters, digits, `-` and `_` with dots between
    them. On one asyncio loop."""

    async def request(
        self, subject: str, fields: Mapping[str, Any], limit_s: float
    ) -> dict[str, Any]:
        """Send a request and return its answer. Raises TransientError at once where nobody serves
        the subject or the connection is down (not sent), InvalidValueError for fields that cannot
        be sent, OutcomeUnknownError without an answer in `limit_s` seconds, and the error that the
        handler raised."""

    async def serve(self, subject: str, handler: Handler) -> Callable[[], Awaitable[None]]:
        """Answer requests and take notices of a subject; return how to end it. A request goes to
        one handler, so one process serves a subject. Handlers run at the same time."""

    async def publish(self, subject: str, fields: Mapping[str, Any]) -> None:
        """Send a notice to all who serve the subject now. It may be lost. Raises TransientError
        where the connection is down."""

    async def close(self) -> None:
        """End everything that runs. Safe to call more than once."""


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """Return fields as JSON. Raises InvalidValueError."""
    try:
        return msgspec.json.encode(fields)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"the request cannot be sent: {error}") from None


def decode_answer(subject: str, data: bytes) -> dict[str, Any]:
    """Return the fields of an answer. Raises the error in it."""
    try:
        answer = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise OutcomeUnknownError(f"the answer from {subject} cannot be read: {error}") from None
    error_fields = answer.get("error")
    if isinstance(error_fields, dict):
        raise error_from_dict(error_fields)
    content = answer.get("answer")
    if not isinstance(content, dict):
        raise OutcomeUnknownError(f"the answer from {subject} cannot be read: it has no content")
    return content


class RequestTasks:
    """The handlers that run, each as a task."""

    def __init__(self, max_requests: int = _MAX_REQUESTS) -> None:
        self._max_requests = max_requests
        self._tasks: set[asyncio.Task[bytes]] = set()

    def begin(self, handler: Handler, data: bytes) -> asyncio.Task[bytes] | None:
        """Begin to handle a message; the task's result is the encoded answer. None: too many
        run, and this one was not begun."""
        if len(self._tasks) >= self._max_requests:
            return None
        task = asyncio.create_task(_handle(handler, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self) -> None:
        """Cancel what runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    def too_many() -> bytes:
        """Return the answer to a request that was not begun."""
        return encode_error(TransientError("too many requests at once; nothing was sent"))


def encode_error(error: ChargePointError) -> bytes:
    """Return an answer that raises this error at the requester."""
    return msgspec.json.encode({"error": error.to_dict()})


async def _handle(handler: Handler, data: bytes) -> bytes:
    try:
        fields = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        return encode_error(InvalidValueError(f"the request cannot be read: {error}"))
    try:
        answer = await handler(fields)
        return msgspec.json.encode({"answer": {} if answer is None else answer})
    except ChargePointError as error:
        return encode_error(error)
    except asyncio.CancelledError:
        return encode_error(OutcomeUnknownError("its process has stopped"))
    except Exception as error:  # noqa: BLE001 - the requester must know that it failed
        # It may have done its work before.
        _log.exception("the handler of a request failed")
        return encode_error(OutcomeUnknownError(f"its handler failed: {type(error).__name__}"))
