"""Attackers, each in a process of its own:

    python -m tests.system.attacks.attackers NAME TARGETS S

TARGETS is JSON: `page` and `ocpp`, URLs. Everything stays on loopback and ends after S seconds.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from .sockets import CONTINUATION, PING, PONG, TEXT, Peer, frame

Targets = dict[str, str]
MAX_HALF_SENT = 372
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
LOGIN_HEAD = (
    b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
)
HEARTBEAT = frame(TEXT, b'[2,"h","Heartbeat",{}]')
BROKEN = frame(TEXT, b'[2,"x"')


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def half_sent(url: str, content: bytes, end_s: float) -> None:
    """Keep a number of connections that have sent the begin of a request; open each again that
    was ended."""
    kept: list[socket.socket] = []
    with contextlib.ExitStack() as opened:
        while time.monotonic() < end_s:
            for sock in list(kept):
                with contextlib.suppress(BlockingIOError):
                    try:
                        ended = not sock.recv(4_096)
                    except ConnectionError:
                        ended = True
                    if ended:
                        sock.close()
                        kept.remove(sock)
            while len(kept) < MAX_HALF_SENT and time.monotonic() < end_s:
                sock = opened.enter_context(socket.socket())
                sock.settimeout(0.5)
                try:
                    sock.connect(address_of(url))
                    sock.sendall(content)
                except OSError:
                    sock.close()
                    break
                sock.setblocking(False)
                kept.append(sock)
            time.sleep(0.01)


def again_and_again(url: str, content: bytes, end_s: float) -> None:
    """Connect, send a request, and do not wait long for an answer."""
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), socket.create_connection(address_of(url), 0.5) as sock:
            sock.sendall(content)
            sock.settimeout(0.05)
            sock.recv(4_096)


def handshake(station_id: str) -> bytes:
    return (
        f"GET /ocpp/{station_id} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def flood(url: str, content: bytes, end_s: float) -> None:
    """One charger that sends the same frames without end, and connects again when dropped."""
    while time.monotonic() < end_s:
        with peer(url) as one:
            if one is not None and one.status == 101:
                one.flood(content, end_s - time.monotonic())
        time.sleep(0.01)


@contextlib.contextmanager
def peer(url: str) -> Iterator[Peer | None]:
    made = None
    with contextlib.suppress(OSError):
        made = Peer(url, "BAD")
    try:
        yield made
    finally:
        if made is not None:
            made.close()


@dataclass(frozen=True)
class Attack:
    """What is done, and with how many processes."""

    what: str
    play: Callable[[Targets, float], None]
    processes: int = 1


ATTACKS = {
    "half-heads-page": Attack(
        f"page: {MAX_HALF_SENT} half-sent heads without login",
        lambda to, end_s: half_sent(to["page"], HEAD, end_s),
    ),
    "half-bodies-page": Attack(
        f"page: {MAX_HALF_SENT} half-sent logins",
        lambda to, end_s: half_sent(to["page"], LOGIN_HEAD + b"60000\r\n\r\ntoken=", end_s),
    ),
    "wrong-tokens": Attack(
        "page: wrong tokens",
        lambda to, end_s: again_and_again(to["page"], LOGIN_HEAD + b"7\r\n\r\ntoken=x", end_s),
        processes=2,
    ),
    "broken-requests": Attack(
        "page: requests that are none",
        lambda to, end_s: again_and_again(to["page"], b"GET / HTTP/9.9\r\nbroken\r\n\r\n", end_s),
    ),
    "half-heads-ocpp": Attack(
        f"OCPP: {MAX_HALF_SENT} half-sent handshakes",
        lambda to, end_s: half_sent(to["ocpp"], HEAD, end_s),
    ),
    "unknown-ids": Attack(
        "OCPP: handshakes of unknown ids",
        lambda to, end_s: again_and_again(to["ocpp"], handshake("NOBODY"), end_s),
        processes=2,
    ),
    "wrong-passwords": Attack(
        "OCPP: handshakes without the password",
        lambda to, end_s: again_and_again(to["ocpp"], handshake("SAFE"), end_s),
        processes=2,
    ),
    "replaced-sockets": Attack(
        "OCPP: one id that connects again and again",
        lambda to, end_s: again_and_again(to["ocpp"], handshake("BAD"), end_s),
    ),
    "pongs": Attack(
        "OCPP: a charger that sends pongs",
        lambda to, end_s: flood(to["ocpp"], frame(PONG) * 10_000, end_s),
    ),
    "pings": Attack(
        "OCPP: a charger that sends pings and does not read",
        lambda to, end_s: flood(to["ocpp"], frame(PING, b"x" * 125) * 1_000, end_s),
    ),
    "fragments": Attack(
        "OCPP: a charger that sends a message in empty fragments",
        lambda to, end_s: flood(
            to["ocpp"],
            frame(TEXT, b"[", fin=False) + frame(CONTINUATION, fin=False) * 10_000,
            end_s,
        ),
    ),
    "heartbeats": Attack(
        "OCPP: a charger that sends Heartbeats and does not read",
        lambda to, end_s: flood(to["ocpp"], HEARTBEAT * 1_000, end_s),
    ),
    "broken-messages": Attack(
        "OCPP: a charger that sends invalid messages",
        lambda to, end_s: flood(to["ocpp"], BROKEN * 1_000, end_s),
    ),
}


def main(name: str, targets: str, seconds: str) -> None:
    ATTACKS[name].play(json.loads(targets), time.monotonic() + float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
