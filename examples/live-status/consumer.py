"""Reads StatusNotification from Kafka or JetStream, and keeps the latest status of each charger.

    python consumer.py --kafka 127.0.0.1:9092 --store statuses.sqlite
    python consumer.py --nats nats://127.0.0.1:4222 --store statuses.sqlite

It prints a line of JSON when it reads. An event is done with when the store has it: one that comes
twice changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from statuses import Statuses

TOPIC = "chargepoint.StatusNotification"
STREAM = "CHARGEPOINT"
SUBJECT = "cp.ev.*.*.StatusNotification"
GROUP = "live-status"
WAIT_S = 0.5


async def from_kafka(server: str, store: Statuses, stop: asyncio.Event) -> None:
    """Follow the topic, and commit what the store has."""
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - only one of the two clients is needed

    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=server,
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        metadata_max_age_ms=2_000,  # the topic may come later than we do
    )
    await consumer.start()
    ready()
    try:
        while not stop.is_set():
            found = await consumer.getmany(timeout_ms=int(1_000 * WAIT_S))
            for messages in found.values():
                for message in messages:
                    store.apply(json.loads(message.value))
            if found:
                await consumer.commit()
    finally:
        await consumer.stop()


async def from_nats(url: str, store: Statuses, stop: asyncio.Event) -> None:
    """Follow the stream with a durable consumer, and acknowledge what the store has."""
    import nats  # noqa: PLC0415
    from nats.errors import TimeoutError as NothingCame  # noqa: PLC0415
    from nats.js.errors import NotFoundError  # noqa: PLC0415

    client = await nats.connect(url)
    try:
        stream = client.jetstream()
        ready()
        subscription = None
        while not stop.is_set():
            try:
                if subscription is None:
                    subscription = await stream.pull_subscribe(SUBJECT, GROUP, stream=STREAM)
                for message in await subscription.fetch(100, timeout=WAIT_S):
                    store.apply(json.loads(message.data))
                    await message.ack()
            except NotFoundError:  # the stream may come later than we do
                await asyncio.sleep(WAIT_S)
            except NothingCame:
                continue
    finally:
        await client.close()


def ready() -> None:
    """Say that it reads."""
    print(json.dumps({"reads": "StatusNotification"}), flush=True)


async def main() -> None:
    """Read until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--kafka", metavar="HOST:PORT")
    source.add_argument("--nats", metavar="URL")
    parser.add_argument("--store", type=Path, required=True)
    given = parser.parse_args()
    store, stop = Statuses(given.store), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if given.kafka:
        await from_kafka(given.kafka, store, stop)
    else:
        await from_nats(given.nats, store, stop)


if __name__ == "__main__":
    asyncio.run(main())
