"""Random and mutated input against a real socket, with a healthy twin next door.

Short here; `make fuzz MINUTES=30` goes on for as long with other seeds.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import Charger, Site, eventually
from ..fuzzing import below, handshakes, texts

pytestmark = [
    # Of an example with a huge frame.
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
    # The central system pings on a thread of its own, with bytes out of `random`, whose state
    # then changes while an example is drawn.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]
PASSWORD = "correct-horse-battery"
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
EXAMPLES = 200
CODES = {
    "FormatViolation", "FormationViolation", "GenericError", "InternalError",
    "MessageTypeNotSupported", "NotImplemented", "NotSupported", "OccurenceConstraintViolation",
    "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError",
    "RpcFrameworkError", "SecurityError", "TypeConstraintViolation",
}  # fmt: skip
# Counters that mean that something of ours broke.
NEVER = {"internal_errors", "failed_tasks", "not_stored"}
OPENING = (
    b"GET /ocpp/FUZZ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n"
)
AUTHORIZATION = "Basic " + base64.b64encode(f"FUZZ:{PASSWORD}".encode()).decode()


class World:
    """A central system that asks for passwords, and a twin that charges all the while."""

    def __init__(self, site: Site, twins: Twins) -> None:
        self.site, self.twins = site, twins
        url = urlsplit(site.system.ocpp_url)
        self.address = (url.hostname, url.port)
        self.transaction = twins.state("T1")["connectors"][0]["transaction_id"]
        self.other = site.charger("NEXT", password=PASSWORD)
        self.other.boot()

    def charger(self, version: str) -> Charger:
        return self.site.charger("FUZZ", password=PASSWORD, subprotocols=[version])

    def count(self, *names: str) -> int:
        found = self.site.system.counters()
        return sum(found.get(name, 0) for name in names)

    def is_well(self) -> None:
        """The others do not notice; nothing of ours broke."""
        assert self.other.request("Heartbeat", {})[0] == 3
        assert not NEVER & set(self.site.system.counters())

    def ends_well(self, caplog: Any) -> None:
        """The twin's transaction went through it all, on the same socket, to its end."""
        state = self.twins.state("T1")
        assert state["connections"] == 1
        assert state["connectors"][0]["transaction_id"] == self.transaction
        running = self.site.connector(1, "T1").transaction
        assert str(running.transaction_id) == str(self.transaction)
        self.twins.stop_charging("T1")
        (row,) = eventually(
            lambda: [row for row in self.site.month() if row["charge_point"] == "T1"]
        )
        assert (row["id"], row["state"]) == (running.transaction_id, "completed")
        assert row["energy_wh"] is not None
        assert self.twins.errors == []
        for record in caplog.records:
            said = record.getMessage()
            assert PASSWORD not in said
            assert AUTHORIZATION.split()[1] not in said
            if record.name.startswith("chargepoint_driver"):
                assert said.isprintable(), "one line of the log for each"
                assert len(said) < 600


