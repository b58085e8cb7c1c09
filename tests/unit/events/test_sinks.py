"""Every sink against its real engine: all events, in order, over a restart of the engine."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.sinks.jetstream import token_of
from tests.unit.events import engines
from tests.unit.events.conftest import check_complete, delivered, fill, state
from tests.unit.events.consumers import (
    MqttReader,
    Receiver,
    from_bucket,
    from_files,
    from_kafka,
    from_nats,
)
from tests.unit.events.engines import until

COUNT = 400


def feed_of(count: int) -> StatusFeed:
    """Statuses of some charge points, with an id that is hard on topics."""
    names = [f"CP/{number} #+>*." for number in range(count)]
    return StatusFeed(lambda: names, status_of, list)


def status_of(name: str) -> dict[str, Any]:
    return {
        "charge_point_id": name,
        "account": "garage",
        "last_message_timestamp": "2026-07-01T12:00:00Z",
        "composite_status": "up",
        "connectors": [{"connector_id": 1, "status": "Available"}],
    }


@pytest.mark.parametrize(
    "binary", engines.nats_binaries() or [None], ids=lambda path: str(path).rpartition("/")[0]
)
def test_nats_gets_all_over_a_restart(tmp_path, outbox, stream, binary):
    with engines.nats_server(tmp_path, binary) as server:
        url = f"nats://127.0.0.1:{server.port}"
        running = stream({"n": {"type": "nats", "servers": [url]}}, feed_of(20))
        fill(outbox, COUNT)
        delivered(running, "n", COUNT)
        server.kill()
        fill(outbox, COUNT, begin=COUNT)
        until(lambda: state(running, "n").error)
        server.start_again()
        delivered(running, "n", 2 * COUNT)
        check_complete(asyncio.run(from_nats(url)), 2 * COUNT)
        keys = {f"garage.{token_of(f'CP/{number} #+>*.')}" for number in range(20)}
        until(lambda: asyncio.run(from_bucket(url)).keys() == keys)


def test_nats_asks_for_a_user_and_encrypts(tmp_path, outbox, stream, monkeypatch):
    authority = trustme.CA()
    server_file, ca_file = tmp_path / "server.pem", tmp_path / "ca.pem"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    authority.cert_pem.write_to_path(str(ca_file))
    monkeypatch.setenv("NATS_PASSWORD", "right")
    config = f"""
        authorization {{ user: driver, password: right }}
        tls {{ cert_file: "{server_file}", key_file: "{server_file}" }}
    """
    with engines.nats_server(tmp_path, config=config) as server:
        common = {
            "type": "nats",
            "servers": [f"nats://localhost:{server.port}"],
            "username": "driver",
            "password_env": "NATS_PASSWORD",
        }
        (tmp_path / "wrong").write_text("wrong\n")
        wrong = {**common, "password_env": None, "password_file": str(tmp_path / "wrong")}
        running = stream(
            {
                "good": {**common, "tls": True, "ca_file": str(ca_file)},
                "stranger": {**common, "tls": True},
                "wrong": {**wrong, "tls": True, "ca_file": str(ca_file)},
            }
        )
        fill(outbox, 10)
        delivered(running, "good", 10)
        assert "CERTIFICATE_VERIFY_FAILED" in until(lambda: state(running, "stranger").error)
        assert "uthorization" in until(lambda: state(running, "wrong").error)
        assert state(running, "wrong").delivered == 0


def test_mqtt_gets_all_over_a_restart(tmp_path, outbox, stream):
    with engines.mosquitto(tmp_path) as broker:
        sink = {
            "type": "mqtt",
            "host": "127.0.0.1",
            "port": broker.port,
            "home_assistant": "homeassistant",
        }
        running = stream({"m": sink}, feed_of(3))
        with MqttReader(broker.port).reading() as reader:
            fill(outbox, COUNT)
            delivered(running, "m", COUNT)
            until(lambda: len(reader.events) >= COUNT)
            check_complete(reader.events, COUNT)
        broker.kill()
        fill(outbox, COUNT, begin=COUNT)
        until(lambda: state(running, "m").error)
        broker.start_again()
        with MqttReader(broker.port, "#").reading() as again:
            delivered(running, "m", 2 * COUNT)
            until(lambda: len({event["id"] for event in again.events}) >= COUNT)
            check_complete([*reader.events, *again.events], 2 * COUNT)
        with MqttReader(broker.port, "#", identifier="late", clean_session=True).reading() as late:
            place = "chargepoint/garage/CP%2F0%20%23%2B%3E%2A."
            until(lambda: any(topic == f"{place}/live-status" for topic, _, _ in late.messages))
            found = {topic: (content, kept) for topic, content, kept in late.messages}
        content, is_retained = found[f"{place}/live-status"]
        assert is_retained
        assert json.loads(content)["charge_point_id"] == "CP/0 #+>*."
        assert found["chargepoint/garage/online"] == (b"online", True)
        shown = next(
            config
            for topic, (content, _) in found.items()
            if topic.startswith("homeassistant/sensor/")
            and (config := json.loads(content)).get("unit_of_measurement") == "kW"
            and config["state_topic"].startswith(place)
        )
        assert shown["state_topic"] == f"{place}/live-status"
        assert shown["availability"][0]["topic"] == "chargepoint/garage/online"


def test_nodes_do_not_end_the_connection_of_each_other(tmp_path, outbox, stream):
    with engines.mosquitto(tmp_path) as broker:
        sink = {"type": "mqtt", "host": "127.0.0.1", "port": broker.port}
        running = [stream({"m": sink}, writer=name) for name in ("node-1", "node/2")]
        fill(outbox, 1)
        with MqttReader(broker.port, "chargepoint/garage/online/#").reading() as reader:
            wanted = {"chargepoint/garage/online/node-1", "chargepoint/garage/online/node%2F2"}
            until(lambda: {topic for topic, _, _ in reader.messages} == wanted)
            assert {content for _, content, _ in reader.messages} == {b"online"}
            running[0].stop()
            gone = ("chargepoint/garage/online/node-1", b"offline", False)
            until(lambda: gone in reader.messages)
        assert state(running[1], "m").retries == 0


def test_mqtt_says_that_the_writer_is_gone(tmp_path, stream):
    """An old status must not look like a new one."""
    with engines.mosquitto(tmp_path) as broker:
        running = stream({"m": {"type": "mqtt", "host": "127.0.0.1", "port": broker.port}})
        with MqttReader(broker.port).reading() as reader:
            words = lambda: [content for topic, content, _ in reader.messages]  # noqa: E731
            until(lambda: state(running, "m").error is None)
            running.stop()
            until(lambda: not words() or words()[-1] == b"offline")


def test_mqtt_asks_for_a_password(tmp_path, outbox, stream, monkeypatch):
    hashed = engines.mosquitto_password("driver", "right")
    (tmp_path / "users").write_text(hashed)
    monkeypatch.setenv("MQTT_PASSWORD", "right")
    monkeypatch.setenv("MQTT_WRONG", "wrong")
    config = f"allow_anonymous false\npassword_file {tmp_path / 'users'}"
    with engines.mosquitto(tmp_path, config) as broker:
        common = {
            "type": "mqtt", "host": "127.0.0.1", "port": broker.port, "username": "driver"
        }  # fmt: skip
        running = stream(
            {
                "good": {**common, "password_env": "MQTT_PASSWORD"},
                "wrong": {**common, "password_env": "MQTT_WRONG", "client_id": "other"},
            }
        )
        fill(outbox, 10)
        delivered(running, "good", 10)
        assert "uthori" in until(lambda: state(running, "wrong").error)


def test_kafka_gets_all_of_a_charger_in_order(tmp_path, outbox, stream):
    with engines.tansu(tmp_path) as broker:
        servers = [f"127.0.0.1:{broker.port}"]
        running = stream(
            {
                "one": {"type": "kafka", "bootstrap_servers": servers, "one_topic": True},
                "each": {"type": "kafka", "bootstrap_servers": servers, "topic_prefix": "by."},
            },
            feed_of(20),
        )
        fill(outbox, COUNT)
        for name, topic in (("one", "chargepoint.events"), ("each", "by.StatusChange")):
            delivered(running, name, COUNT)
            found = asyncio.run(from_kafka(servers, topic, COUNT))
            check_complete([event for _, event in found], COUNT)
            assert all(key == event["station"] for key, event in found)
        # A consumer that came first would make the topic, and without its setting.
        until(lambda: "chargepoint.live-status" in asyncio.run(_topics(servers)))
        statuses = dict(asyncio.run(from_kafka(servers, "chargepoint.live-status", 20)))
        assert all(key.startswith("garage/CP/") for key in statuses)
        policies = asyncio.run(_policies(servers, "chargepoint.events", "chargepoint.live-status"))
        assert policies.pop("chargepoint.live-status") == "compact"
        assert "compact" not in policies.values()


async def _topics(servers: list[str]) -> list[str]:
    """The topics that the broker has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


