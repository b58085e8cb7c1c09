"""NATS JetStream: a stream of events, and a key-value bucket of the latest status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client as NATS  # noqa: N814 - its name in the client's own docs
from nats.js.api import KeyValueConfig, StorageType, StreamConfig

from chargepoint_driver.config.sinks import NatsSinkConfig
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import SinkError, Status
from chargepoint_driver.events.sinks.ordering import at_once, by_station
from chargepoint_driver.process.tls import context_of
from chargepoint_driver.text import get_logger

__all__ = ["JetStreamSink", "token_of"]

_log = get_logger(__name__)
_CONNECT_S = 5
_ACK_S = 10.0
_CLOSE_S = 5.0
_DUPLICATES_S = 120.0


class JetStreamSink:
    """Publishes the events of each station one after the other, of all stations at once.

    A message is sent when the one before it of its station was acknowledged, so that no change of
    the stream's leader puts them out of order. `Nats-Msg-Id` lets the server drop repetitions.
    """

    max_batch = 500

    def __init__(self, name: str, config: NatsSinkConfig) -> None:
        self._name = name
        self._config = config
        self.takes_status = config.bucket is not None
        self._nc: Any = None
        self._js: Any = None
        self._bucket: Any = None

    async def open(self) -> None:
        """Connect; make stream and bucket where they are missing."""
        await self.close()
        config = self._config
        context = context_of(config)
        options: dict[str, Any] = {
            "servers": list(config.servers),
            "name": f"chargepoint-driver {self._name}",
            # The relay connects again: what a client keeps meanwhile would come out of order.
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0.2,
            "connect_timeout": _CONNECT_S,
            "ping_interval": 10,
            "max_outstanding_pings": 2,
            "error_cb": _log_quietly,
        }
        if context is not None:
            options["tls"] = context
        password, token = config.read_password(), config.read_token()
        if password is not None:
            options.update(user=config.username, password=password)
        if token is not None:
            options["token"] = token
        try:
            async with _errors():
                # Made first: a client that is refused closes its socket only when it is asked to.
                self._nc = NATS()
                await asyncio.wait_for(self._nc.connect(**options), 2 * _CONNECT_S)
                self._js = self._nc.jetstream(timeout=_ACK_S)
                await self._make_stream()
                if config.bucket is not None:
                    await self._make_bucket(config.bucket)
        except BaseException:
            await self.close()
            raise

    async def put(self, events: Sequence[Event]) -> None:
        """Publish, and wait for every acknowledgement of the stream."""
        async with _errors():
            await by_station(events, self._publish)

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Put the latest status under the key `account.charge point id`, encoded."""
        async with _errors():
            await at_once(statuses, self._put)

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Delete the keys."""
        if self._bucket is None:
            raise SinkError("not connected")
        bucket = self._bucket
        async with _errors():
            await at_once(
                charge_points,
                lambda name: bucket.delete(f"{token_of(account)}.{token_of(name)}"),
            )

    async def close(self) -> None:
        """Hang up."""
        nc, self._nc, self._js, self._bucket = self._nc, None, None, None
        if nc is not None:
            with suppress(Exception):
                await asyncio.wait_for(nc.close(), _CLOSE_S)

    # ---- inside --------------------------------------------------------------------------

    async def _publish(self, event: Event) -> None:
        if self._js is None:
            raise SinkError("not connected")
        await self._js.publish(
            f"{self._config.subject_prefix}.{token_of(event.account)}.{token_of(event.station)}"
            f".{token_of(event.action)}",
            event.to_json().encode(),
            stream=self._config.stream,
            headers={
                "Nats-Msg-Id": f"{event.account}.{event.id}",
                "Content-Type": "application/cloudevents+json",
            },
        )

    async def _put(self, status: Status) -> None:
        if self._bucket is None:
            raise SinkError("not connected")
        key = f"{token_of(status['account'])}.{token_of(status['charge_point_id'])}"
        await self._bucket.put(key, json.dumps(status, separators=(",", ":")).encode())

    async def _make_stream(self) -> None:
        config = self._config
        subject = f"{config.subject_prefix}.>"
        try:
            found = await self._js.stream_info(config.stream)
        except nats.js.errors.NotFoundError:
            await self._js.add_stream(
                StreamConfig(
                    name=config.stream,
                    subjects=[subject],
                    max_age=config.stream_hours * 3600,
                    max_bytes=config.stream_bytes,
                    storage=StorageType.FILE,
                    num_replicas=config.replicas,
                    duplicate_window=min(_DUPLICATES_S, config.stream_hours * 3600),
                )
            )
            return
        if subject not in (found.config.subjects or ()):
            raise SinkError(
                f"the stream {config.stream} does not take {subject}; add that subject to it, or "
                "name another stream"
            )

    async def _make_bucket(self, name: str) -> None:
        try:
            self._bucket = await self._js.key_value(name)
        except nats.js.errors.BucketNotFoundError:
            self._bucket = await self._js.create_key_value(
                KeyValueConfig(bucket=name, history=1, replicas=self._config.replicas)
            )


@asynccontextmanager
async def _errors() -> AsyncIterator[None]:
    try:
        yield
    except (nats.errors.Error, asyncio.TimeoutError) as error:
        raise SinkError(f"{type(error).__name__}: {error}") from None


def token_of(text: str) -> str:
    """Return a text as one token of a subject or key: what is not a letter, digit, `-` or `_` is
    `=` and two hexadecimal digits for each byte. '' is `=`."""
    if not text:
        return "="
    return "".join(
        char
        if char.isascii() and (char.isalnum() or char in "-_")
        else "".join(f"={byte:02X}" for byte in char.encode())
        for char in text
    )


async def _log_quietly(error: Exception) -> None:
    """Do not log: the relay logs, once, that a sink is away."""
    _log.debug("NATS: %s", error)
