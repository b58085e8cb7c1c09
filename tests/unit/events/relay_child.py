"""Relays that are killed: path of the events, sinks as JSON, number of kills.

Each is a fork of this process, so that it starts at once. The last one goes on: it prints how many
events wait for each sink.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from chargepoint_driver.events import EventStream
from chargepoint_driver.events.sinks import jetstream, kafka, mqtt, webhook  # noqa: F401
from tests.unit.events.conftest import SINKS


def start(path: Path, words: str) -> EventStream:
    stream = EventStream(path, "garage", SINKS.validate_python(json.loads(words)))
    stream.start()
    return stream


def kill_one(path: Path, words: str, after_s: float) -> None:
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        start(path, words)
        os.write(tell, b".")
        time.sleep(60)
        os._exit(1)
    os.close(tell)
    assert os.read(ready, 1) == b"."
    os.close(ready)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


if __name__ == "__main__":
    path, words, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    chance = random.Random(1)
    kill_one(path, words, 0.0)  # every sink has a cursor now
    print("ready", flush=True)
    for _ in range(kills):
        kill_one(path, words, chance.uniform(0.0, 0.5))
    stream = start(path, words)
    print("killed", flush=True)
    while True:
        time.sleep(0.2)
        print(json.dumps({state.name: state.waiting for state in stream.states()}), flush=True)