async def _policies(servers: list[str], *topics: str) -> dict[str, str]:
    """What the broker does with old messages of a topic; a topic without a setting is left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        return {
            topic: entry[1]
            for answer in await admin.describe_configs(asked)
            for _, _, _, topic, entries in answer.resources
            for entry in entries
            if entry[0] == "cleanup.policy"
        }
    finally:
        await admin.close()


def test_kafka_that_was_away_gets_the_rest(tmp_path, outbox, stream, monkeypatch):
    """This broker keeps all in memory: what it had before is gone with it, topics too."""
    monkeypatch.setattr("chargepoint_driver.events.sinks.kafka._REQUEST_MS", 2_000)
    with engines.tansu(tmp_path) as broker:
        servers = [f"127.0.0.1:{broker.port}"]
        sink = {"type": "kafka", "bootstrap_servers": servers, "one_topic": True}
        running = stream({"k": sink})
        fill(outbox, COUNT)
        delivered(running, "k", COUNT)
        first = asyncio.run(from_kafka(servers, "chargepoint.events", COUNT))
        broker.kill()
        fill(outbox, COUNT, begin=COUNT)
        until(lambda: state(running, "k").error)
        broker.start_again()
        delivered(running, "k", 2 * COUNT)
        rest = asyncio.run(from_kafka(servers, "chargepoint.events", COUNT))
        check_complete([event for _, event in (*first, *rest)], 2 * COUNT)


def test_a_second_implementation_of_kafkas_protocol(outbox, stream):
    """Three brokers, an idempotent producer, topics that they make themselves."""
    with engines.librdkafka_mock() as servers:
        sink = {"type": "kafka", "bootstrap_servers": servers, "one_topic": True}
        running = stream({"k": sink})
        fill(outbox, COUNT)
        delivered(running, "k", COUNT)
        found = asyncio.run(from_kafka(servers, "chargepoint.events", COUNT))
    check_complete([event for _, event in found], COUNT)


def test_a_webhook_is_signed_and_sent_again(outbox, stream, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", "a key")
    monkeypatch.setenv("HOOK_TOKEN", "a token")
    receiver = Receiver()
    with receiver.running():
        receiver.status = 503
        running = stream(
            {
                "w": {
                    "type": "webhook",
                    "url": receiver.url,
                    "secret_env": "HOOK_KEY",
                    "token_env": "HOOK_TOKEN",
                    "max_batch": 50,
                }
            }
        )
        fill(outbox, COUNT)
        assert "503" in until(lambda: state(running, "w").error)
        receiver.status = 204
        delivered(running, "w", COUNT)
        check_complete(receiver.events, COUNT)
    for headers, body in receiver.requests:
        time, _, given = headers["X-Chargepoint-Signature"].partition(",v1=")
        content = time.removeprefix("t=").encode() + b"." + body
        assert given == hmac.new(b"a key", content, hashlib.sha256).hexdigest()
        assert headers["Authorization"] == "Bearer a token"
        assert len(json.loads(body)) <= 50


def test_files_are_rotated_and_half_a_line_is_cut(tmp_path: Path, outbox, stream):
    path = tmp_path / "out" / "events.jsonl"
    path.parent.mkdir()
    path.write_text('{"specversion":"1.0","id":"1-1","half')
    running = stream({"f": {"type": "file", "path": str(path), "max_bytes": 20_000, "keep": 20}})
    for begin in range(0, COUNT, 20):
        fill(outbox, 20, begin=begin)
        delivered(running, "f", begin + 20)
    found = from_files(path)
    check_complete(found, COUNT)
    assert len(found) == COUNT
    assert path.with_name("events.jsonl.1").is_file()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("sink", "module"),
    [
        ({"type": "kafka", "bootstrap_servers": ["x:1"]}, "aiokafka"),
        ({"type": "nats", "servers": ["nats://x"]}, "nats"),
        ({"type": "mqtt", "host": "x"}, "aiomqtt"),
    ],
)
def test_a_client_that_is_missing_is_named_with_its_extra(
    outbox, stream, monkeypatch, sink, module
):
    places = {"kafka": "kafka", "nats": "jetstream", "mqtt": "mqtt"}
    own = f"chargepoint_driver.events.sinks.{places[sink['type']]}"
    monkeypatch.delitem(sys.modules, own, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"sinks.x: {module}.*\[{sink['type']}\]"):
        stream({"x": sink})
