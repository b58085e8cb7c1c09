"""Bad input: an OCPP error or a closed socket, a counter, and the others do not notice."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ..conftest import eventually

FRAMES = [
    ("nonsense", "ProtocolError"),
    ("{}", "ProtocolError"),
    ("[]", "ProtocolError"),
    ("5", "ProtocolError"),
    ('[2,"i","Heartbeat"]', "ProtocolError"),
    ('[2,"i","Heartbeat",{},1]', "ProtocolError"),
    ('[2,"i",5,{}]', "ProtocolError"),
    ('["2","i","Heartbeat",{}]', "ProtocolError"),
    ('[true,"i","Heartbeat",{}]', "ProtocolError"),
    ('[9,"i","Heartbeat",{}]', "ProtocolError"),
    ('[2,"i","Heartbeat",5]', "FormationViolation"),
    ('[2,"i","Authorize",null]', "FormationViolation"),
    ('[2,"i","Heartbeat",{}', "ProtocolError"),
    ('[2,"i","Authorize",{"idTag":' + "[" * 50_000, "ProtocolError"),
    ('[2,"i","Authorize",{"idTag":' + "[" * 300 + "]" * 300 + "}]", "ProtocolError"),
    (
        '[2,"i","StartTransaction",{"connectorId":1,"idTag":"a","timestamp":"x",'
        f'"meterStart":{10**40}}}]',
        None,
    ),
    (
        '[2,"i","StopTransaction",{"transactionId":'
        + "9" * 400
        + ',"timestamp":"","meterStop":0}]',
        None,
    ),
    ('[2,"i","MeterValues",{"connectorId":99999999999,"meterValue":[]}]', None),
    ('[2,"i","Authorize",{"idTag":"\\ud800"}]', "ProtocolError"),
    ('[2,"' + "i" * 5000 + '","Heartbeat",{}]', "ProtocolError"),
]


@pytest.mark.parametrize(("frame", "code"), FRAMES, ids=range(len(FRAMES)))
def test_bad_frames_are_answered(site, frame, code) -> None:
    other = site.charger("OTHER")
    charger = site.charger()
    answer = charger.send(frame)
    if code is not None:
        assert answer[:1] + answer[2:3] == [4, code], answer
        assert answer[1] == ("i" if '"i"' in frame else "-1")
        assert sum(site.point().counters.values()) == 1
    charger.ask("Heartbeat", {})
    other.ask("Heartbeat", {})


@pytest.mark.parametrize(
    "frame", ['[3,"x",{}]', '[4,"x","GenericError","",{}]', '[4,"x"]', '[3,"x"]', "[3]", "[3,5,{}]"]
)
def test_answers_to_nothing_are_dropped_and_counted(site, frame) -> None:
    charger = site.charger()
    charger.ws.send(frame)
    charger.ask("Heartbeat", {})
    assert sum(site.point().counters.values()) == 1


def test_bytes_count_as_text(site) -> None:
    charger = site.charger()
    assert charger.send(b'[2,"i","Heartbeat",{}]')[0] == 3
    assert charger.send(b"\xff\xfe")[0] == 4


def test_a_huge_frame_closes_the_socket(start) -> None:
    site = start(most_frame_bytes=2048)
    other = site.charger("OTHER")
    charger = site.charger()
    with pytest.raises(ConnectionClosed):
        charger.send("x" * 5000)
    other.ask("Heartbeat", {})


def test_nothing_but_nonsense_closes_the_socket(site) -> None:
    charger = site.charger()

    def talk() -> None:
        for _ in range(200):
            charger.send("nonsense")

    with pytest.raises(ConnectionClosed):
        talk()


def test_too_fast_is_slowed_down(start) -> None:
    site = start(messages_per_second=10)
    charger = site.charger()
    for _ in range(30):
        charger.ask("Heartbeat", {})
    assert site.point().counters["slowed_down"] >= 1


@pytest.mark.parametrize(
    "station_id",
    [
        "a/b",
        "100%",
        "a%2Fb",
        "a:b",
        "ü",
        "a b",
        "'; DROP TABLE events; --",
        "x" * 128,
        "..",
        "a?b#c",
    ],
)
def test_odd_ids_are_ids(site, station_id) -> None:
    site.charger(station_id).boot()
    assert site.point(station_id).connected
    assert site.system.events()[0]["charge_point"] == station_id


@pytest.mark.parametrize(
    "path",
    [
        "/ocpp/" + "x" * 300,
        "/ocpp/%zz",
        "/ocpp/%ff%fe",
        "/ocpp/a%00b",
        "/ocpp/%0d%0aX",
        "/",
        "/ocpp/%20",
    ],
)
def test_ids_that_are_none(site, path) -> None:
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        raw.sendall(request.encode())
        assert b" 404 " in raw.recv(1000)
    assert site.system.counters()["bad_ids"] == 1


def test_a_trailing_slash_and_a_query_do_not_count(site) -> None:
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.sendall(
            b"GET /any/where/CP7/?x=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in raw.recv(1000)
        eventually(lambda: [p.id for p in site.system.charge_points()] == ["CP7"])


def test_no_common_subprotocol(site) -> None:
    charger = site.charger(subprotocols=["ocpp1.5"])
    assert charger.ws.subprotocol is None
    with pytest.raises(ConnectionClosed):
        charger.receive()
    assert site.system.counters()["wrong_subprotocols"] == 1


def test_our_order_decides_and_none_is_1_6(site) -> None:
    both = site.charger("A", subprotocols=["ocpp1.6", "ocpp2.0.1"])
    assert both.ws.subprotocol == "ocpp2.0.1"
    none = site.charger("B", subprotocols=None)
    none.boot()
    assert site.point("B").ocpp_version == "1.6"


def test_slow_handshakes_are_ended(start) -> None:
    site = start(open_timeout_s=0.3)
    other = site.charger("OTHER")
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.sendall(b"GET /ocpp/A HTTP/1.1\r\n")
        raw.settimeout(10)
        while raw.recv(1000):
            pass
    eventually(lambda: site.system.counters().get("failed_handshakes") == 1)
    other.ask("Heartbeat", {})


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x00\xff" * 20,
        b"\r\n\r\n",
        b"\x00",
        b"GET /ocpp/A HTTP/1.1\r\n\r\n",
        b"POST /ocpp/A HTTP/1.1\r\n\r\n",
    ],
)
def test_plain_http_and_noise_are_ended_at_once(start, noise) -> None:
    site = start(open_timeout_s=120)  # which is not waited for
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.settimeout(10)
        raw.sendall(noise)
        said = b""
        while part := raw.recv(1000):
            said += part
        assert said == b"" or said.startswith(b"HTTP/1.1 4")
    eventually(lambda: site.system.counters().get("failed_handshakes") == 1)
    site.charger().boot()


def test_the_newest_socket_wins(site) -> None:
    first = site.charger()
    first.boot()
    second = site.charger()
    second.boot()
    with pytest.raises(ConnectionClosed):
        first.receive()
    second.ask("Heartbeat", {})
    assert site.point().connected
    assert site.point().counters["replaced_sockets"] == 1


def test_too_many_sockets(start) -> None:
    site = start(most_connections=2)
    site.charger("A"), site.charger("B")
    with pytest.raises(InvalidStatus, match="503"):
        site.charger("C")


def test_an_answer_of_any_length_has_the_head_of_its_length(site) -> None:
    """Up to 125 bytes a length is in the second byte of a frame, then in two more."""
    charger = site.charger()
    charger.boot()
    around = len(json.dumps([3, "", {}], separators=(",", ":")))
    for length in (20, 124, 125, 126, 127, 200):
        message_id = "x" * (length - around)
        charger.ws.send(
            json.dumps([2, message_id, "FirmwareStatusNotification", {"status": "Idle"}])
        )
        text = charger.ws.recv(10)
        assert json.loads(text) == [3, message_id, {}]
        assert len(text) == length
