"""Raw sockets that send MeterValues at a fixed pace, in a process of their own.

`python -m bench.ocpp_pace PORT SOCKETS` opens them and prints `ready`. Each line read then,
`RATE SECONDS`, sends RATE frames a second in all, evenly over the sockets, and prints how many
were answered, when all are. An empty input ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.ocpp_load import Load

__all__: list[str] = []


async def _send(load: Load, rate: float, seconds: float) -> int:
    """Send evenly; return the number of frames that were answered."""
    loop = asyncio.get_running_loop()
    before, begun, sent = load.answers, loop.time(), 0
    while (past_s := loop.time() - begun) < seconds:
        due = int(past_s * rate)
        while sent < due:
            load.senders[sent % len(load.senders)].send()
            sent += 1
        await asyncio.sleep(0.002)
    await load.drained()
    return load.answers - before


async def _main(port: int, sockets: int) -> None:
    load = Load(port, sockets)
    await load.open()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        rate, seconds = map(float, line.split())
        print(json.dumps(await _send(load, rate, seconds)), flush=True)
    load.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
