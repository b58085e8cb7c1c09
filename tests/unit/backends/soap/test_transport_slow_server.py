"""One time limit for the whole answer, against a server that trickles, on a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.errors import InvalidReplyError, OutcomeUnknownError, TransientError
from chargepoint_driver.process import http_session
from chargepoint_driver.process.http_session import Deadline

from .service import reply

LIMIT_S = 0.5
# Far from the limit and from what an unlimited trickle would take.
LATE_S = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"


class Raw:
    """A server that plays one script per connection: bytes to send, or seconds to wait."""

    def __init__(self) -> None:
        self.script: list[bytes | float] = []
        self.requests = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._over.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                content = b""
                while b"</soap-env:Envelope>" not in content:
                    content += connection.recv(65536)
                self.requests += 1
                for step in self.script:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif self._over.wait(step):
                        return
            except OSError:
                return

    def stop(self) -> None:
        self._over.set()
        with socket.create_connection(self._listener.getsockname()):
            pass  # wakes accept
        for thread in self._threads:
            thread.join(60)
        self._listener.close()
        assert not any(thread.is_alive() for thread in self._threads)


@pytest.fixture
def server() -> Iterator[Raw]:
    server = Raw()
    yield server
    server.stop()


@pytest.fixture
def slow(server, account) -> Iterator[SoapBackend]:
    backend = SoapBackend(account.model_copy(update={"endpoint": server.url, "timeout": LIMIT_S}))
    yield backend
    backend.close()


def trickle(piece: bytes, times: int = 400) -> list[bytes | float]:
    return [step for _ in range(times) for step in (piece, 0.05)]


SCRIPTS = {
    "silence": [60.0],
    "status line": trickle(b"H"),
    "headers": [HEAD, *trickle(b"X-Pad: x\r\n", 90)],
    "one endless header": [HEAD, b"X-Pad: ", *trickle(b"x")],
    "body": [HEAD + b"Content-Length: 9999\r\n\r\n", *trickle(b" ")],
    "body without length": [HEAD + b"\r\n", *trickle(b" ")],
    "chunks": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *trickle(b"1\r\n \r\n")],
    "chunk size": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *trickle(b"0")],
    "redirect body": [
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999\r\n\r\n",
        *trickle(b" "),
    ],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_nothing_outlasts_the_limit(script, server, slow):
    server.script = script
    slow._envelopes._description()  # reading the WSDL does not count for the time
    start = time.monotonic()
    with pytest.raises(TransientError, match=r"getLoad.*0\.5 s"):
        slow.fetch(Request("getLoad", ("1:1",)))
    assert LIMIT_S * 0.9 < time.monotonic() - start < LATE_S
    with pytest.raises(OutcomeUnknownError, match=r"shedLoad.*0\.5 s"):
        slow.shed(Target("1:1"), Limit(percent_shed=10), 60)
    assert time.monotonic() - start < 2 * LATE_S
    assert server.requests == 2


BREAKS = {
    "at once": [],
    "in the head": [HEAD],
    "in the body": [HEAD + b"Content-Length: 9999\r\n\r\n<x>"],
    "in a chunk": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<x>"],
    "no http": [b"\x16\x03\x01\x00 hello\r\n\r\n"],
    "not the length it names": [HEAD + b"Content-Length: 3\r\n\r\n"],
    "too many headers": [HEAD + b"X: 1\r\n" * 200 + b"\r\n"],
    "garbled gzip": [HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"],
}


@pytest.mark.parametrize("script", BREAKS.values(), ids=BREAKS)
def test_a_connection_that_breaks(script, server, slow):
    server.script = script
    # A head without a body may be a whole answer that is not a reply.
    kind = InvalidReplyError if script == BREAKS["in the head"] else TransientError
    with pytest.raises(kind, match="getLoad"):
        slow.fetch(Request("getLoad", ("1:1",)))
    with pytest.raises(OutcomeUnknownError, match="shedLoad"):
        slow.shed(Target("1:1"), Limit(percent_shed=10), 60)
    assert server.requests == 2


@pytest.mark.parametrize("length", ["", "Content-Length: \xb2\r\n", "Content-Length: x\r\n"])
def test_a_length_that_is_none_is_no_matter(length, server, slow):
    body = reply("getLoad", "<stationData><stationID>1:1</stationID></stationData>").encode()
    server.script = [HEAD + length.encode("latin-1") + b"\r\n" + body]
    assert list(slow.fetch(Request("getLoad", ("1:1",))).records) == ["1:1"]


def test_a_slow_answer_within_the_limit_is_read(server, account):
    body = reply("getLoad").encode()
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    server.script = [head[:20], 0.05, head[20:], 0.05, body[:50], 0.05, body[50:], 60.0]
    backend = SoapBackend(account.model_copy(update={"endpoint": server.url, "timeout": 30.0}))
    assert backend.fetch(Request("getLoad", ("1:1",))).records == {}
    backend.close()


def test_a_connection_has_its_own_limit_again_afterwards():
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(30.0)
        reader = Deadline(near)
        far.sendall(b"abc")
        assert reader.read(3) == b"abc"
        assert 29.0 < near.gettimeout() < 30.0
        reader.close()
        assert near.gettimeout() == 30.0
        near.settimeout(1e-6)
        late = Deadline(near)
        far.sendall(b"abc")
        time.sleep(1e-3)
        with pytest.raises(TimeoutError):
            late.read(3)
        late.close()


def test_a_write_does_not_go_over_a_connection_that_was_kept(server, slow):
    body = reply("getLoad").encode()
    server.script = [HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, 60.0]
    slow.fetch(Request("getLoad", ("1:1",)))
    with pytest.raises(OutcomeUnknownError, match="not shedLoadResponse"):
        slow.shed(Target("1:1"), Limit(percent_shed=10), 60)
    assert server.requests == 2


def test_a_connection_that_was_idle_for_long_is_made_anew(server, slow, monkeypatch):
    """The server may be about to close it. This one answers once over each."""
    body = reply("getLoad").encode()
    server.script = [HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, 60.0]
    question = Request("getLoad", ("1:1",))
    slow.fetch(question)
    with pytest.raises(TransientError):
        slow.fetch(question)  # at once: over the same
    assert server.requests == 1
    slow.fetch(question)
    monkeypatch.setattr(http_session, "_IDLE_S", 0.0)
    slow.fetch(question)
    assert server.requests == 3


def test_nobody_listens(account):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    backend = SoapBackend(account.model_copy(update={"endpoint": url}))
    for attempt in (
        lambda: backend.fetch(Request("getLoad", ("1:1",))),
        lambda: backend.clear(Target("1:1")),
    ):
        with pytest.raises(TransientError, match="no connection") as caught:
            attempt()
        assert type(caught.value) is TransientError
    backend.close()
