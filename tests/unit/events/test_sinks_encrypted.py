"""Sinks that ask for a user, over TLS: each against its real engine."""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import trustme

from tests.unit.events import engines
from tests.unit.events.conftest import check_complete, delivered, fill, state
from tests.unit.events.consumers import LIMIT_S, MqttReader, Receiver, from_nats
from tests.unit.events.engines import until
from tests.unit.events.kafka_gate import kafka_gate

COUNT = 60


class Pki:
    """An authority, a server's certificate and a client's, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        for name in ("server", "client"):
            made = authority.issue_cert("localhost", "127.0.0.1")
            (folder / f"{name}.pem").write_bytes(b"".join(x.bytes() for x in made.cert_chain_pems))
            made.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        self.server, self.server_key = folder / "server.pem", folder / "server.key"
        self.keys = {
            "tls": True,
            "ca_file": str(self.ca),
            "certificate": str(folder / "client.pem"),
            "key": str(folder / "client.key"),
        }

    def client_context(self) -> ssl.SSLContext:
        """What a consumer trusts, with a certificate of its own."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.keys["certificate"], self.keys["key"])
        return context


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHT", "the right one, with ü")
    monkeypatch.setenv("WRONG", "a wrong one")


def three(common: dict[str, Any], pki: Pki) -> dict[str, dict[str, Any]]:
    """A sink that may enter, one with a wrong password, and one that does not know the
    authority."""
    user = {**common, "username": "driver"}
    return {
        "good": {**user, "password_env": "RIGHT", **pki.keys},
        "wrong": {**user, "password_env": "WRONG", **pki.keys},
        "stranger": {**user, "password_env": "RIGHT", **pki.keys, "ca_file": None},
    }


def refused(running: Any, *names: str) -> list[str]:
    """The errors of those that may not enter, and nothing was delivered there."""
    found = [until(lambda name=name: state(running, name).error) for name in names]
    assert [state(running, name).delivered for name in names] == [0] * len(names)
    return found


def test_mqtt(tmp_path, outbox, stream, pki):
    """Mosquitto asks for a certificate of the client's too."""
    (tmp_path / "users").write_text(engines.mosquitto_password("driver", "the right one, with ü"))
    config = (
        f"allow_anonymous false\npassword_file {tmp_path / 'users'}\ncafile {pki.ca}\n"
        f"certfile {pki.server}\nkeyfile {pki.server_key}\nrequire_certificate true"
    )
    with engines.mosquitto(tmp_path, config) as broker:
        sinks = three({"type": "mqtt", "host": "localhost", "port": broker.port}, pki)
        for name, sink in sinks.items():
            sink["client_id"] = name
        del sinks["good"]["client_id"]
        reader = MqttReader(
            broker.port,
            username="driver",
            password="the right one, with ü",
            tls_context=pki.client_context(),
            protocol=aiomqtt.ProtocolVersion.V311,
        )
        with reader.reading():
            running = stream(sinks)
            fill(outbox, COUNT)
            delivered(running, "good", COUNT)
            until(lambda: len(reader.events) >= COUNT)
        check_complete(reader.events, COUNT)
        wrong, stranger = refused(running, "wrong", "stranger")
    assert "uthori" in wrong
    assert "CERTIFICATE_VERIFY_FAILED" in stranger


def test_nats(tmp_path, outbox, stream, pki):
    """nats-server asks for a certificate of the client's too."""
    config = f"""
        authorization {{ user: driver, password: "the right one, with ü" }}
        tls {{ cert_file: "{pki.server}", key_file: "{pki.server_key}", ca_file: "{pki.ca}",
               verify: true }}
    """
    with engines.nats_server(tmp_path, config=config) as server:
        url = f"nats://localhost:{server.port}"
        running = stream(three({"type": "nats", "servers": [url]}, pki))
        fill(outbox, COUNT)
        delivered(running, "good", COUNT)
        login = {"user": "driver", "password": "the right one, with ü"}
        found = asyncio.run(from_nats(url, tls=pki.client_context(), **login))
        check_complete(found, COUNT)
        wrong, stranger = refused(running, "wrong", "stranger")
    assert "uthorization" in wrong
    assert "CERTIFICATE_VERIFY_FAILED" in stranger


def test_nats_asks_for_a_token(tmp_path, outbox, stream):
    (tmp_path / "token").write_text("a long token\n")
    with engines.nats_server(tmp_path, config="authorization { token: 'a long token' }") as server:
        url = f"nats://127.0.0.1:{server.port}"
        common = {"type": "nats", "servers": [url]}
        running = stream(
            {
                "good": {**common, "token_file": str(tmp_path / "token")},
                "wrong": {**common, "token_env": "WRONG"},
            }
        )
        fill(outbox, COUNT)
        delivered(running, "good", COUNT)
        check_complete(asyncio.run(from_nats(url, token="a long token")), COUNT)
        (wrong,) = refused(running, "wrong")
    assert "uthorization" in wrong


