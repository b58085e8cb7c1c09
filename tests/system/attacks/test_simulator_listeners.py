"""The simulator's ports: half-sent requests end, and keep nobody out."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator import server as soap
from chargepoint_driver.simulator.ocpp import Twins

from .conftest import LIMIT_S, address_of, exchange
from .sockets import half_a_head


@pytest.fixture(params=["soap", "twins"])
def port(request: pytest.FixtureRequest) -> Iterator[tuple[tuple[str, int], bytes]]:
    if request.param == "soap":
        with Simulator(stations=1, clock=ManualClock()) as simulator:
            yield address_of(simulator.stats_url), b"/stats"
        return
    with Twins("ws://127.0.0.1:9/ocpp", [{"id": "CP1"}], speed=1) as twins:
        yield address_of(twins.control_url), b"/stats"


def answer(port: Any) -> bytes:
    address, path = port
    return exchange(address, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_half_sent_requests_keep_nobody_out(port: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soap, "MAX_CONNECTIONS", 50)
    half = [half_a_head(port[0]) for _ in range(300)]
    try:
        assert answer(port).startswith(b"HTTP/1.1 200")
    finally:
        for each in half:
            each.close()


def test_a_request_that_trickles_in_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soap, "IDLE_CONNECTION_S", 0.3)
    with (
        Simulator(stations=1, clock=ManualClock()) as simulator,
        socket.create_connection(address_of(simulator.stats_url), LIMIT_S) as sock,
        pytest.raises(OSError),  # noqa: PT011 - reset or broken pipe
    ):
        trickle(sock)


def trickle(sock: socket.socket) -> None:
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        sock.sendall(b"G")
        time.sleep(0.02)
