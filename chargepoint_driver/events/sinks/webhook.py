"""A webhook: batches of events as HTTP POST, signed with HMAC-SHA256."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from chargepoint_driver.config.sinks import WebhookSinkConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import SinkError, Status

__all__ = ["SIGNATURE", "WebhookSink", "signature"]

SIGNATURE = "X-Chargepoint-Signature"
"""Header `t=<seconds since 1970>,v1=<hexadecimal>`: see `signature`."""

_LIMIT_S = 20.0
_SHOWN_BYTES = 200
_READ_BYTES = 65_536


def signature(key: str, time_s: int, body: bytes) -> str:
    """Return the HMAC-SHA256 of the time, a dot and the body, hexadecimal.

    A receiver computes the same, compares in constant time, and refuses old times.
    """
    return hmac.new(key.encode(), b"%d." % time_s + body, hashlib.sha256).hexdigest()


class WebhookSink:
    """One request after the other; any answer of 200 to 299 confirms a batch."""

    takes_status = False

    def __init__(self, config: WebhookSinkConfig) -> None:
        self._config = config
        self.max_batch = config.max_batch
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session; the first request connects."""
        await self.close()
        verify: ssl.SSLContext | bool = True
        if self._config.ca_file is not None:
            try:
                verify = ssl.create_default_context(cafile=self._config.ca_file)
            except OSError as error:
                raise ConfigurationError(f"ca_file: cannot be used ({error})") from None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=verify, limit=1),
            timeout=aiohttp.ClientTimeout(total=_LIMIT_S),
        )

    async def put(self, events: Sequence[Event]) -> None:
        """Post a JSON array of envelopes."""
        session = self._session
        if session is None:
            raise SinkError("not connected")
        body = f"[{','.join(event.to_json() for event in events)}]".encode()
        time_s = int(time.time())
        headers = {
            "Content-Type": "application/cloudevents-batch+json",
            SIGNATURE: f"t={time_s},v1={signature(self._config.read_key(), time_s, body)}",
        }
        token = self._config.read_token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with session.post(
                self._config.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    said = (await answer.content.read(_SHOWN_BYTES)).decode("utf-8", "replace")
                    raise SinkError(f"HTTP {answer.status}: {said!r}")
                await answer.content.read(_READ_BYTES)  # so that the connection can be used again
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise SinkError(f"{type(error).__name__}: {error}") from None

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Do nothing: a webhook has no latest value."""

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Do nothing, for the same reason."""

    async def close(self) -> None:
        """Hang up."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):
                await session.close()
