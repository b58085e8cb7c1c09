"""Texts that are handled as they come, and those that the library puts together: one order, and
nothing lost or answered twice, wherever the stream of bytes is cut."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from websockets.frames import Frame, Opcode

from chargepoint_driver.backends.ocpp.transport.throttle import ThrottledConnection
from chargepoint_driver.errors import StoreError

from ..conftest import LIMIT_S, Clock, Site

_UPGRADE = (
    b"GET /ocpp/CP1 HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


class _Raw:
    """A TCP connection that sends bytes as they are given."""

    def __init__(self, site: Site) -> None:
        port = int(site.system.ocpp_url.rsplit(":", 1)[1].split("/")[0])
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def upgrade(self, *pieces: bytes) -> None:
        for piece in pieces or (_UPGRADE,):
            self.socket.sendall(piece)
            time.sleep(0.02 if len(pieces) > 1 else 0)
        while b"\r\n\r\n" not in self._read:
            self._more()
        assert b" 101 " in self._read
        self._read = self._read.partition(b"\r\n\r\n")[2]

    def answer(self) -> list[object]:
        """Return the next text; pongs are passed over."""
        while True:
            while len(self._read) < 2 or len(self._read) < 2 + self._read[1]:
                self._more()
            size = self._read[1]
            assert size <= 125
            kind, text = self._read[0] & 15, self._read[2 : 2 + size]
            self._read = self._read[2 + size :]
            if kind == Opcode.TEXT:
                found: list[object] = json.loads(text)
                return found

    def _more(self) -> None:
        came = self.socket.recv(65_536)
        assert came, "the central system hung up"
        self._read += came


@pytest.fixture
def raw(site: Site) -> Iterator[_Raw]:
    made = _Raw(site)
    with closing(made.socket):
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of each text that was handled as it came."""
    lengths: list[int] = []
    read = ThrottledConnection._text_in

    def _text_in(self: ThrottledConnection, data: bytes) -> bytes | None:
        text = read(self, data)
        if text is not None:
            lengths.append(len(text))
        return text

    monkeypatch.setattr(ThrottledConnection, "_text_in", _text_in)
    return lengths


def _meter(number: int, clock: Clock, *, padding: int = 0) -> bytes:
    sampled = [{"value": str(number), "measurand": "Energy.Active.Import.Register"}]
    values = [{"timestamp": clock.iso(), "sampledValue": sampled}]
    payload = {"connectorId": 1, "meterValue": values}
    return (json.dumps([2, f"m{number}", "MeterValues", payload]) + " " * padding).encode()


def _start(number: int, clock: Clock) -> bytes:
    payload = {"connectorId": 1, "idTag": "A", "timestamp": clock.iso(), "meterStart": number}
    return json.dumps([2, f"m{number}", "StartTransaction", payload]).encode()


def _frame(text: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, text, fin).serialize(mask=True)


def _in_parts(text: bytes, chance: random.Random) -> bytes:
    """A message in three frames, with a ping between them."""
    first, second = sorted(chance.sample(range(1, len(text)), 2))
    return b"".join(
        (
            _frame(text[:first], fin=False),
            _frame(b"still here", Opcode.PING),
            _frame(text[first:second], Opcode.CONT, fin=False),
            _frame(text[second:], Opcode.CONT),
        )
    )


def _stored(site: Site) -> list[float]:
    """The registers of the meter values in the record, in the order in which they were taken."""
    events = site.system.events()
    return [
        each["data"]["samples"][0]["values"]["energy_wh"]
        for each in events
        if each["action"] == "MeterValues"
    ]


def _cut_anywhere(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.sample(range(1, len(data)), 60))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_holds_wherever_the_bytes_are_cut(
    site: Site, raw: _Raw, clock: Clock, at_once: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    raw.upgrade()
    makes: list[Callable[[bytes], bytes]] = [_frame, _frame, lambda text: _in_parts(text, chance)]
    frames = []
    for number in range(60):
        make = _start if number % 13 == 5 else _meter
        frames.append(chance.choice(makes)(make(number, clock)))
    pieces = frames if seed % 2 else _cut_anywhere(b"".join(frames), chance)
    for piece in pieces:
        raw.socket.sendall(piece)
    answers = [raw.answer() for _ in frames]
    assert [answer[:2] for answer in answers] == [[3, f"m{number}"] for number in range(60)]
    assert _stored(site) == [number for number in range(60) if number % 13 != 5]
    # One by one, so that each is a piece of its own: this is what usually happens.
    at_once.clear()
    for number in range(100, 110):
        raw.socket.sendall(_frame(_meter(number, clock)))
        assert raw.answer()[:2] == [3, f"m{number}"]
    assert len(at_once) == 10


@pytest.mark.parametrize(
    ("pieces", "begun"),
    [
        ((_UPGRADE[:40], _UPGRADE[40:]), 0),
        ((_UPGRADE[:-3], _UPGRADE[-3:]), 0),
        ((_UPGRADE,), 3),  # the first bytes of a frame behind it
        ((_UPGRADE,), 7),
        ((_UPGRADE,), 10_000),
    ],
)
def test_a_handshake_in_pieces_or_with_more_behind_it(
    raw: _Raw, clock: Clock, at_once: list[int], pieces: tuple[bytes, ...], begun: int
) -> None:
    early = _frame(_meter(0, clock))
    *before, last = pieces
    raw.upgrade(*before, last + early[:begun])
    raw.socket.sendall(early[begun:])
    assert raw.answer()[:2] == [3, "m0"]
    at_once.clear()
    for number in range(1, 4):
        raw.socket.sendall(_frame(_meter(number, clock)))
        assert raw.answer()[:2] == [3, f"m{number}"]
    assert len(at_once) == 3


def test_what_is_not_stored_is_refused_and_what_follows_waits_for_it(
    site: Site, raw: _Raw, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.upgrade()
    store = site.system._csms.store
    real, fails = store._flush, [True]

    def _flush() -> bool:
        if fails.pop():
            raise StoreError("disk I/O error")
        monkeypatch.setattr(store, "_flush", real)
        return real()

    fails[:0] = [False]
    monkeypatch.setattr(store, "_flush", _flush)
    for number in range(3):
        raw.socket.sendall(_frame(_meter(number, clock)))
        time.sleep(0.01)
    answers = [raw.answer() for _ in range(3)]
    assert [answer[1] for answer in answers] == ["m0", "m1", "m2"]
    assert [answer[0] for answer in answers][:1] == [4]
    stored = _stored(site)
    assert stored == [number for number in range(3) if answers[number][0] == 3]
