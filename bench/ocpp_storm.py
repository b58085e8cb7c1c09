"""All chargers at once, as after a power cut: raw sockets that connect without a pause.

What a user gains: chargers are back within seconds, and none has to try again.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.figure import Figure
from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.process import descriptors

SOCKETS = 2_000
LIMIT_S = 60.0


def figures() -> list[Figure]:
    """A storm of 2,000 and of what this machine's limit of open files allows of 5,000."""
    room = descriptors.raise_soft_limit()
    numbers = [number for number in (SOCKETS, 5_000) if 2 * number + 500 < room]
    found: list[Figure] = []
    for number, at_most_s in zip(numbers, (3.0, 8.0), strict=False):
        took_s, failed, overflowed = _storm(number)
        what = f"{number:,} raw sockets at once, until all are through their handshake"
        found += [
            Figure(what, took_s, "s", at_most=at_most_s),
            Figure(f"{what}: connections that failed", failed, "", at_most=0),
            Figure(f"{what}: listen overflows", overflowed, "", at_most=0),
        ]
    return found


def _storm(number: int) -> tuple[float, int, int]:
    """(seconds until the last one is in, connections that failed, overflows of the backlog)."""
    with tempfile.TemporaryDirectory() as folder:
        system = CentralSystem(
            OcppConfig(listen="127.0.0.1:0", database=Path(folder) / "csms.sqlite")
        )
        system.start()
        before, begun_s = overflows(), time.perf_counter()
        try:
            failed = _connect(system.ocpp_url, number)
            return time.perf_counter() - begun_s, failed, overflows() - before
        finally:
            system.stop()


def _connect(url: str, number: int) -> int:
    parts = urlsplit(url)
    address = parts.hostname, parts.port
    waiting = selectors.DefaultSelector()
    end_s, failed, left = time.perf_counter() + LIMIT_S, 0, number
    with contextlib.ExitStack() as opened:
        opened.callback(waiting.close)
        for each in range(number):
            sock = opened.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(address)
            waiting.register(sock, selectors.EVENT_WRITE, each)
        while left and time.perf_counter() < end_s:
            for key, events in waiting.select(0.1):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    if events & selectors.EVENT_WRITE:
                        sock.sendall(_handshake(parts.netloc, key.data))
                        waiting.modify(sock, selectors.EVENT_READ, key.data)
                        continue
                    failed += not sock.recv(4_096).startswith(b"HTTP/1.1 101")
                except OSError:
                    failed += 1
                waiting.unregister(sock)
                left -= 1
    return failed + left


def _handshake(host: str, number: int) -> bytes:
    return (
        f"GET /ocpp/CP{number:05d} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def overflows() -> int:
    """Connections that the system has dropped because a backlog was full (Linux)."""
    lines = Path("/proc/net/netstat").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt"))
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])
