"""Replies and requests that mean harm cost an error each, and no memory, time or secret."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from chargepoint_driver.backend import Request
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.backends.soap.decompress import Unpacker
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import InvalidReplyError
from chargepoint_driver.simulator import ManualClock, Simulator

STATION = Request("getLoad", ("1:34001",))
MAX_MIB = 150  # an answer may have 64 MiB, and is held once more while it is taken apart
SOON_S = 30.0


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(clock=ManualClock()) as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[SoapBackend]:
    account = AccountConfig(
        username=sim.username, password=sim.password, endpoint=sim.soap_url, timeout=60
    )
    backend = SoapBackend(account)
    yield backend
    sim.faults.clear()
    backend.close()


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("huge_xml", {"mebibytes": 65}),
        ("gzip_bomb", {"mebibytes": 512}),
        ("deep_nesting", {"depth": 300}),
        ("deep_nesting", {"depth": 100_000}),
        ("giant_attribute", {"mebibytes": 11}),
        ("giant_text", {"mebibytes": 11}),
        ("entity_expansion", {}),
        ("external_entity", {}),
    ],
)
def test_an_attack_is_an_error_and_costs_little(
    sim: Simulator, client: SoapBackend, kind: str, params: dict[str, Any]
) -> None:
    assert client.fetch(STATION).records
    sim.faults.set("getLoad", kind, times=1, **params)
    began = time.monotonic()
    with pytest.raises(InvalidReplyError) as caught:
        client.fetch(STATION)
    assert time.monotonic() - began < SOON_S
    assert len(str(caught.value)) < 1_000
    assert client.fetch(STATION).records  # and it is over


def test_a_bomb_is_not_unpacked(sim: Simulator, client: SoapBackend) -> None:
    sim.faults.set("getLoad", "gzip_bomb", mebibytes=1_024, times=1)
    client.fetch(Request("getStations"))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidReplyError, match="larger than 64 MiB"):
            client.fetch(STATION)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_MIB * 2**20


def test_no_entity_is_fetched(sim: Simulator, client: SoapBackend) -> None:
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            connection.close()
            asked.set()

        waiter = threading.Thread(target=listen, daemon=True)
        waiter.start()
        port = listener.getsockname()[1]
        sim.faults.set("getLoad", "external_entity", url=f"http://127.0.0.1:{port}/x", times=1)
        with pytest.raises(InvalidReplyError, match="document type"):
            client.fetch(STATION)
        assert not asked.is_set()
        socket.create_connection(("127.0.0.1", port)).close()  # the listener did listen
        assert asked.wait(60)
        waiter.join(60)


def test_no_file_is_read(sim: Simulator, client: SoapBackend, tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden-words")
    sim.faults.set("getLoad", "external_entity", url=secret.as_uri(), times=1)
    with pytest.raises(InvalidReplyError) as caught:
        client.fetch(STATION)
    assert "hidden-words" not in repr(caught.value)


ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<n:getLoad xmlns:n="urn:dictionary:com.chargepoint.webservices">%s</n:getLoad>'
    "</s:Body></s:Envelope>"
)
ENTITIES = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
REQUESTS: dict[str, Callable[[], str]] = {
    "entity expansion": lambda: (
        f'<!DOCTYPE a [<!ENTITY a0 "1">{ENTITIES}]>' + ENVELOPE % "<sgID>&a12;</sgID>"
    ),
    "external entity": lambda: (
        '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + ENVELOPE % "<sgID>&a;</sgID>"
    ),
    "deep": lambda: ENVELOPE % ("<a>" * 50_000 + "</a>" * 50_000),
    "giant attribute": lambda: ENVELOPE % f'<a b="{"x" * 900_000}"/>',
    "giant text": lambda: ENVELOPE % f"<sgID>{'9' * 900_000}</sgID>",
    "many elements": lambda: ENVELOPE % ("<a/>" * 200_000),
    "not XML": lambda: "\x00\x01",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_simulator_answers_an_attack_with_a_fault(sim: Simulator, name: str) -> None:
    body = REQUESTS[name]().encode()
    answer = requests.post(sim.soap_url, data=body, timeout=SOON_S)
    assert answer.status_code == 500
    assert "Fault>" in answer.text
    assert len(answer.content) < 5_000


def test_the_simulator_takes_no_endless_request(sim: Simulator) -> None:
    body = (ENVELOPE % (" " * 1_100_000)).encode()
    answer = requests.post(sim.soap_url, data=body, timeout=SOON_S)
    assert answer.status_code == 413


PLAIN = b"<a>" + bytes(range(256)) * 400 + b"</a>"
PACKED = {
    "": PLAIN,
    "identity": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
    "deflate": zlib.compress(PLAIN),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("piece", [1, 7, 4_096, 10**6])
def test_what_is_packed_is_unpacked_whatever_the_pieces(encoding: str, piece: int) -> None:
    unpacker, packed = Unpacker(encoding.upper()), PACKED[encoding]
    parts = [packed[at : at + piece] for at in range(0, len(packed), piece)]
    assert b"".join(unpacker.take(part, 10**7) for part in parts) == PLAIN
    assert unpacker.whole


def test_no_more_is_unpacked_than_is_allowed() -> None:
    unpacker = Unpacker("gzip")
    assert len(unpacker.take(gzip.compress(b" " * 10**7), 1_000)) == 1_000
    cut_off = Unpacker("gzip")
    cut_off.take(PACKED["gzip"][:-20], 10**7)
    assert not cut_off.whole
    with pytest.raises(zlib.error):
        Unpacker("gzip").take(b"no gzip at all", 100)
    with pytest.raises(ValueError, match="unknown Content-Encoding 'br'"):
        Unpacker("br")
