"""Central systems and twins in processes of their own: `python -m bench.ocpp_servers NAME …`.

Each prints one line of JSON when it is ready, answers each line of JSON on its standard input
with one line, and ends when that ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.process.garbage import rare_collections
from chargepoint_driver.simulator.ocpp import Twins

# 20,000 connections end one by one, on a machine that may do other work.
CLOSE_LIMIT_S = 240
_FREE_S = 0.002


class Child:
    """One of them, from the outside."""

    def __init__(self, name: str, *options: object, command: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "bench.ocpp_servers", name, *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what was out of order, which is asked for
            text=True,
        )
        self.ready = self.answer()

    def ask(self, command: str, **options: Any) -> Any:
        """Carry a command out; its answer."""
        self.send(command, **options)
        return self.answer()

    def send(self, command: str, **options: Any) -> None:
        """Have a command carried out. `answer` must follow."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": command, **options}) + "\n")
        self.process.stdin.flush()

    @property
    def memory_kib(self) -> int:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    @property
    def busiest_thread_s(self) -> float:
        """Processor time of its busiest thread so far: of a central system, the loop's."""
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            fields = (task / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            found.append(int(fields[11]) + int(fields[12]))
        return max(found) / os.sysconf("SC_CLK_TCK")

    @property
    def processor_s(self) -> float:
        """Processor time that it has taken so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As a loss of power would end it."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Let it end; after the limit, kill it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(CLOSE_LIMIT_S)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def answer(self) -> Any:
        """Return the answer to the command before."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def child(name: str, *options: object) -> Iterator[Child]:
    """One that ends with the block."""
    made = Child(name, *options)
    try:
        yield made
    finally:
        made.close()


def ours(folder: str, port: str = "0", heartbeat_s: str = "3600", sinks: str = "{}") -> None:
    """This project's central system, as it is run."""
    fields = {
        "listen": f"127.0.0.1:{port}",
        "database": Path(folder) / "bench.sqlite",
        "heartbeat_s": int(heartbeat_s),
        "boot_grace_s": 3600,
        "configuration_delay_s": None,
        "most_connections": 25_000,
        "sinks": json.loads(sinks),
    }
    _run(CentralSystem(OcppConfig.from_dict(fields)))


def node(folder: str, dsn: str, name: str, port: str = "0", nats: str = "") -> None:
    """A node of a fleet: the same with its records in PostgreSQL. The tables must exist."""
    from chargepoint_driver.backends.ocpp.postgres.node import Node  # noqa: PLC0415 - needs asyncpg

    fields = {
        "node": name,
        "postgres": {"dsn": dsn},
        "nats": {"servers": [nats]} if nats else None,
        "central_system": {
            "listen": f"127.0.0.1:{port}",
            "database": str(Path(folder) / f"{name}.sqlite"),
            "heartbeat_s": 3600,
            "boot_grace_s": 3600,
            "configuration_delay_s": None,
            "most_connections": 25_000,
        },
    }
    _run(Node(NodeConfig.model_validate(fields)))


def _run(system: CentralSystem) -> None:
    """Serve until standard input ends."""

    def remote_starts(ids: list[str], times: int, every_s: float) -> list[float]:
        """Seconds that each round trip took, of charge points taken at random."""
        chance = random.Random(7)  # noqa: S311
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            system.call(
                chance.choice(ids), "RemoteStartTransaction", {"connectorId": 2, "idTag": "B"}
            )
            took.append(time.perf_counter() - begun)
            time.sleep(every_s)
        return took

    def events() -> int:
        """Messages that were ever recorded."""
        assert system._csms is not None
        return int(system._csms.store._last_event)

    def connected() -> int:
        """Chargers that are connected."""
        return sum(each.connected for each in list(system._running.points.values()))

    steps_s: list[float] = []

    async def measure_steps() -> None:
        """Note how long the loop works between two moments when it is free. Processor time: what
        else the machine does is not in it."""
        before_s = time.thread_time()
        while True:
            await asyncio.sleep(_FREE_S)
            now_s = time.thread_time()
            steps_s.append(now_s - before_s)
            before_s = now_s

    def steps(*, begin: bool) -> list[float]:
        """Start to measure, or return what was measured, in seconds, in order of size."""
        if begin:
            loop = system._loop._loop
            loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(measure_steps())))
        return sorted(steps_s)

    tasks: list[asyncio.Task[None]] = []

    def sinks_waiting() -> dict[str, int]:
        """Sink to the events that wait for it."""
        return {state.name: state.waiting for state in system.sinks()}

    with rare_collections():  # as `csms` and `web` do
        system.start()
        serve(
            int(system.ocpp_url.rpartition(":")[2].partition("/")[0]),
            {
                "remote_starts": remote_starts,
                "events": events,
                "connected": connected,
                "counters": system.counters,
                "steps": steps,
                "sinks_waiting": sinks_waiting,
            },
        )
        system.stop()


def library() -> None:
    """The `ocpp` package with nothing changed, on `websockets`: a server that keeps nothing."""

    class Point(ChargePoint):
        @on("MeterValues")
        def on_meter_values(self, **_: Any) -> call_result.MeterValues:
            return call_result.MeterValues()

    async def handle(connection: ServerConnection) -> None:
        await Point("load", connection).start()

    async def main() -> None:
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        async with serve_websockets(handle, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as running:  # type: ignore[list-item]
            port = next(iter(running.sockets)).getsockname()[1]
            await asyncio.get_running_loop().run_in_executor(None, serve, port, {})

    asyncio.run(main())


def twins(url: str, number: str, interval_s: str) -> None:
    """Twins with two connectors that send meter values at an interval while they charge."""
    running = Twins(
        url,
        int(number),
        connectors=2,
        speed=1,
        configuration={"MeterValueSampleInterval": interval_s},
        longest_backoff_s=5,
    )

    def connected(limit_s: float) -> dict[str, Any]:
        running.wait_connected(limit_s)
        return running.stats()

    def each(action: str, **given: Any) -> int:
        for identity in running.ids:
            running.act(identity, action, **given)
        return len(running.ids)

    with running:
        serve(running.ids, {"connected": connected, "each": each, "stats": running.stats})
        assert running.errors == []


def serve(ready: Any, commands: dict[str, Callable[..., Any]]) -> None:
    """Print a line when ready, and carry out the commands of standard input until it ends."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        options = json.loads(line)
        print(json.dumps(commands[options.pop("do")](**options)), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    {"ours": ours, "node": node, "library": library, "twins": twins}[sys.argv[1]](*sys.argv[2:])
