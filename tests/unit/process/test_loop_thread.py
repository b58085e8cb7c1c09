"""Names of hosts in the platform driver's process, where gevent has replaced threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("gevent")

_CHILD = """
from gevent import monkey
monkey.patch_all()
import asyncio
from chargepoint_driver.process.loop_thread import NativeLoop

async def visit():
    async def greet(reader, writer):
        writer.write(b"hello")
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("localhost", port)
    word = await reader.read()
    writer.close()
    server.close()
    loop = asyncio.get_running_loop()
    return word.decode(), await loop.run_in_executor(None, lambda: 42)

loop = NativeLoop("names")
loop.start()
print(loop.run(visit, 30))
loop.stop()
"""


def test_a_loop_under_gevent_looks_names_up() -> None:
    """The default executor's threads would be greenlets, and the lookup would never end."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "('hello', 42)", done.stderr
