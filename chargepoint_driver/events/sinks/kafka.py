"""Kafka: a topic for each action, or one for all, and a compacted topic of the latest status."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownError,
    UnsupportedVersionError,
    for_code,
)

from chargepoint_driver.config.sinks import KafkaSinkConfig
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import SinkError, Status
from chargepoint_driver.events.sinks.ordering import by_station
from chargepoint_driver.process.tls import context_of
from chargepoint_driver.text import get_logger

__all__ = ["KafkaSink"]

_log = get_logger(__name__)
_REQUEST_MS = 15_000
_CLOSE_S = 5.0
_MAX_TOPIC = 249
_MAX_REPLICAS = 3
# What a broker answers that has no idempotent producers, or does not allow them to this user.
_NOT_IDEMPOTENT = (UnknownError, UnsupportedVersionError, ClusterAuthorizationFailedError)

_causes: ContextVar[list[str] | None] = ContextVar("causes", default=None)
"""What the client has logged since it began to connect."""


class _Causes(logging.Handler):
    """Keeps the client's errors for the sink that connects at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        found = _causes.get()
        if found is not None:
            found.append(record.getMessage())


def _take_log_over() -> None:
    """Keep the client's errors out of the log: it writes one for each try, and the relay logs
    once that a sink is away. A level that somebody has set leaves its log alone."""
    log = logging.getLogger("aiokafka")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)
        log.propagate = False
        log.addHandler(_Causes())


_Message = tuple[str, str, str | None, list[tuple[str, bytes]]]
"""Topic, key, value (None: remove the key), headers."""


class KafkaSink:
    """An idempotent producer with acks of all replicas, so that a partition keeps its order.

    Where a broker has no idempotence, the events of a station are sent one after the other.
    """

    max_batch = 500

    def __init__(self, config: KafkaSinkConfig) -> None:
        self._config = config
        self.takes_status = config.live_status
        self._producer: Any = None
        self._topics: set[str] = set()
        self._is_idempotent = True
        _take_log_over()

    async def open(self) -> None:
        """Connect. Topics are made when they are first written."""
        await self.close()
        self._topics.clear()
        causes: list[str] = []
        _causes.set(causes)
        try:
            self._producer = await self._start(idempotent=self._is_idempotent)
        except _NOT_IDEMPOTENT as error:
            if not self._is_idempotent:
                raise SinkError(f"{type(error).__name__}: {error}") from None
            _log.warning(
                "Kafka: no idempotent producer here (%s); the events of a charger are sent one "
                "after the other, which is slower",
                type(error).__name__,
            )
            self._is_idempotent = False
            await self.open()
        except KafkaError as error:
            # The client's error has no cause: a wrong password, an unknown certificate.
            cause = f" ({causes[-1]})" if causes else ""
            raise SinkError(f"{type(error).__name__}: {error}{cause}") from None

    async def _start(self, *, idempotent: bool) -> Any:
        producer = AIOKafkaProducer(
            **self._connection(),
            acks="all",
            enable_idempotence=idempotent,
            linger_ms=5 if idempotent else 0,
            max_batch_size=262_144,
        )
        try:
            await producer.start()
        except BaseException:
            with suppress(Exception):
                await producer.stop()
            raise
        return producer

    async def put(self, events: Sequence[Event]) -> None:
        """Send, and wait until all replicas have it."""
        if self._is_idempotent:
            await self._send([self._message(event) for event in events])
        else:
            await by_station(events, lambda event: self._send([self._message(event)]))

    def _message(self, event: Event) -> _Message:
        return (
            self._topic(event.action),
            event.station or event.account,
            event.to_json(),
            [
                ("id", event.id.encode()),
                ("run", str(event.run).encode()),
                ("seq", str(event.seq).encode()),
                ("content-type", b"application/cloudevents+json"),
            ],
        )

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Write the latest status under the key `account/charge point id`."""
        topic = f"{self._config.topic_prefix}live-status"
        await self._send(
            [
                (
                    topic,
                    f"{status['account']}/{status['charge_point_id']}",
                    json.dumps(status, separators=(",", ":")),
                    [],
                )
                for status in statuses
            ]
        )

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Write an empty message under each key: compaction then removes it."""
        topic = f"{self._config.topic_prefix}live-status"
        await self._send([(topic, f"{account}/{name}", None, []) for name in charge_points])

    async def close(self) -> None:
        """Hang up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                await asyncio.wait_for(producer.stop(), _CLOSE_S)

    # ---- inside --------------------------------------------------------------------------

    async def _send(self, messages: Sequence[_Message]) -> None:
        producer = self._producer
        if producer is None:
            raise SinkError("not connected")
        try:
            for topic in {message[0] for message in messages} - self._topics:
                await self._make_topic(producer, topic)
                self._topics.add(topic)
            confirmed = [
                await producer.send(
                    topic,
                    None if value is None else value.encode(),
                    key=key.encode(),
                    headers=headers,
                )
                for topic, key, value, headers in messages
            ]
            await asyncio.gather(*confirmed)
        except KafkaError as error:
            raise SinkError(f"{type(error).__name__}: {error}") from None

    def _topic(self, action: str) -> str:
        prefix = self._config.topic_prefix
        if self._config.one_topic:
            return f"{prefix}events"
        return f"{prefix}{re.sub(r'[^A-Za-z0-9._-]', '_', action)}"[:_MAX_TOPIC]

    async def _make_topic(self, producer: Any, name: str) -> None:
        """Make a topic where it is missing. Where that is not allowed, it must exist."""
        config = self._config
        brokers = len(producer.client.cluster.brokers())
        topic = NewTopic(
            name,
            num_partitions=config.partitions,
            replication_factor=config.replicas or max(1, min(_MAX_REPLICAS, brokers)),
            topic_configs={"cleanup.policy": "compact"} if name.endswith("live-status") else {},
        )
        admin = AIOKafkaAdminClient(**self._connection())
        try:
            await admin.start()
            answer = await admin.create_topics([topic])
            for row in answer.topic_errors:
                if row[1] and for_code(row[1]) is not TopicAlreadyExistsError:
                    _log.info("topic %s was not made: %s", name, for_code(row[1]).__name__)
        except Exception as error:  # noqa: BLE001 - some brokers make topics when they are written
            _log.info("topic %s was not made: %s: %s", name, type(error).__name__, error)
        finally:
            with suppress(Exception):
                await asyncio.wait_for(admin.close(), _CLOSE_S)

    def _connection(self) -> dict[str, Any]:
        config = self._config
        context = context_of(config)
        password = config.read_password()
        found: dict[str, Any] = {
            "bootstrap_servers": list(config.bootstrap_servers),
            "client_id": "chargepoint-driver",
            "request_timeout_ms": _REQUEST_MS,
            "security_protocol": "PLAINTEXT" if context is None else "SSL",
        }
        if context is not None:
            found["ssl_context"] = context
        if password is not None:
            found.update(
                security_protocol="SASL_PLAINTEXT" if context is None else "SASL_SSL",
                sasl_mechanism=config.sasl_mechanism,
                sasl_plain_username=config.username,
                sasl_plain_password=password,
            )
        return found
