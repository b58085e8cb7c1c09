"""A gate in front of a Kafka broker: it ends TLS, and asks for a user by SASL.

The broker at hand can do neither. The gate answers SaslHandshake and SaslAuthenticate itself, as
RFC 4616 (PLAIN) and RFC 5802 (SCRAM) have it, and passes everything else on.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import struct
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SASL_HANDSHAKE, _API_VERSIONS, _SASL_AUTHENTICATE = 17, 18, 36
_UNSUPPORTED, _FAILED = 33, 58
_ROUNDS, _SALT = 4096, b"salt of a test"


class Scram:
    """The server's side of one exchange."""

    def __init__(self, name: str, users: dict[str, str]) -> None:
        self._hash = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[name]
        self._users = users
        self._said: list[str] = []
        self.is_over = False

    def _hmac(self, key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), self._hash).digest()

    def step(self, content: bytes) -> bytes | None:
        """Answer a message of the client; None refuses it."""
        text = content.decode()
        if not self._said:
            assert text.startswith("n,,")
            bare = text[3:]
            self._fields = dict(part.split("=", 1) for part in bare.split(","))
            first = f"r={self._fields['r']}more,s={b64encode(_SALT).decode()},i={_ROUNDS}"
            self._said = [bare, first]
            return first.encode()
        final, _, proof = text.rpartition(",p=")
        password = self._users.get(self._fields["n"], "")
        salted = hashlib.pbkdf2_hmac(self._hash, password.encode(), _SALT, _ROUNDS)
        messages = ",".join([*self._said, final])
        stored = hashlib.new(self._hash, self._hmac(salted, "Client Key")).digest()
        signature = self._hmac(stored, messages)
        key = bytes(a ^ b for a, b in zip(b64decode(proof), signature, strict=True))
        if not password or hashlib.new(self._hash, key).digest() != stored:
            return None
        self.is_over = True
        verifier = self._hmac(self._hmac(salted, "Server Key"), messages)
        return b"v=" + b64encode(verifier)


class Plain:
    """User and password in one message."""

    def __init__(self, users: dict[str, str]) -> None:
        self._users = users
        self.is_over = False

    def step(self, content: bytes) -> bytes | None:
        """Answer the message; None refuses it."""
        _, user, password = content.decode().split("\0")
        self.is_over = self._users.get(user) == password
        return b"" if self.is_over else None


class _Gate:
    """One gate, in a process of its own."""

    def __init__(self, broker: int, users: dict[str, str]) -> None:
        self._broker = broker
        self._users = users

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it or the broker ends."""
        there, back = await asyncio.open_connection("127.0.0.1", self._broker)
        work = [
            asyncio.ensure_future(_pump(there, writer)),
            asyncio.ensure_future(self._requests(reader, writer, back)),
        ]
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, back):
            each.transport.abort()
        await asyncio.gather(*work, return_exceptions=True)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        exchange: Scram | Plain | None = None
        may_pass = not self._users
        while True:
            frame = await _frame(reader)
            api, version, number, name_size = struct.unpack_from(">hhih", frame)
            body = frame[10 + max(0, name_size) :]
            if api == _SASL_HANDSHAKE:
                exchange = self._exchange(body[2:].decode())
                known = b"".join(
                    _text(each) for each in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
                )
                code = 0 if exchange else _UNSUPPORTED
                _answer(writer, number, struct.pack(">hi", code, 3) + known)
            elif api == _SASL_AUTHENTICATE:
                assert exchange is not None
                said = exchange.step(body[4:])
                code, text = (
                    (0, struct.pack(">h", -1))
                    if said is not None
                    else (
                        _FAILED,
                        _text("wrong user or password"),
                    )
                )
                content = struct.pack(">h", code) + text + struct.pack(">i", len(said or b""))
                content += said or b""
                _answer(writer, number, content + (struct.pack(">q", 0) if version else b""))
                may_pass = may_pass or exchange.is_over
            elif may_pass or api == _API_VERSIONS:
                back.write(struct.pack(">i", len(frame)) + frame)
                await back.drain()
            else:
                return

    def _exchange(self, name: str) -> Scram | Plain | None:
        if name == "PLAIN":
            return Plain(self._users)
        return Scram(name, self._users) if name.startswith("SCRAM-SHA-") else None


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def _answer(writer: asyncio.StreamWriter, number: int, content: bytes) -> None:
    writer.write(struct.pack(">ii", 4 + len(content), number) + content)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


@contextmanager
def kafka_gate(**settings: Any) -> Iterator[tuple[int, Callable[[int], None]]]:
    """Start a gate; its port, and what opens it to the broker with a port. `users`: name to
    password. `certificate`, `key` and `ca`: PEM files; `ca` is that of the clients."""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.unit.events.kafka_gate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def tell(words: Any) -> None:
        child.stdin.write(json.dumps(words) + "\n")
        child.stdin.flush()

    try:
        tell(settings)
        yield int(child.stdout.readline()), tell
    finally:
        child.kill()
        child.wait(30)
        child.stdin.close()
        child.stdout.close()


def _main() -> None:
    settings = json.loads(sys.stdin.readline())
    context = None
    if "certificate" in settings:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings["ca"])
        context.load_cert_chain(settings["certificate"], settings["key"])
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        gate = _Gate(json.loads(sys.stdin.readline()), settings["users"])

        async def serve() -> None:
            async with await asyncio.start_server(
                gate.serve, sock=listening, ssl=context
            ) as server:
                await server.serve_forever()

        asyncio.run(serve())


if __name__ == "__main__":
    _main()
