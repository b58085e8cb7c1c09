"""What an attacker writes to a socket: WebSocket frames by hand, heads without an end."""

from __future__ import annotations

import socket
import struct
import time
from urllib.parse import urlsplit

__all__ = ["CONTINUATION", "PING", "PONG", "TEXT", "Peer", "frame", "half_a_head"]

TEXT, PING, PONG, CONTINUATION = 1, 9, 10, 0
LIMIT_S = 60.0


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A masked frame. The mask is zero, so the payload stands as it is."""
    head = bytes([(128 if fin else 0) | opcode])
    if len(payload) < 126:
        size = bytes([128 | len(payload)])
    elif len(payload) < 65_536:
        size = bytes([128 | 126]) + struct.pack(">H", len(payload))
    else:
        size = bytes([128 | 127]) + struct.pack(">Q", len(payload))
    return head + size + b"\0\0\0\0" + payload


def half_a_head(address: tuple[str, int]) -> socket.socket:
    """A connection that has sent the begin of a request."""
    sock = socket.create_connection(address, timeout=LIMIT_S)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    return sock


class Peer:
    """A charge point whose frames are written by hand; the handshake is done."""

    def __init__(self, url: str, station_id: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self.sock = socket.create_connection((parts.hostname, parts.port), timeout=LIMIT_S)
        self.sock.sendall(
            f"GET {parts.path}/{station_id} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.sock.recv(1)
            if not part:
                break
            head += part
        self.status = int(head.split()[1]) if head else 0

    def flood(self, content: bytes, seconds: float) -> int:
        """Send the content for so long, without reading; the bytes that were taken. Ends early
        where the other side hangs up."""
        sent, end_s = 0, time.monotonic() + seconds
        self.sock.settimeout(0.2)
        while time.monotonic() < end_s:
            try:
                sent += self.sock.send(content)
            except TimeoutError:
                continue
            except OSError:
                break
        self.sock.settimeout(LIMIT_S)
        return sent

    def is_ended(self) -> bool:
        """Whether the other side has hung up."""
        self.sock.settimeout(0.0)
        try:
            while True:
                if not self.sock.recv(65_536):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self.sock.close()
