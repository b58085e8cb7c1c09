"""Raw sockets that connect and boot at once, and then stay idle: `python -m bench.crowd FIRST
NUMBER`, a process as those of `ocpp_servers`."""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.ocpp_servers import Child, serve
from chargepoint_driver.process import descriptors

__all__ = ["PREFIX", "crowd"]

PREFIX = "CP"
LIMIT_S = 120.0
# A text of 126 bytes or more, with a mask of zeros: what is sent is what is read.
_BOOT_TEXT = (
    b'[2,"1","BootNotification",{"chargePointVendor":"Example","chargePointModel":"Storm",'
    b'"chargePointSerialNumber":"0000000000000001","firmwareVersion":"1.0"}]'
)
_BOOT = b"\x81\xfe" + len(_BOOT_TEXT).to_bytes(2, "big") + bytes(4) + _BOOT_TEXT


@contextmanager
def crowd(first: int, number: int) -> Iterator[Child]:
    """A process of them, CP<first> and so on. Its commands are `connect` and `close`."""
    command = [sys.executable, "-m", "bench.crowd", str(first), str(number)]
    made = Child("crowd", command=command)
    try:
        yield made
    finally:
        made.close()


def main(first: int, number: int) -> None:
    """Serve commands until standard input ends."""
    descriptors.raise_soft_limit()
    opened: list[socket.socket] = []

    def connect(ports: list[int]) -> dict[str, Any]:
        """Connect all, spread over the ports; how long the last one took, and how many failed."""
        begun_s = time.perf_counter()
        with selectors.DefaultSelector() as waiting:
            for each in range(first, first + number):
                sock = socket.socket()
                opened.append(sock)
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", ports[each % len(ports)]))
                waiting.register(sock, selectors.EVENT_WRITE, each)
            failed = _boot(waiting, number)
        return {"took_s": time.perf_counter() - begun_s, "failed": failed}

    def close() -> None:
        """Cut all connections, as a broken line does."""
        for sock in opened:
            sock.close()
        opened.clear()

    serve(number, {"connect": connect, "close": close})


def _boot(waiting: selectors.BaseSelector, left: int) -> int:
    """Boot each as soon as it is connected; the number that was not accepted in time."""
    end_s, failed = time.perf_counter() + LIMIT_S, 0
    while left and time.perf_counter() < end_s:
        for key, events in waiting.select(0.1):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            try:
                if events & selectors.EVENT_WRITE:
                    sock.sendall(_handshake(key.data))
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


def _handshake(number: int) -> bytes:
    return (
        f"GET /ocpp/{PREFIX}{number:05d} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
