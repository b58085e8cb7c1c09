"""Sinks in the platform driver's process: gevent has patched everything, hosts have names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from chargepoint_driver.events.outbox import Outbox
from tests.unit.events import engines
from tests.unit.events.conftest import check_complete, fill
from tests.unit.events.consumers import MqttReader, Receiver, from_kafka, from_nats
from tests.unit.events.engines import until

pytest.importorskip("gevent")

_CHILD = """
from gevent import monkey
monkey.patch_all()
import json, sys, gevent
from pathlib import Path
from pydantic import TypeAdapter
from chargepoint_driver.config.sinks import SinkConfig
from chargepoint_driver.events import EventStream
sinks = TypeAdapter(dict[str, SinkConfig]).validate_python(json.loads(sys.argv[2]))
ticks = []
ticker = gevent.spawn(lambda: [(ticks.append(1), gevent.sleep(0.01)) for _ in range(100_000)])
stream = EventStream(Path(sys.argv[1]), "garage", sinks)
stream.start()
print("ready", flush=True)
with gevent.Timeout(90):
    while any(state.delivered < 100 for state in stream.states()):
        gevent.sleep(0.05)
stream.stop()
ticker.kill()
assert len(ticks) > 1
print("well", flush=True)
"""


def test_sinks_are_reached_by_name(tmp_path: Path, outbox: Outbox, monkeypatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "a key")
    receiver = Receiver()
    with (
        engines.nats_server(tmp_path) as nats,
        engines.mosquitto(tmp_path) as broker,
        engines.tansu(tmp_path) as kafka,
        receiver.running(),
        MqttReader(broker.port).reading() as reader,
    ):
        servers = [f"localhost:{kafka.port}"]
        sinks = {
            "nats": {"type": "nats", "servers": [f"nats://localhost:{nats.port}"]},
            "mqtt": {"type": "mqtt", "host": "localhost", "port": broker.port},
            "kafka": {"type": "kafka", "bootstrap_servers": servers, "one_topic": True},
            "hook": {
                "type": "webhook",
                "url": receiver.url.replace("127.0.0.1", "localhost"),
                "secret_env": "HOOK_KEY",
            },
        }
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _CHILD, str(outbox.path), json.dumps(sinks)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            fill(outbox, 100)
            assert child.stdout.readline() == "well\n"
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        check_complete(asyncio.run(from_nats(f"nats://127.0.0.1:{nats.port}")), 100)
        found = asyncio.run(from_kafka(servers, "chargepoint.events", 100))
        check_complete([event for _, event in found], 100)
        check_complete(receiver.events, 100)
        until(lambda: len({event["id"] for event in reader.events}) == 100)
        check_complete(reader.events, 100)