def test_tries_that_are_refused_leave_no_socket_open(tmp_path, outbox, stream, pki, monkeypatch):
    """Also where Python collects no garbage: a password may be wrong for weeks."""
    monkeypatch.setattr("chargepoint_driver.events.outlet._MIN_PAUSE_S", 0.01)
    monkeypatch.setattr("chargepoint_driver.events.outlet._MAX_PAUSE_S", 0.01)
    config = f"allow_anonymous true\ncertfile {pki.server}\nkeyfile {pki.server_key}"
    token = "authorization { token: 'a long token' }"
    with (
        engines.nats_server(tmp_path, config=token) as nats,
        engines.mosquitto(tmp_path, config) as broker,
    ):
        url = f"nats://127.0.0.1:{nats.port}"
        sinks = {
            "nats": {"type": "nats", "servers": [url], "token_env": "WRONG"},
            "mqtt": {"type": "mqtt", "host": "127.0.0.1", "port": broker.port, "tls": True},
        }
        gc.collect()
        gc.disable()
        try:
            running = stream(sinks)
            fill(outbox, COUNT)

            def open_after(tries: int) -> int:
                until(lambda: all(state(running, name).retries >= tries for name in sinks))
                return len(list(Path("/proc/self/fd").iterdir()))

            few = open_after(5)
            assert open_after(35) < few + 15
        finally:
            gc.enable()


def test_a_webhook_over_tls(outbox, stream, pki):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.server, pki.server_key)
    receiver = Receiver(context)
    with receiver.running():
        common = {"type": "webhook", "url": receiver.url, "secret_env": "RIGHT"}
        running = stream({"good": {**common, "ca_file": str(pki.ca)}, "stranger": common})
        fill(outbox, COUNT)
        delivered(running, "good", COUNT)
        (stranger,) = refused(running, "stranger")
    check_complete(receiver.events, COUNT)
    assert "CERTIFICATE_VERIFY_FAILED" in stranger


@pytest.fixture
def collected() -> Iterator[None]:
    """What a client left open is garbage of this test, and not of a later one."""
    yield
    gc.collect()


# The client does not wait for the end of a connection when it stops, and the loop ends then.
_LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@_LEFT_OPEN
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka(collected, tmp_path, outbox, stream, pki, mechanism):
    """The broker is Tansu, TLS and SASL are those of a gate in front of it. A client with another
    implementation of both, librdkafka, enters by the same gate and reads what has come."""
    gate = kafka_gate(
        users={"driver": "the right one, with ü"},
        certificate=str(pki.server),
        key=str(pki.server_key),
        ca=str(pki.ca),
    )
    with gate as (port, open_to), engines.tansu(tmp_path, f"localhost:{port}") as broker:
        open_to(broker.port)
        servers = [f"localhost:{port}"]
        common = {
            "type": "kafka",
            "bootstrap_servers": servers,
            "one_topic": True,
            "sasl_mechanism": mechanism,
        }
        running = stream(three(common, pki))
        fill(outbox, COUNT)
        delivered(running, "good", COUNT)
        wrong, stranger = refused(running, "wrong", "stranger")
        assert "wrong user or password" in wrong
        assert "CERTIFICATE_VERIFY_FAILED" in stranger
        found = from_librdkafka(
            {
                "bootstrap.servers": servers[0],
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": mechanism,
                "sasl.username": "driver",
                "sasl.password": "the right one, with ü",
                "ssl.ca.location": pki.keys["ca_file"],
                "ssl.certificate.location": pki.keys["certificate"],
                "ssl.key.location": pki.keys["key"],
            },
            COUNT,
        )
    check_complete(found, COUNT)


@_LEFT_OPEN
def test_kafka_asks_for_a_user_without_tls(collected, tmp_path, outbox, stream):
    gate = kafka_gate(users={"driver": "the right one, with ü"})
    with gate as (port, open_to), engines.tansu(tmp_path, f"localhost:{port}") as broker:
        open_to(broker.port)
        common = {"type": "kafka", "bootstrap_servers": [f"localhost:{port}"]}
        running = stream(
            {
                "good": {**common, "username": "driver", "password_env": "RIGHT"},
                "nobody": common,
            }
        )
        fill(outbox, COUNT)
        delivered(running, "good", COUNT)
        refused(running, "nobody")


def from_librdkafka(options: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The events of the topic, read by a client with no code in common with the sink's."""
    kafka = import_module("confluent_kafka")
    consumer = kafka.Consumer({"group.id": "unused", **options})
    try:
        (topic,) = consumer.list_topics("chargepoint.events", timeout=30).topics.values()
        consumer.assign(
            [
                kafka.TopicPartition(topic.topic, number, kafka.OFFSET_BEGINNING)
                for number in topic.partitions
            ]
        )
        found: list[dict[str, Any]] = []

        def take() -> bool:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(json.loads(message.value()))
            return len({each["id"] for each in found}) >= count

        until(take, LIMIT_S)
        return found
    finally:
        consumer.close()
