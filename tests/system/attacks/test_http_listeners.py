"""The page and the control API: half-sent requests, wrong tokens, broken requests."""

from __future__ import annotations

import json
import logging
import socket
import time
from typing import Any

import pytest
import requests

from chargepoint_driver.http_server import FailedLogins, listener
from chargepoint_driver.rate_limited_log import RateLimitedLog

from .conftest import LIMIT_S, TOKEN, address_of, exchange
from .sockets import half_a_head

DOORS = ["page", "control"]


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> tuple[tuple[str, int], str]:
    """(address, path that needs the token)."""
    if request.param == "page":
        return address_of(request.getfixturevalue("page").url), "/api/v1/health"
    return address_of(request.getfixturevalue("csms").control_url), "/counters"


def ask(door: tuple[tuple[str, int], str], head: str = "", body: bytes = b"") -> bytes:
    address, path = door
    text = f"GET {path} HTTP/1.1\r\nConnection: close\r\n{head}\r\n".encode()
    return exchange(address, text + body)


def with_token(door: tuple[tuple[str, int], str]) -> bytes:
    return ask(door, f"Host: x\r\nX-API-Key: {TOKEN}\r\n")


def test_half_sent_requests_keep_nobody_out(door: Any) -> None:
    half = [half_a_head(door[0]) for _ in range(372)]
    try:
        assert with_token(door).startswith(b"HTTP/1.1 200")
    finally:
        for each in half:
            each.close()


def test_a_head_and_a_body_have_a_time_limit(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_BODY_S", 0.1)
    head = (
        "POST /api/v1/shed HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        f"X-API-Key: {TOKEN}\r\n\r\n"
    )
    answer = exchange(address_of(page.url), head.encode() + b'{"cp')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"no whole body within 0.1 s" in answer


def test_late_heads_are_ended(page: Any, csms: Any) -> None:
    for found in (page._listener, csms._control._listener):
        assert found._acceptor.limits.open_timeout_s == 10


HOSTS = ["", "Host: x:99999\r\n", "Host: x:abc\r\n", "Host: :80\r\n"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_bad_host_is_a_400_without_a_traceback(
    door: Any, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(door, f"{host}X-API-Key: {TOKEN}\r\n")
    assert answer.split()[1] == b"400", answer
    assert "Traceback" not in caplog.text


BROKEN = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "two lengths": b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "bad chunk": b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
    "bad charset": b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded; charset=none\r\n"
    b"Content-Length: 7\r\n\r\ntoken=x",
    "no multipart": b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\n"
    b"Content-Type: multipart/form-data\r\nContent-Length: 7\r\n\r\ntoken=x",
    "no gzip": b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 7\r\n\r\ntoken=x",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests_get_4xx_and_no_traceback(
    page: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = exchange(address_of(page.url), BROKEN[name])
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert "Traceback" not in caplog.text


def test_wrong_tokens_are_delayed_logged_and_counted(
    door: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    real = FailedLogins.delay_s

    def delay_s(self: FailedLogins, address: str) -> float:
        waited.append(real(self, address))
        return 0.0

    monkeypatch.setattr(FailedLogins, "delay_s", delay_s)
    for _ in range(6):
        assert ask(door, "Host: x\r\nX-API-Key: wrong\r\n").startswith(b"HTTP/1.1 401")
    assert waited == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]
    lines = [line for line in caplog.messages if "wrong tokens" in line]
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0]
    assert "wrong'" not in caplog.text
    # Right ones do not wait, and a browser without any does not count as a failed login.
    assert with_token(door).startswith(b"HTTP/1.1 200")
    ask(door, "Host: x\r\n")
    assert len(waited) == 6


def test_failures_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    failed = FailedLogins(RateLimitedLog(logging.getLogger("attacks")), clock=lambda: now[0])
    assert [failed.delay_s("a"), failed.delay_s("a"), failed.delay_s("b")] == [0.25, 0.5, 0.25]
    now[0] = 61.0
    assert failed.delay_s("a") == 0.25


def test_a_proxy_may_ask_for_a_password_of_its_own(page: Any) -> None:
    """It passes its `Authorization: Basic` on; the page goes by its cookie."""
    with requests.Session() as browser:
        browser.trust_env = False
        browser.auth = ("somebody", "password of the proxy")
        browser.headers["Origin"] = page.url.rstrip("/")
        answer = browser.post(
            f"{page.url}login", data={"token": TOKEN}, timeout=LIMIT_S, allow_redirects=False
        )
        assert answer.status_code == 303
        assert browser.get(f"{page.url}api/v1/health", timeout=LIMIT_S).status_code == 200


def test_a_proxy_may_change_the_host(page: Any) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        browser.headers["Origin"] = "https://chargers.example"
        browser.headers["Sec-Fetch-Site"] = "same-origin"
        answer = browser.post(
            f"{page.url}login", data={"token": TOKEN}, timeout=LIMIT_S, allow_redirects=False
        )
        assert answer.status_code == 303
        browser.headers["Sec-Fetch-Site"] = "cross-site"
        url = f"{page.url}api/v1/shed"
        assert browser.post(url, json={}, timeout=LIMIT_S).status_code == 403


def test_too_many_logins_are_told_so(page: Any) -> None:
    acceptor = page._listener._acceptor
    kept: list[socket.socket] = []
    address = address_of(page.url)
    request = f"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-API-Key: {TOKEN}\r\n\r\n".encode()
    try:
        for _ in range(acceptor.limits.max_connections):
            sock = socket.create_connection(address, timeout=LIMIT_S)
            kept.append(sock)
            sock.sendall(request)
            assert sock.recv(12) == b"HTTP/1.1 200"
        answer = with_token((address, "/api/v1/health"))
        assert answer.startswith(b"HTTP/1.1 503")
        assert (
            "too many connections"
            in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
        )
    finally:
        for each in kept:
            each.close()
    end_s = time.monotonic() + LIMIT_S
    while not with_token((address, "/api/v1/health")).startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < end_s


def test_health_counts_what_was_refused(page: Any, csms: Any) -> None:
    ask((address_of(page.url), "/api/v1/health"), "Host: x\r\nX-API-Key: wrong\r\n")
    answer = with_token((address_of(page.url), "/api/v1/health"))
    reported = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert reported["refused"] == {"wrong_tokens": 1}
    assert reported["accounts"][0]["counters"] == {}

    address = address_of(csms.ocpp_url)
    exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = with_token((address_of(csms.control_url), "/health"))
    reported = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert reported["counters"]
    assert reported["connected"] == 0
