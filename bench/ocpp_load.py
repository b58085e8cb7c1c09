"""Raw sockets that stand for charge points and cost the machine as little as they can: each
sends MeterValues with 8 values, the next one when the one before was answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

_VALUES = ",".join(
    f'{{"value":"%s","measurand":"{measurand}","unit":"{unit}","context":"Sample.Periodic",'
    f'"location":"Outlet"{phase}}}'
    for measurand, unit, phase in (
        ("Voltage", "V", ',"phase":"L1-N"'),
        ("Voltage", "V", ',"phase":"L2-N"'),
        ("Voltage", "V", ',"phase":"L3-N"'),
        ("Current.Import", "A", ',"phase":"L1"'),
        ("Current.Import", "A", ',"phase":"L2"'),
        ("Current.Import", "A", ',"phase":"L3"'),
        ("Power.Active.Import", "W", ""),
        ("Energy.Active.Import.Register", "Wh", ""),
    )
)
_FRAME = (
    '[2,"%s","MeterValues",{"connectorId":1,%s"meterValue":[{"timestamp":"%s","sampledValue":['
    + _VALUES
    + "]}]}]"
)


class Sender(asyncio.Protocol):
    """One socket. The mask is zero, so what is sent is what is read. Subclasses send others."""

    def __init__(self, port: int, number: int, opened: asyncio.Future[None]) -> None:
        self._request = (
            f"GET /ocpp/LOAD{number} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        ).encode()
        self._opened = opened
        self.sent = 0
        self._buffer = b""
        self.answers = 0
        self.errors: list[bytes] = []
        self.is_running = False
        self.unanswered: deque[float] = deque()  # when each was sent, while times are taken
        self.took: list[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._opened.done():
            self._buffer += data
            if b"\r\n\r\n" in self._buffer:
                assert b" 101 " in self._buffer, self._buffer
                self._buffer = b""
                self._opened.set_result(None)
            return
        self._buffer += data
        while len(self._buffer) >= 2:
            length = self._buffer[1]
            first = 2
            if length == 126:
                length, first = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < first + length:
                return
            kind, content = self._buffer[0] & 15, self._buffer[first : first + length]
            self._buffer = self._buffer[first + length :]
            if kind == 9:
                self.transport.write(bytes((0x8A, 0x80 | length, 0, 0, 0, 0)) + content)
            elif kind == 1 and content[:2] == b"[2":
                self.asked(content)
            elif kind == 1 and content[:2] in {b"[3", b"[4"}:
                self.answers += 1
                self.answered(content)
                if content[:2] == b"[4":
                    self.errors.append(content)
                if self.took is not None:
                    self.took.append(time.perf_counter() - self.unanswered.popleft())
                if self.is_running:
                    self.send()

    def send(self) -> None:
        """Send the next request."""
        self.sent += 1
        self.write(self.request(f"{id(self):x}-{self.sent}").encode())

    def write(self, content: bytes) -> None:
        """Send a text of 126 bytes or more."""
        head = bytes((0x81, 0xFE)) + len(content).to_bytes(2, "big") + b"\0\0\0\0"
        self.transport.write(head + content)

    def request(self, message_id: str) -> str:
        """Return the next request: a text of 126 bytes or more."""
        return meter_values(message_id, self.sent)

    def answered(self, content: bytes) -> None:
        """Take an answer, before the next request is sent."""

    def asked(self, content: bytes) -> None:
        """Take a request of the server's."""


def meter_values(message_id: str, number: int, transaction: int | None = None) -> str:
    """Return MeterValues with 8 values, which differ by the number."""
    of = "" if transaction is None else f'"transactionId":{transaction},'
    values = (230.1, 230.2, 229.9, 16.1, 15.9, 16.0, 11_000 + number % 997, 5_000 + number)
    return _FRAME % (message_id, of, iso(time.time()), *values)


def iso(at_s: float) -> str:
    """Return a time as OCPP has it."""
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s * 1000) % 1000:03d}Z"
    )


class Load:
    """A number of sockets to a server, for as long as they are open."""

    def __init__(
        self, port: int, sockets: int, first: int = 0, kind: type[Sender] = Sender
    ) -> None:
        """`first` is the number of the first one, which is part of its id."""
        self._port = port
        self._kind = kind
        self._numbers = range(first, first + sockets)
        self.senders: list[Sender] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self._numbers:
            opened = loop.create_future()
            _, sender = await loop.create_connection(
                lambda number=number, opened=opened: self._kind(self._port, number, opened),
                "127.0.0.1",
                self._port,
            )
            await asyncio.wait_for(opened, 30)
            self.senders.append(sender)

    @staticmethod
    async def all_for(loads: Sequence[Load], seconds: float) -> None:
        """Send at all of these for a while, until every message is answered."""
        await asyncio.gather(*(load.messages_per_s(seconds) for load in loads))
        await asyncio.gather(*(load.drained() for load in loads))

    async def messages_per_s(self, seconds: float) -> float:
        """Answers per second while every socket sends."""
        loop = asyncio.get_running_loop()
        for sender in self.senders:
            sender.is_running = True
            sender.send()
        await asyncio.sleep(seconds / 4)  # until it runs evenly
        begun, before = loop.time(), self.answers
        await asyncio.sleep(seconds)
        rate = (self.answers - before) / (loop.time() - begun)
        for sender in self.senders:
            sender.is_running = False
        await asyncio.sleep(0.3)
        errors = [error for sender in self.senders for error in sender.errors]
        assert not errors, errors[:3]
        return rate

    async def paced(self, messages_per_s: float, seconds: float) -> list[float]:
        """Seconds until each answer, at a rate that no answer changes."""
        took: list[float] = []
        for sender in self.senders:
            sender.took = took
        begun, number = time.perf_counter(), 0
        while (passed_s := time.perf_counter() - begun) < seconds:
            while number < passed_s * messages_per_s:
                sender = self.senders[number % len(self.senders)]
                sender.unanswered.append(time.perf_counter())
                sender.send()
                number += 1
            await asyncio.sleep(0.0005)
        await self.drained()
        for sender in self.senders:
            sender.took = None
        return took

    async def drained(self, limit_s: float = 120.0) -> None:
        """Wait until every message is answered: thousands are on their way at once."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limit_s
        while any(sender.answers < sender.sent for sender in self.senders):
            assert loop.time() < end_s, "not answered within the limit"
            await asyncio.sleep(0.02)

    @property
    def answers(self) -> int:
        """Return how many came in all."""
        return sum(sender.answers for sender in self.senders)

    def close(self) -> None:
        """Say goodbye."""
        for sender in self.senders:
            sender.transport.write(bytes((0x88, 0x80, 0, 0, 0, 0)))
            sender.transport.close()
