"""All chargers at once, as after a power cut: raw sockets that connect and boot without a pause.

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
from bench.ocpp_servers import child
from chargepoint_driver.process import descriptors

SOCKETS = 2_000
LIMIT_S = 60.0
_SYSTEM_LIMIT = Path("/proc/sys/net/core/somaxconn")


def figures() -> list[Figure]:
    """A storm of 2,000 and of what this machine's limit of open files allows of 5,000."""
    room = descriptors.raise_soft_limit()
    numbers = [number for number in (SOCKETS, 5_000) if 2 * number + 500 < room]
    found: list[Figure] = []
    for number, at_most_s in zip(numbers, (3.0, 8.0), strict=False):
        took_s, failed, overflowed = _storm(number)
        what = f"{number:,} raw sockets at once, until all have booted"
        found += [
            Figure(what, took_s, "s", at_most=at_most_s),
            Figure(f"{what}: connections that failed", failed, "", at_most=0),
            # What comes beyond the system's own limit is sent again by the other kernel.
            Figure(
                f"{what}: listen overflows",
                overflowed,
                "",
                at_most=max(0, number - int(_SYSTEM_LIMIT.read_text(encoding="ascii"))),
            ),
        ]
    return found


def _storm(number: int) -> tuple[float, int, int]:
    """(seconds until the last one is in, connections that failed, overflows of the backlog)."""
    with tempfile.TemporaryDirectory() as folder, child("ours", folder) as server:
        before, begun_s = overflows(), time.perf_counter()
        failed = _connect(f"ws://127.0.0.1:{server.ready}", number)
        return time.perf_counter() - begun_s, failed, overflows() - before


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
                    answer = sock.recv(4_096)
                    if answer.startswith(b"HTTP/1.1 101"):
                        sock.sendall(_BOOT)
                        continue
                    if answer and b'[3,"1",' not in answer:
                        continue  # a request of the central system's own
                    failed += b'"Accepted"' not in answer
                except OSError:
                    failed += 1
                waiting.unregister(sock)
                left -= 1
    return failed + left


# A text of 126 bytes or more, with a mask of zeros: what is sent is what is read.
_BOOT_TEXT = (
    b'[2,"1","BootNotification",{"chargePointVendor":"Example","chargePointModel":"Storm",'
    b'"chargePointSerialNumber":"0000000000000001","firmwareVersion":"1.0"}]'
)
_BOOT = b"\x81\xfe" + len(_BOOT_TEXT).to_bytes(2, "big") + bytes(4) + _BOOT_TEXT


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
