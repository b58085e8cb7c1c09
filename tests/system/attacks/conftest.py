"""A page with its API, and a control API, over a central system without chargers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.web import Settings, WebServer

TOKEN = "token-of-these-tests"
LIMIT_S = 60.0


def address_of(url: str | None) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url or "")
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def exchange(address: tuple[str, int], request: bytes) -> bytes:
    """What comes back for these bytes until the other side hangs up."""
    answer = b""
    with socket.create_connection(address, timeout=LIMIT_S) as sock:
        sock.sendall(request)
        while part := sock.recv(65_536):
            answer += part
    return answer


@pytest.fixture
def page(tmp_path: Path) -> Iterator[WebServer]:
    account: dict[str, Any] = {
        "backend": "ocpp",
        "listen": "127.0.0.1:0",
        "database": str(tmp_path / "ocpp.sqlite"),
    }
    server = WebServer(
        {"accounts": {"yard": account}}, Settings.of("127.0.0.1:0", token=TOKEN), every_s=0.2
    ).start()
    yield server
    server.stop()


@pytest.fixture
def csms(tmp_path: Path) -> Iterator[CentralSystem]:
    made = CentralSystem(OcppConfig(listen="127.0.0.1:0", database=tmp_path / "csms.sqlite"))
    made.start(control="127.0.0.1:0", token=TOKEN)
    yield made
    made.stop()
