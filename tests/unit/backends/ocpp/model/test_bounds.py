"""Bounds in total: of what one peer sends, however often, and of the file."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from chargepoint_driver.backends.ocpp.control_api import http_api
from chargepoint_driver.backends.ocpp.model import bounds
from chargepoint_driver.backends.ocpp.model.bounds import bounded, short
from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.cli.commands.forget import forget
from chargepoint_driver.errors import ConfigurationError, NotFoundError

from ..conftest import Charger, Clock, Site, eventually


def on_loop(site: Site, make: Any) -> Any:
    return site.system._loop.run(lambda: make(site.system._csms), 30)


# ---- one charge point ------------------------------------------------------------------------


def test_settings_are_bounded_in_number_and_bytes_and_the_newest_stay() -> None:
    known: dict[str, str] = {}
    for n in range(200):
        known = bounded(known, {f"n{n}.{i}": "x" for i in range(50)})
    assert len(known) == bounds.MAX_SETTINGS
    assert "n199.49" in known
    assert "n0.0" not in known
    large: dict[str, str] = {}
    for n in range(400):
        large = bounded(large, {f"n{n}": "é" * 1_000})
    assert sum(len((k + v).encode()) for k, v in large.items()) <= bounds.MAX_SETTINGS_BYTES
    assert "n399" in large
    assert bounded({"a": "1", "b": "1"}, {"a": "2"}) == {"b": "1", "a": "2"}


def test_reports_of_a_station_are_bounded_in_sum(site: Site) -> None:
    charger = site.charger(subprotocols=["ocpp2.0.1"])
    for n in range(60):
        data = [
            {
                "component": {"name": f"C{n}"},
                "variable": {"name": f"V{i}"},
                "variableAttribute": [{"value": "y" * 900}],
            }
            for i in range(60)
        ]
        report = {"requestId": 1, "generatedAt": site.clock.iso(), "seqNo": n, "reportData": data}
        charger.ask("NotifyReport", report)
    known = site.point().configuration
    assert sum(len(k) + len(v) for k, v in known.items()) <= bounds.MAX_SETTINGS_BYTES
    assert any(name.startswith("C59") for name in known)


def test_a_whole_answer_replaces_the_settings_before(site: Site) -> None:
    site.charger().boot()

    async def take(csms: Any) -> None:
        point = csms.points["CP1"]
        csms._set_up._replace_settings(point, {"Old": "1", "Same": "1"})
        csms._set_up._replace_settings(point, {"New": "1", "Same": "2"})

    on_loop(site, take)
    assert site.point().configuration == {"New": "1", "Same": "2"}


def test_connectors_of_one_charge_point_are_bounded(site: Site) -> None:
    charger = site.charger()
    for number in range(1, bounds.MAX_CONNECTORS + 1):
        charger.status("Available", connector=number)
    for number in range(bounds.MAX_CONNECTORS + 1, bounds.MAX_CONNECTORS + 30):
        payload = {"connectorId": number, "errorCode": "NoError", "status": "Available"}
        assert charger.request("StatusNotification", payload)[0] == 4
    assert len(site.point().connectors) <= bounds.MAX_CONNECTORS
    assert site.system.counters()["too_many_connectors"] == 29
    charger.status("Charging", connector=1)
    assert site.connector(1).ocpp_status == "Charging"


def test_the_parts_of_an_evse_are_bounded(site: Site) -> None:
    charger = site.charger(subprotocols=["ocpp2.0.1"])
    for number in range(1, 100):
        status = {"evseId": 1, "connectorId": number, "connectorStatus": "Available"}
        charger.ask("StatusNotification", {**status, "timestamp": site.clock.iso()})
    found = site.system._csms.points["CP1"].connectors[1]
    assert len(found.parts) <= bounds.MAX_PARTS
    assert len(found.reported) <= bounds.MAX_PARTS


def test_boot_data_is_short() -> None:
    found = short({"vendor": "v" * 100_000, "raw": {"x": "y" * 100_000}, "model": None})
    assert (len(found["vendor"]), found["raw"], found["model"]) == (500, None, None)
    assert short({"raw": {"a": 1}})["raw"] == {"a": 1}


def test_bytes_a_second_are_bounded(start: Any, clock: Clock) -> None:
    site = start(bytes_per_second=2_000, messages_per_second=10_000)
    charger, other = site.charger(), site.charger("CP2")
    data = json.dumps([2, "x", "DataTransfer", {"vendorId": "v", "data": "d" * 3_000}])
    charger.ws.send(data)
    charger.receive()
    charger.ws.send(data)
    other.ask("Heartbeat", {})
    eventually(lambda: site.system.counters().get("slowed_down"))


def test_boots_a_minute_are_bounded(start: Any) -> None:
    site = start(boots_per_minute=3)
    charger = site.charger()
    acted: list[Any] = []
    inner = site.system._csms._set_up.booted
    site.system._csms._set_up.booted = lambda *args: (acted.append(args), inner(*args))
    for _ in range(40):
        charger.boot()  # each is answered
    eventually(lambda: site.system.counters().get("boots_too_often") == 37)
    assert len(acted) == 3


# ---- all of them -----------------------------------------------------------------------------


def test_the_number_of_charge_points_is_configured(start: Any) -> None:
    site = start(max_charge_points=2)
    site.charger("A").boot()
    site.charger("B").boot()
    charger = site.charger("C")
    with pytest.raises(Exception, match=r"close|1000|1011"):
        charger.boot()
    assert site.system.counters()["too_many_charge_points"] == 1
    site.system.forget("A")
    site.charger("C").boot()


def test_ids_that_never_booted_expire(start: Any, clock: Clock) -> None:
    site = start(charge_points={"*": {}, "NAMED": {}})
    for name in ("NAMED", "STRAY", "BOOTED", "RUNS"):
        charger = site.charger(name)
        charger.ask("Heartbeat", {})
        if name == "BOOTED":
            charger.boot()
        if name == "RUNS":
            charger.start(clock.iso())
        charger.close()
    site.chargers.clear()
    eventually(lambda: not any(each.connected for each in site.system.charge_points()))
    prune = lambda csms: csms._housekeeping.prune()  # noqa: E731
    on_loop(site, prune)
    assert len(site.system.charge_points()) == 4
    clock.ahead_s += 1.5 * 86_400
    on_loop(site, prune)
    assert [each.id for each in site.system.charge_points()] == ["BOOTED", "NAMED", "RUNS"]
    assert site.system.counters()["forgotten_charge_points"] == 1


def fill(site: Site, clock: Clock) -> int:
    charger = site.charger()
    charger.boot()
    transaction = charger.start(clock.iso(), connector=2, meter=5)
    charger.status("Charging", connector=2)
    return transaction


def test_a_charge_point_is_forgotten_and_its_records_stay(start: Any, clock: Clock) -> None:
    site = start()
    transaction = fill(site, clock)
    events = len(site.system.events())
    site.system.forget("CP1")
    with pytest.raises(NotFoundError):
        site.system.charge_point("CP1")
    with pytest.raises(NotFoundError):
        site.system.forget("CP1")
    assert site.system.transaction(transaction)["state"] == "lost"
    assert len(site.system.events()) >= events
    site.stop()
    again = start()
    assert again.system.charge_points() == []
    charger = again.charger()
    charger.boot()
    assert again.point().connectors == {}


def test_the_control_api_forgets(start: Any, clock: Clock) -> None:
    site = start({"control": "127.0.0.1:0", "token": "secret"})
    fill(site, clock)
    headers = {"Authorization": "Bearer secret"}
    url = f"{site.system.control_url}/charge-points/CP1"
    assert requests.delete(url, timeout=60).status_code == 401
    assert requests.delete(url, headers=headers, timeout=60).status_code == 200
    assert requests.delete(url, headers=headers, timeout=60).status_code == 404
    assert site.system.charge_points() == []


def test_the_command_forgets(start: Any, clock: Clock, monkeypatch: Any) -> None:
    site = start({"control": "127.0.0.1:0", "token": "secret"})
    fill(site, clock)
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "secret")
    url = site.system.control_url
    path = str(site.config.database)
    with pytest.raises(ConfigurationError, match="central system that runs"):
        CliRunner().invoke(forget, ["CP1", "--database", path], catch_exceptions=False)
    done = CliRunner().invoke(forget, ["CP1", "--central-system", url], catch_exceptions=False)
    assert json.loads(done.output) == {"forgotten": "CP1"}
    assert site.system.charge_points() == []
    with pytest.raises(NotFoundError):
        CliRunner().invoke(forget, ["CP1", "--central-system", url], catch_exceptions=False)
    clock.ahead_s += 10
    fill(site, clock)
    site.stop()
    CliRunner().invoke(forget, ["CP1", "--database", path], catch_exceptions=False)
    assert queries.charge_points(site.config.database) == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM transactions").fetchone()[0] == 2


def test_the_file_holds_no_more_than_it_may(start: Any, clock: Clock) -> None:
    site = start(retention={"max_bytes": 1_000_000})
    transaction = fill(site, clock)
    text = "x" * 1_000

    async def many(csms: Any) -> None:
        for n in range(3_000):
            csms.store.event(n, n, "CP1", None, "DataTransfer", {"n": n, "text": text})
        await csms.stored()
        await csms._housekeeping.watch_size()

    on_loop(site, many)

    async def used(csms: Any) -> int:
        return int(csms.store.used_bytes())

    assert on_loop(site, used) <= 1_000_000
    found = []
    after = 0
    while page := site.system.events(after):
        found.extend(page)
        after = page[-1]["id"]
    assert found[-1]["data"]["n"] == 2_999  # the oldest went
    assert 100 < len(found) < 1_000
    assert site.system.counters()["database_full"] == 1
    assert site.system.transaction(transaction)["state"] == "active"


@pytest.mark.parametrize(
    "path", ["/transactions?month=2026-01", "/events", "/transactions/running"]
)
def test_large_answers_do_not_stop_the_loop(start: Any, monkeypatch: Any, path: str) -> None:
    site = start({"control": "127.0.0.1:0", "token": "secret"})
    charger: Charger = site.charger()
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> list[Any]:
        begun.set()
        assert go_on.wait(60)
        return [{"id": number} for number in range(1_201)]

    for name in ("transactions", "events", "running"):
        monkeypatch.setattr(http_api.queries, name, slow)
    answers: list[Any] = []

    def ask() -> None:
        headers = {"Authorization": "Bearer secret"}
        answers.append(requests.get(site.system.control_url + path, headers=headers, timeout=60))

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(60)
    for _ in range(10):
        charger.ask("Heartbeat", {})
    go_on.set()
    thread.join()
    assert [row["id"] for row in answers[0].json()] == list(range(1_201))
