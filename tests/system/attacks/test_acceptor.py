"""Accepting within limits: from accept on, before login, for each address, and with few
descriptors left."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from chargepoint_driver.process import acceptor, descriptors
from chargepoint_driver.process.acceptor import Acceptor, ConnectionLimits
from chargepoint_driver.rate_limited_log import RateLimitedLog

_SYSTEM_LIMIT = Path("/proc/sys/net/core/somaxconn")
LIMITS = ConnectionLimits(
    max_connections=4, max_unauthenticated=3, max_per_address=100, open_timeout_s=30.0
)


def loops() -> list[Any]:
    found: list[Any] = [pytest.param(asyncio.SelectorEventLoop, id="asyncio")]
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return found
    return [*found, pytest.param(uvloop.new_event_loop, id="uvloop")]


@pytest.fixture(params=loops())
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    loop = request.param()

    def play(work: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(asyncio.wait_for(work, 60))

    yield play
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


class Greeter(asyncio.Protocol):
    """Logs in with the word `in`."""

    def __init__(self, owner: list[Acceptor]) -> None:
        self.owner = owner

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data == b"in":
            self.transport.write(b"yes" if self.owner[0].authenticate(self) else b"no")


@asynccontextmanager
async def accepting(
    limits: ConnectionLimits = LIMITS, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Acceptor, RateLimitedLog]]:
    owner: list[Acceptor] = []
    log = RateLimitedLog(logging.getLogger("attacks"))
    made = Acceptor(("127.0.0.1", 0), lambda: Greeter(owner), limits, log, tls)
    owner.append(made)
    made.start()
    try:
        yield made, log
    finally:
        made.close()
        await made.wait_closed()
        await until(lambda: made.counts()["unauthenticated"] == 0)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


async def connect(one: Acceptor, opened: ExitStack) -> socket.socket:
    sock = opened.enter_context(socket.socket())
    sock.connect(("127.0.0.1", one.port))  # the system does that, not the loop
    sock.setblocking(False)
    await asyncio.sleep(0)
    return sock


async def log_in(one: Acceptor, opened: ExitStack) -> bytes:
    sock = await connect(one, opened)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"in")
    return await loop.sock_recv(sock, 10)


def test_a_connection_counts_from_accept_until_its_descriptor_is_free(run: Any) -> None:
    async def play() -> None:
        with ExitStack() as opened:
            async with accepting() as (one, _):
                sock = await connect(one, opened)
                await until(lambda: one.counts() == {"authenticated": 0, "unauthenticated": 1})
                sock.send(b"in")
                await until(lambda: one.counts() == {"authenticated": 1, "unauthenticated": 0})
                sock.close()
                await until(lambda: one.counts() == {"authenticated": 0, "unauthenticated": 0})

    run(play())


@pytest.mark.skipif(not _SYSTEM_LIMIT.exists(), reason="Linux shows the length of a listen queue")
def test_the_listen_queue_is_as_long_as_the_system_permits(run: Any) -> None:
    """After a power cut all chargers come at once. An operator may raise the system's limit."""

    async def play() -> int:
        async with accepting() as (one, _):
            # tcpi_sacked: of a socket that listens, the length of its queue.
            info = one._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
            return int.from_bytes(info[28:32], sys.byteorder)

    assert run(play()) == int(_SYSTEM_LIMIT.read_text(encoding="ascii"))


def test_silent_connections_make_room_for_one_that_logs_in(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "_GRACE_S", 0.05)

    async def play() -> None:
        with ExitStack() as opened:
            async with accepting() as (one, log):
                for _ in range(30):
                    await connect(one, opened)
                assert await log_in(one, opened) == b"yes"
                assert one.counts()["unauthenticated"] <= LIMITS.max_unauthenticated
                assert log.counts()["pushed_out"] >= 1

    run(play())


def test_no_more_log_in_than_allowed(run: Any) -> None:
    async def play() -> None:
        with ExitStack() as opened:
            async with accepting() as (one, log):
                for _ in range(LIMITS.max_connections):
                    assert await log_in(one, opened) == b"yes"
                assert await log_in(one, opened) == b"no"
                assert log.counts() == {"too_many_connections": 1}

    run(play())


def test_who_does_not_log_in_in_time_is_ended(run: Any) -> None:
    async def play() -> None:
        limits = ConnectionLimits(4, 3, 100, open_timeout_s=0.05)
        with ExitStack() as opened:
            async with accepting(limits) as (one, log):
                sock = await connect(one, opened)
                assert await asyncio.get_running_loop().sock_recv(sock, 10) == b""
                await until(lambda: one.counts()["unauthenticated"] == 0)
                assert log.counts() == {"late_connections": 1}

    run(play())


def test_half_a_tls_handshake_counts_and_is_ended_in_time(run: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def play() -> None:
        limits = ConnectionLimits(4, 3, 100, open_timeout_s=0.2)
        with ExitStack() as opened:
            async with accepting(limits, context) as (one, _):
                sock = await connect(one, opened)
                sock.send(b"\x16\x03\x01\x02\x00")
                await until(lambda: one.counts()["unauthenticated"] == 1)
                await until(lambda: one.counts()["unauthenticated"] == 0)

    run(play())


def test_one_address_has_a_limit_of_its_own(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class NotLoopback:
        is_loopback = False

    monkeypatch.setattr(acceptor.ipaddress, "ip_address", lambda _: NotLoopback())

    async def play() -> None:
        limits = ConnectionLimits(40, 30, max_per_address=2, open_timeout_s=30)
        with ExitStack() as opened:
            async with accepting(limits) as (one, log):
                for _ in range(5):
                    await connect(one, opened)
                await until(lambda: log.counts().get("too_many_per_address") == 3)
                assert sum(one.counts().values()) == 2

    run(play())


def test_descriptors_are_left_for_calls_and_files(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "max_accepted", lambda: 0)

    async def play() -> None:
        with ExitStack() as opened:
            async with accepting() as (one, log):
                await connect(one, opened)
                await until(lambda: log.counts().get("no_descriptors") == 1)
                assert sum(one.counts().values()) == 0

    run(play())


def test_errors_of_accept_are_logged_once_a_minute(
    run: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "_ERROR_PAUSE_S", 0.0)

    async def play() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as opened:
            async with accepting() as (one, log):
                await connect(one, opened)
                await until(lambda: one.counts()["unauthenticated"] == 1)
                sock = opened.enter_context(socket.socket())
                sock.setblocking(False)
                resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, hard))
                try:
                    with pytest.raises(BlockingIOError):
                        sock.connect(("127.0.0.1", one.port))
                    await until(lambda: log.counts().get("accept_errors", 0) > 20)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert len([line for line in caplog.messages if "accept errors" in line]) == 1
                # It accepts again when there is one.
                await until(lambda: one.counts()["unauthenticated"] == 2)

    run(play())


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        assert descriptors.max_accepted() == min(256, hard) - descriptors.RESERVED
        raised = descriptors.raise_soft_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raised
        assert raised >= min(hard, 1 << 17)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
