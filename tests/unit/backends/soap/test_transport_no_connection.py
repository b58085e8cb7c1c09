"""Where no connection comes about: the cause and the cure in an operator's words."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import TransientError
from chargepoint_driver.service import Service

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def failure(endpoint: str) -> str:
    account = AccountConfig(username="u", password="p", endpoint=endpoint, timeout=5)
    service = Service(SoapBackend(account), timeout_s=5)
    try:
        with pytest.raises(TransientError) as found:
            service.stations()
    finally:
        service.close()
    return str(found.value)


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = failure(f"http://127.0.0.1:{port}/")
    assert "no connection: nothing answers there (connection refused); check endpoint" in words


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_no_network(number, monkeypatch):
    def connect(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "connect", connect)
    words = failure("http://127.0.0.1:9/")
    assert "no connection: no network leads there; check the network of this machine" in words


def test_a_name_that_is_not_found(monkeypatch):
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    words = failure("http://no-such-host.invalid/")
    assert "its name is not found; check that this machine has a network and DNS" in words


def test_a_proxy_that_does_not_answer(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    words = failure("http://chargepoint.invalid/")
    assert "the proxy does not let it through; check HTTPS_PROXY and NO_PROXY" in words
