"""A central system with sinks: its messages, our own events, and the latest status."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events import schema
from tests.unit.backends.ocpp.conftest import Charger, Clock, Site
from tests.unit.events import engines
from tests.unit.events.consumers import MqttReader, from_bucket, from_files, from_nats
from tests.unit.events.engines import until

TOKEN = "a token of the control API"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    sites: list[Site] = []

    def make(**fields: Any) -> Site:
        config = OcppConfig.from_dict(
            {"listen": "127.0.0.1:0", "database": tmp_path / "csms.sqlite", **fields}
        )
        site = Site(config, Clock(), control="127.0.0.1:0", token=TOKEN)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.stop()


def to_file(tmp_path: Path) -> dict[str, Any]:
    return {"sinks": {"file": {"type": "file", "path": str(tmp_path / "out.jsonl")}}}


def asked(site: Site, path: str) -> Any:
    request = urllib.request.Request(
        f"{site.system.control_url}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def actions(path: Path) -> list[str]:
    return [event["action"] for event in from_files(path)] if path.exists() else []


def test_every_message_is_an_event_of_the_schema(start, tmp_path):
    site = start(**to_file(tmp_path), stream_name="garage")
    charger = site.charger("CP/1")
    charger.boot()
    charger.status("Charging")
    transaction = charger.start(site.clock.iso())
    charger.meter(site.clock.iso(), transaction, Power_Active_Import="3500")
    charger.stop(transaction, site.clock.iso(), 1_000)
    charger.close()
    out = tmp_path / "out.jsonl"
    until(lambda: "Disconnected" in actions(out))
    validator = Draft202012Validator(schema())
    found = from_files(out)
    for event in found:
        validator.validate(event)
        assert (event["account"], event["station"]) == ("garage", "CP/1")
    kinds = {event["action"]: event["kind"] for event in found}
    assert kinds == {
        "Connected": "connection",
        "BootNotification": "message",
        "StatusNotification": "status",
        "StartTransaction": "session",
        "MeterValues": "load",
        "StopTransaction": "session",
        "Disconnected": "connection",
    }
    assert [event["seq"] for event in found] == sorted(event["seq"] for event in found)
    (state,) = site.system.sinks()
    assert (state.name, state.type, state.error) == ("file", "file", None)
    assert asked(site, "/sinks")[0]["delivered"] == len(found)


def test_an_event_of_ours_stands_among_those_of_chargers(start, tmp_path):
    site = start(**to_file(tmp_path))
    site.charger().boot()
    site.system.add_event("Shed", "CP1", 1, {"status": "in force", "allowed_load_kw": 3.0})
    site.charger("CP2").boot()
    out = tmp_path / "out.jsonl"
    until(lambda: actions(out).count("BootNotification") == 2)
    shed = next(event for event in from_files(out) if event["kind"] == "shed")
    assert (shed["account"], shed["connector"], shed["data"]["allowed_load_kw"]) == ("ocpp", 1, 3.0)


def test_nothing_runs_where_no_sink_is_configured(start):
    site = start()
    site.charger().boot()
    assert site.system.sinks() == []
    assert not list(site.config.database.parent.glob("*-sinks*"))


def test_the_live_status_has_the_fields_of_the_document(start):
    site = start()
    charger = site.charger()
    charger.boot()
    charger.status("Available")
    for path in ("/api/v1/live-status", "/charge_point_live_status/", "/charge_point_live_status"):
        (found,) = asked(site, path)
        assert found["charge_point_id"] == "CP1"
        assert found["last_message_timestamp"] is not None
        assert found["composite_status"] == "up"
        assert found["composite_reasons"] == []
        assert (found["available_for_charging"], found["requires_maintenance"]) == (1, -1)
        assert found["maintenance_probability"] == 0.01
        assert set(found["maintenance_inputs"]) >= {"faulted", "error_in_last_hour"}
        assert found["connectors"][0]["status"] == "Available"
    charger.status("Faulted", errorCode="GroundFailure", vendorErrorCode="E7")
    (found,) = asked(site, "/api/v1/live-status?charge_point_id=CP1")
    assert (found["composite_status"], found["available_for_charging"]) == ("down", -1)
    assert found["requires_maintenance"] == 1
    assert found["maintenance_probability"] > 0.97
    assert found["maintenance_inputs"]["vendor_error_in_last_hour"] == 1.0
    assert any("Faulted" in reason for reason in found["composite_reasons"])
    charger.close()
    until(lambda: not site.point().connected)
    (found,) = asked(site, "/api/v1/live-status")
    assert (found["connected"], found["load_kw"]) == (False, None)
    assert "not connected" in found["composite_reasons"]


def test_the_live_status_is_kept_by_nats_and_mqtt(start, tmp_path):
    with engines.nats_server(tmp_path) as nats, engines.mosquitto(tmp_path) as broker:
        url = f"nats://127.0.0.1:{nats.port}"
        site = start(
            sinks={
                "nats": {"type": "nats", "servers": [url]},
                "mqtt": {"type": "mqtt", "host": "127.0.0.1", "port": broker.port},
            }
        )
        charger = site.charger()
        charger.boot()
        charger.status("Charging")
        until(lambda: all(state.delivered >= 3 for state in site.system.sinks()))
        status = lambda: asyncio.run(from_bucket(url)).get("ocpp.CP1", {})  # noqa: E731
        until(lambda: (status().get("connectors") or [{}])[0].get("status") == "Charging")
        assert status()["as_of"]
        charger.close()
        until(lambda: status()["connected"] is False)
        found = asyncio.run(from_nats(url))
        assert found[-1]["action"] == "Disconnected"
        with MqttReader(broker.port, "chargepoint/+/+/live-status").reading() as reader:
            (topic, content, is_retained) = until(lambda: reader.messages)[0]
        assert (topic, is_retained) == ("chargepoint/ocpp/CP1/live-status", True)
        assert json.loads(content)["connected"] is False


def test_a_sink_that_is_away_under_load_gets_all_when_it_is_there(start, tmp_path):
    """Chargers get every answer, and the other sink every event, meanwhile. `make bench
    BENCH=events` has the same with times."""
    chargers, rounds = 5, 40
    with engines.nats_server(tmp_path) as nats:
        nats.kill()
        url = f"nats://127.0.0.1:{nats.port}"
        out = tmp_path / "out.jsonl"
        site = start(
            sinks={
                "away": {"type": "nats", "servers": [url]},
                "file": {"type": "file", "path": str(out)},
            }
        )
        for number in range(chargers):
            site.charger(f"CP{number}").boot()
        for number in range(rounds):
            for charger in site.chargers:
                charger.meter(site.clock.iso(), Power_Active_Import=str(number))
        until(lambda: actions(out).count("MeterValues") == chargers * rounds)
        away = lambda: next(each for each in site.system.sinks() if each.name == "away")  # noqa: E731
        until(lambda: away().error is not None and away().waiting >= chargers * rounds)
        nats.start_again()
        until(lambda: all(each.waiting == 0 for each in site.system.sinks()))
        there = lambda: sorted(each["id"] for each in asyncio.run(from_nats(url)))  # noqa: E731
        until(lambda: there() == sorted({event["id"] for event in from_files(out)}))


def test_the_status_of_a_forgotten_charger_is_removed(start, tmp_path):
    with engines.nats_server(tmp_path) as nats, engines.mosquitto(tmp_path) as broker:
        url = f"nats://127.0.0.1:{nats.port}"
        site = start(
            sinks={
                "nats": {"type": "nats", "servers": [url]},
                "mqtt": {"type": "mqtt", "host": "127.0.0.1", "port": broker.port},
            }
        )
        for name in ("CP1", "CP2"):
            site.charger(name).boot()
        keys = lambda: set(asyncio.run(from_bucket(url)))  # noqa: E731
        until(lambda: keys() == {"ocpp.CP1", "ocpp.CP2"})
        with MqttReader(broker.port, "chargepoint/+/+/live-status").reading() as reader:
            until(
                lambda: (
                    {topic for topic, _, _ in reader.messages}
                    >= {"chargepoint/ocpp/CP1/live-status", "chargepoint/ocpp/CP2/live-status"}
                )
            )
            site.chargers[0].close()
            until(lambda: not site.point("CP1").connected)
            site.system.forget("CP1")
            until(
                lambda: (
                    ("chargepoint/ocpp/CP1/live-status", b"")
                    in {(topic, content) for topic, content, _ in reader.messages}
                )
            )
        until(lambda: keys() == {"ocpp.CP2"})


def test_what_was_stored_before_a_kill_is_delivered_after_it(start, tmp_path):
    """The central system is killed while its sink is away."""
    config = tmp_path / "config.json"
    port = engines.free_port()
    sink = {"type": "nats", "servers": [f"nats://127.0.0.1:{port}"]}
    config.write_text(json.dumps({"sinks": {"nats": sink}}))
    child = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("chargepoint-driver")),
            "csms", "--listen", "127.0.0.1:0",
            "--database", str(tmp_path / "csms.sqlite"), "--config", str(config),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["ocpp_url"]
        charger = Charger(url, "CP1")
        charger.boot()
        for _ in range(20):
            charger.status("Available")
        charger.close()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    with engines.nats_server(tmp_path) as server:
        url = f"nats://127.0.0.1:{server.port}"
        start(sinks={"nats": {"type": "nats", "servers": [url]}})
        found = lambda: [event["action"] for event in asyncio.run(from_nats(url))]  # noqa: E731
        until(lambda: _stream_is_there(url) and found().count("StatusNotification") == 20)


def _stream_is_there(url: str) -> bool:
    try:
        asyncio.run(from_nats(url))
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"type": "kafka"}, "sinks.x.bootstrap_servers' is missing"),
        ({"path": "out"}, "sinks.x.type' is missing; add it: kafka, nats"),
        ({"type": "rabbit"}, "sinks.x.type: must be kafka, nats"),
        ({"type": "file", "paths": "x", "path": "x"}, "did you mean 'path'"),
        ({"type": "webhook", "url": "https://x/y"}, "exactly one of secret_env and secret_file"),
        ({"type": "webhook", "url": "http://x.y/z", "secret_env": "S"}, "write https"),
        (
            {"type": "nats", "servers": ["nats://x"], "username": "me"},
            "username and password_env",
        ),
        ({"type": "nats", "servers": ["nats://a:b@x"]}, "must not hold a password"),
        ({"type": "nats", "servers": ["x:4222"]}, "must be URLs"),
        ({"type": "mqtt", "host": "x", "ca_file": "y"}, "set tls true"),
        ({"type": "file", "path": "x", "max_waiting_hours": 1_000}, "longer than retention"),
    ],
)
def test_a_wrong_sink_is_named(tmp_path, sink, said):
    with pytest.raises(ConfigurationError) as caught:
        OcppConfig.from_dict({"database": tmp_path / "x", "sinks": {"x": sink}})
    assert said in str(caught.value)
