"""The relay is killed again and again: nothing is missing on any sink, and all is in order."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chargepoint_driver.events.outbox import Outbox
from tests.unit.events import engines
from tests.unit.events.conftest import check_complete, fill
from tests.unit.events.consumers import MqttReader, Receiver, from_files, from_kafka, from_nats

KILLS = 15
EVENTS_A_STEP = 10
LIMIT_S = 120.0


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait(30)
    assert child.stdout is not None
    child.stdout.close()


def test_fifteen_kills_cost_nothing(tmp_path: Path, outbox: Outbox, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOOK_KEY", "a key")
    receiver = Receiver()
    with ExitStack() as stack:
        nats = stack.enter_context(engines.nats_server(tmp_path))
        broker = stack.enter_context(engines.mosquitto(tmp_path))
        kafka = stack.enter_context(engines.tansu(tmp_path))
        stack.enter_context(receiver.running())
        servers = [f"127.0.0.1:{kafka.port}"]
        url = f"nats://127.0.0.1:{nats.port}"
        sinks = {
            "nats": {"type": "nats", "servers": [url]},
            "mqtt": {"type": "mqtt", "host": "127.0.0.1", "port": broker.port},
            "kafka": {"type": "kafka", "bootstrap_servers": servers, "one_topic": True},
            "file": {
                "type": "file",
                "path": str(tmp_path / "out.jsonl"),
                "max_bytes": 200_000,
                "keep": 99,
            },
            "hook": {"type": "webhook", "url": receiver.url, "secret_env": "HOOK_KEY"},
        }
        reader = stack.enter_context(MqttReader(broker.port).reading())
        child = subprocess.Popen(
            [
                sys.executable, "-m", "tests.unit.events.relay_child",
                str(outbox.path), json.dumps(sinks), str(KILLS),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        stack.callback(end, child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        stop, count = threading.Event(), 0

        def write() -> None:
            nonlocal count
            while not stop.is_set():
                fill(outbox, EVENTS_A_STEP, stations=10, begin=count)
                count += EVENTS_A_STEP
                stop.wait(0.05)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert child.stdout.readline() == "killed\n"
        finally:
            stop.set()
            writer.join()
        end_s = time.monotonic() + LIMIT_S
        while any(json.loads(child.stdout.readline()).values()):
            assert time.monotonic() < end_s
        engines.until(lambda: len({event["id"] for event in reader.events}) >= count)
        found = {
            "nats": asyncio.run(from_nats(url)),
            "mqtt": reader.events,
            "kafka": [
                event for _, event in asyncio.run(from_kafka(servers, "chargepoint.events", count))
            ],
            "file": from_files(tmp_path / "out.jsonl"),
            "hook": receiver.events,
        }
    assert count > KILLS * EVENTS_A_STEP
    for events in found.values():
        check_complete(events, count)
    # JetStream itself drops what comes twice.
    assert len(found["nats"]) == count