@pytest.fixture
def world(start, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    # Every example of its frames would be in there too.
    caplog.set_level(logging.INFO, logger="websockets.client")
    monkeypatch.setenv("CP_PASSWORD", PASSWORD)
    # What the raw sockets are asked they would take for an answer: nothing is asked, however long
    # it goes on.
    site = start(
        charge_points={"*": {"password_env": "CP_PASSWORD"}},
        open_timeout_s=4,
        boot_grace_s=1e6,
        configuration_delay_s=None,
    )
    with Twins(
        site.system.ocpp_url,
        [{"id": "T1"}],
        speed=1,
        password=PASSWORD,
        configuration={"MeterValueSampleInterval": "1"},
    ) as twins:
        twins.wait_connected()
        assert twins.start_charging("T1") == "Accepted"
        twins.wait("T1", lambda state: state["connectors"][0]["transaction_id"])
        eventually(lambda: site.connector(1, "T1").transaction)
        made = World(site, twins)
        yield made
        made.ends_well(caplog)


def go_on(strategy: Any, throw: Callable[[Any], None]) -> None:
    """Throw examples; with FUZZ_MINUTES so long, with one seed after the other."""
    end = time.monotonic() + 60 * MINUTES / 4
    number = int(time.time()) if MINUTES else 0
    while True:
        run = given(strategy)(throw)
        run = settings(
            max_examples=EXAMPLES if not MINUTES else 500,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )(run)
        seed(number)(run)()
        number += 1
        if time.monotonic() >= end:
            return


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
def test_frames(world, version) -> None:
    chargers = [world.charger(version)]
    dropped = ("bad_frames", "unmatched_answers")

    def throw(thrown: list[str | bytes]) -> None:
        before, answers = world.count(*dropped), 0
        try:
            for text in thrown:
                chargers[-1].ws.send(text)
            chargers[-1].ws.send('[2,"the-end","Heartbeat",{}]')
            while (answer := chargers[-1].receive())[1] != "the-end":
                answers += 1
                assert answer[0] in {3, 4}
                assert answer[0] == 3 or answer[2] in CODES, answer
                assert answer[0] == 3 or len(answer[3]) <= 255
            assert answers + world.count(*dropped) - before >= len(thrown), "neither nor"
        except ConnectionClosed:
            chargers.append(world.charger(version))
        world.is_well()

    go_on(st.lists(texts(version), max_size=4), throw)


@pytest.fixture
def held() -> Iterator[list[socket.socket]]:
    """Sockets that a test holds open; none is left to the next one, however it ends."""
    sockets: list[socket.socket] = []
    yield sockets
    for each in sockets:
        each.close()


def test_handshakes(world, held) -> None:

    def throw(example: tuple[bytes, bool]) -> None:
        request, is_held = example
        raw = socket.create_connection(world.address, 5)
        raw.settimeout(10)
        with suppress(ConnectionError):
            raw.sendall(request)
            if is_held and len(held) < 200:
                held.append(raw)  # a slow one: it sends no more
                raw = None
            else:
                raw.shutdown(socket.SHUT_WR)
                head = raw.recv(65_536)
                assert head == b"" or head.startswith(b"HTTP/1.1 "), head
                assert PASSWORD.encode() not in head
                while raw.recv(65_536):
                    pass
        if raw is not None:
            raw.close()
        world.is_well()

    go_on(st.tuples(handshakes(AUTHORIZATION), st.booleans()), throw)
    for raw in held:
        # Ended by the limit of a handshake, or open as a socket because it was one.
        with suppress(ConnectionError):
            head = raw.recv(65_536)
            assert head == b"" or head.startswith((b"HTTP/1.1 ", b"\x88")), head
    eventually(lambda: world.count("failed_handshakes") > 0)


def test_bytes_below_the_messages(world) -> None:
    opening = OPENING + f"Authorization: {AUTHORIZATION}\r\n\r\n".encode()

    def throw(content: bytes) -> None:
        with socket.create_connection(world.address, 5) as raw:
            raw.settimeout(10)
            raw.sendall(opening)
            head = raw.recv(4096)
            assert head.startswith(b"HTTP/1.1 101 "), head
            with suppress(ConnectionError):
                raw.sendall(content)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65_536):
                    pass
        world.is_well()

    go_on(below(), throw)


def test_wrong_passwords_and_subprotocols_do_not_wear_it_out(world) -> None:
    """Fruitless attempts leave it as it was."""
    for number in range(100):
        name, password = (f"X{number}", "wrong") if number % 2 else ("FUZZ", None)
        with pytest.raises(Exception, match="401"):
            world.site.charger(name, password=password)
    for _ in range(20):
        charger = world.site.charger("FUZZ", password=PASSWORD, subprotocols=["ocpp1.5"])
        with pytest.raises(ConnectionClosed):
            charger.receive()
    world.is_well()
    assert world.count("wrong_passwords") == 100
    assert world.count("wrong_subprotocols") == 20
    assert json.dumps(world.site.system.counters()).count("wrong") == 2
