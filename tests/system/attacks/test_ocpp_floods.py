"""One charger that misbehaves: no other waits for it, and in the end it is dropped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.backends.ocpp.transport import listener, throttle

from .sockets import CONTINUATION, PING, PONG, TEXT, Peer, frame, half_a_head

LIMIT_S = 60.0


@pytest.fixture
def system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CentralSystem]:
    options: dict[str, Any] = {"messages_per_second": 100.0, **getattr(request, "param", {})}
    made = CentralSystem(
        OcppConfig(listen="127.0.0.1:0", database=tmp_path / "csms.sqlite", **options)
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture
def healthy(system: CentralSystem) -> Iterator[Any]:
    with connect(
        f"{system.ocpp_url}/GOOD", subprotocols=["ocpp1.6"], proxy=None, compression=None
    ) as made:
        yield made


def heartbeat_s(charger: Any) -> float:
    """Seconds until a Heartbeat is answered."""
    began_s = time.monotonic()
    charger.send('[2,"h","Heartbeat",{}]')
    assert json.loads(charger.recv(LIMIT_S))[:2] == [3, "h"]
    return time.monotonic() - began_s


def eventually(is_so: Any, limit_s: float = LIMIT_S) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


FLOODS = {
    "pongs": frame(PONG) * 10_000,
    "pings": frame(PING, b"x" * 100) * 500,
    "fragments": frame(TEXT, b"[", fin=False) + frame(CONTINUATION, fin=False) * 10_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_frames_that_are_no_messages_are_slowed_down_and_end_the_socket(
    system: CentralSystem, healthy: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_MAX_OFFENCES", 3)
    # What is sent before and after the socket is paused is far less than what was offered.
    flooder = Peer(system.ocpp_url, "BAD")
    # A slice of them is beyond a burst of 200: it is paid for before the next one is read.
    monkeypatch.setattr(throttle, "_SLICE_BYTES", 2_048)
    flooder.flood(FLOODS[name], 1.0)
    delays_s = [heartbeat_s(healthy) for _ in range(5)]
    assert max(delays_s) < 5  # 13 to 36 s before
    eventually(lambda: flooder.flood(FLOODS[name], 0.2) == 0 or flooder.is_ended(), 3 * LIMIT_S)
    eventually(lambda: system.counters().get("flooding_sockets", 0) == 1)
    assert system.counters()["slowed_down"] >= 3
    flooder.close()


def test_a_control_frame_now_and_then_costs_nothing(system: CentralSystem) -> None:
    with connect(
        f"{system.ocpp_url}/GOOD", subprotocols=["ocpp1.6"], proxy=None, compression=None
    ) as charger:
        for _ in range(20):
            assert charger.ping().wait(LIMIT_S)
        heartbeat_s(charger)
    assert "flooding_sockets" not in system.counters()


def test_who_does_not_read_gets_no_more_pongs_and_is_dropped(
    system: CentralSystem, healthy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_MAX_UNREAD_S", 0.2)
    monkeypatch.setattr(throttle, "MAX_UNREAD_BYTES", 1_000)
    monkeypatch.setattr(throttle.Allowance, "take", lambda *_: 0.0)
    flooder = Peer(system.ocpp_url, "BAD")
    flooder.flood(frame(PING, b"x" * 125) * 1_000, 20.0)
    eventually(lambda: system.counters().get("unread_output", 0) == 1)
    heartbeat_s(healthy)
    flooder.close()


def test_a_long_message_in_pieces_arrives_whole(system: CentralSystem) -> None:
    with connect(
        f"{system.ocpp_url}/GOOD", subprotocols=["ocpp1.6"], proxy=None, compression=None
    ) as charger:
        data = "x" * 200_000
        charger.send(json.dumps([2, "d", "DataTransfer", {"vendorId": "v", "data": data}]))
        assert json.loads(charger.recv(LIMIT_S))[:2] == [3, "d"]
        charger.send(["[2,", '"h",', '"Heartbeat",', "{}]"])
        assert json.loads(charger.recv(LIMIT_S))[:2] == [3, "h"]


@pytest.mark.parametrize("system", [{"messages_per_second": 5.0}], indirect=True)
def test_connecting_anew_earns_no_new_burst(system: CentralSystem) -> None:
    def send(number: int) -> None:
        with connect(
            f"{system.ocpp_url}/CP1", subprotocols=["ocpp1.6"], proxy=None, compression=None
        ) as charger:
            for _ in range(number):
                heartbeat_s(charger)

    send(7)  # the frame that closes it counts too
    assert "slowed_down" not in system.counters()
    send(8)
    assert system.counters()["slowed_down"] >= 1


@pytest.mark.parametrize("system", [{"messages_per_second": 5.0}], indirect=True)
def test_what_waits_for_its_rate_keeps_no_end_waiting(
    system: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_CLOSE_S", 0.2)
    flooder = Peer(system.ocpp_url, "BAD")
    flooder.sock.sendall(frame(TEXT, b'[3,"x",{}]') * 200)
    eventually(lambda: system.counters().get("slowed_down", 0) >= 1)
    system.stop()  # gave up after 20 s before, with the database open
    flooder.close()
    again = CentralSystem(system.config)
    again.start()
    again.stop()


def test_half_sent_handshakes_keep_nobody_out(system: CentralSystem, healthy: Any) -> None:
    address = ("127.0.0.1", int(system.ocpp_url.rsplit(":", 1)[1].split("/")[0]))
    half = [half_a_head(address) for _ in range(200)]
    try:
        heartbeat_s(healthy)
        peer = Peer(system.ocpp_url, "NEW")
        assert peer.status == 101
        peer.close()
    finally:
        for each in half:
            each.close()


def test_the_backlog_is_the_one_asked_for(system: CentralSystem) -> None:
    """`ss` and /proc/net/tcp do not tell it for all kernels; a burst without accepts does."""
    address = ("127.0.0.1", int(system.ocpp_url.rsplit(":", 1)[1].split("/")[0]))
    before = overflows()
    opened = [half_a_head(address) for _ in range(800)]
    assert overflows() == before
    for each in opened:
        each.close()


def overflows() -> int:
    """Connections that the system has dropped because a backlog was full."""
    lines = Path("/proc/net/netstat").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt"))
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])


def test_a_replaced_socket_has_a_line_with_address_and_id(
    system: CentralSystem, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Peer(system.ocpp_url, "CP1"), Peer(system.ocpp_url, "CP1")
    eventually(lambda: system.counters().get("replaced_sockets") == 1)
    eventually(lambda: "replaced sockets" in caplog.text)
    (line,) = [line for line in caplog.messages if "replaced sockets" in line]
    assert "'CP1'" in line
    assert "127.0.0.1" in line
    first.close()
    second.close()
