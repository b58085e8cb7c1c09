"""Messages within one process, for one node and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chargepoint_driver.errors import OutcomeUnknownError, TransientError
from chargepoint_driver.messaging.interface import (
    Handler,
    RequestTasks,
    decode_answer,
    encode_fields,
)

__all__ = ["LocalMessaging"]


class LocalMessaging:
    """See `interface.Messaging`. Messages are encoded here too: both implementations carry the
    same."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = {}
        self._tasks = RequestTasks()

    async def request(
        self, subject: str, fields: Mapping[str, Any], limit_s: float
    ) -> dict[str, Any]:
        """See `interface.Messaging`."""
        data = encode_fields(fields)
        handlers = self._handlers.get(subject)
        if not handlers:
            raise TransientError(f"nobody serves {subject}; nothing was sent")
        task = self._tasks.begin(handlers[0], data)
        if task is None:
            return decode_answer(subject, self._tasks.too_many())
        # It goes on after the limit, as in another process.
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done() or task.cancelled():
            raise OutcomeUnknownError(f"no answer from {subject} within {limit_s:g} s")
        return decode_answer(subject, task.result())

    async def serve(self, subject: str, handler: Handler) -> Callable[[], Awaitable[None]]:
        """See `interface.Messaging`."""
        handlers = self._handlers.setdefault(subject, [])
        handlers.append(handler)

        async def end() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return end

    async def publish(self, subject: str, fields: Mapping[str, Any]) -> None:
        """See `interface.Messaging`."""
        data = encode_fields(fields)
        for handler in list(self._handlers.get(subject, ())):
            self._tasks.begin(handler, data)

    async def close(self) -> None:
        """See `interface.Messaging`."""
        self._handlers.clear()
        await self._tasks.end()
