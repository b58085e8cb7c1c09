"""Consumers of each engine, by their own clients: what the sinks' readers see."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nats
from aiokafka import AIOKafkaConsumer


async def from_nats(url: str, count: int, **options: Any) -> list[dict[str, Any]]:
    """The first messages of the stream."""
    nc = await nats.connect(url, **options)
    try:
        js = nc.jetstream()
        subscription = await js.subscribe("cp.ev.>", ordered_consumer=True)
        found = []
        while len(found) < count:
            message = await subscription.next_msg(timeout=30)
            found.append(json.loads(message.data))
        return found
    finally:
        await nc.close()


async def from_kafka(servers: list[str], topics: list[str], count: int) -> list[tuple[str, Any]]:
    """(key, value) of the first messages of topics."""
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        found: list[tuple[str, Any]] = []
        while len(found) < count:
            message = await asyncio.wait_for(consumer.getone(), 30)
            found.append((message.key.decode(), json.loads(message.value)))
        return found
    finally:
        await consumer.stop()
