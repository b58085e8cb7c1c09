"""What the environment of the process changes: proxies do, logins of ~/.netrc never."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.cli.discovery import central
from chargepoint_driver.config import AccountConfig

from .service import reply


@dataclass
class Server:
    """A server, or a proxy: it answers whatever it is asked for."""

    place: str
    answer: bytes = b""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(request target, header Authorization)"""


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield found
        listening.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def login(tmp_path, monkeypatch) -> None:
    """A login for every host, in both places where the HTTP library looks for one."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    file = tmp_path / ".netrc"
    file.write_text("machine 127.0.0.1 login a password b\ndefault login c password d\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(file))


@pytest.fixture
def backend(server) -> Iterator[SoapBackend]:
    account = AccountConfig(username="u", password="p", endpoint=f"{server.place}/services/5.0")
    backend = SoapBackend(account)
    yield backend
    backend.close()


def test_a_login_of_netrc_is_never_sent(server, backend):
    server.answer = reply("getLoad").encode()
    backend.fetch(Request("getLoad", ("1:1",)))
    server.answer = reply("shedLoad").encode()
    backend.shed(Target("1:1"), Limit(allowed_load_kw=3.0), 60)
    assert server.asked == [("/services/5.0", None)] * 2


def test_a_proxy_of_the_environment_is_used(server, monkeypatch):
    server.answer = reply("getLoad").encode()
    monkeypatch.setenv("http_proxy", server.place)
    url = "http://service.test/services/5.0"
    backend = SoapBackend(AccountConfig(username="u", password="p", endpoint=url))
    try:
        backend.fetch(Request("getLoad", ("1:1",)))
    finally:
        backend.close()
    assert server.asked == [(url, None)]


def test_the_token_of_the_control_api_does_not_give_way(server, monkeypatch):
    monkeypatch.setenv(central.TOKEN_ENV, "the-token-of-the-api")
    server.answer = b"[]"
    assert central.charge_points(server.place) == []
    assert server.asked == [("/charge-points", "Bearer the-token-of-the-api")]
