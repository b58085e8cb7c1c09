"""Consumers of each engine, by clients of their own: what readers of the sinks see."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiomqtt
import nats
import nats.js.errors
from aiokafka import AIOKafkaConsumer

LIMIT_S = 60.0


async def from_nats(url: str, **options: Any) -> list[dict[str, Any]]:
    """All messages of the stream."""
    nc = await nats.connect(url, **options)
    try:
        js = nc.jetstream()
        count = (await js.stream_info("CHARGEPOINT")).state.messages
        subscription = await js.subscribe("cp.ev.>", ordered_consumer=True)
        return [
            json.loads((await subscription.next_msg(timeout=LIMIT_S)).data) for _ in range(count)
        ]
    finally:
        await nc.close()


async def from_bucket(url: str, **options: Any) -> dict[str, dict[str, Any]]:
    """Key to latest status, as a new consumer gets them: by watching the bucket."""
    nc = await nats.connect(url, **options)
    try:
        try:
            bucket = await nc.jetstream().key_value("cp_status")
        except nats.js.errors.BucketNotFoundError:
            return {}  # nobody has written it yet
        watcher = await bucket.watchall()
        found = {}
        while (entry := await watcher.updates(timeout=LIMIT_S)) is not None:
            if entry.operation is None:  # neither deleted nor purged
                found[entry.key] = json.loads(entry.value)
        return found
    finally:
        await nc.close()


async def from_kafka(
    servers: list[str], topic: str, count: int
) -> list[tuple[str, dict[str, Any]]]:
    """Return (key, value) of a topic's messages, until enough different ones have come."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=None,
        auto_offset_reset="earliest",
        metadata_max_age_ms=500,
    )
    await consumer.start()
    try:
        found: list[tuple[str, dict[str, Any]]] = []
        end_s = time.monotonic() + LIMIT_S
        while len({value.get("id", key) for key, value in found}) < count:
            assert time.monotonic() < end_s, f"{len(found)} messages, not {count}"
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found += [(each.key.decode(), json.loads(each.value)) for each in messages]
        return found
    finally:
        await consumer.stop()


class MqttReader:
    """Reads all topics with quality of service 1, in a session that survives its connection."""

    def __init__(self, port: int, topics: str = "chargepoint/#", **options: Any) -> None:
        session = {"identifier": "reader", "clean_session": False}
        self._options: dict[str, Any] = {"port": port, "timeout": 30, **session, **options}
        self._topics = topics
        self.messages: list[tuple[str, bytes, bool]] = []
        self.ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()))

    @contextmanager
    def reading(self) -> Iterator[MqttReader]:
        self._thread.start()
        assert self.ready.wait(LIMIT_S)
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(LIMIT_S)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            found
            for topic, content, _ in list(self.messages)
            if not topic.endswith(("/online", "/live-status"))
            and "specversion" in (found := json.loads(content))
        ]

    async def _read(self) -> None:
        async with aiomqtt.Client("127.0.0.1", **self._options) as client:
            await client.subscribe(self._topics, qos=1)
            self.ready.set()
            reading = asyncio.ensure_future(self._take(client))
            while not self._stop.is_set():
                await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _take(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            content = message.payload if isinstance(message.payload, bytes) else b""
            self.messages.append((str(message.topic), content, message.retain))


class Receiver:
    """A webhook's receiver. `status` is what it answers."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status < 300:
                    receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in list(self.requests) for event in json.loads(body)]

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def from_files(path: Path) -> list[dict[str, Any]]:
    """The events of a file and of those before it, oldest first."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix[1:]))
    return [
        json.loads(line)
        for each in (*older, path)
        for line in each.read_text(encoding="utf-8").splitlines()
    ]
