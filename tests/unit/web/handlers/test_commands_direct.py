"""Chargers that connect directly: commands of the central-system document, and their buttons."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from chargepoint_driver.simulator.ocpp import Twins
from chargepoint_driver.web import Settings, WebServer

from ....system.browser.browser import Page
from ..conftest import TOKEN, eventually, free_port

CP = "CP0001"
PLACE = {"cpid": CP, "connectorId": 1}


class Yard:
    """A server that is a central system, and a twin that is connected to it."""

    def __init__(self, folder, **more) -> None:
        port = free_port()
        account = {
            "backend": "ocpp",
            "listen": f"127.0.0.1:{port}",
            "database": str(folder / "ocpp.sqlite"),
            "configuration_delay_s": None,
            **more,
        }
        self.server = WebServer(
            {"accounts": {"yard": account}},
            Settings.of("127.0.0.1:0", token=TOKEN),
            every_s=0.2,
        ).start()
        self.twins = Twins(f"ws://127.0.0.1:{port}/ocpp", [{"id": CP}], speed=1).start()
        self.twins.wait_connected()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = TOKEN

    def ready(self) -> Yard:
        eventually(lambda: self.port()["values"].get("ocppStatus") == "Available")
        return self

    def get(self, path):
        answer = self.session.get(f"{self.server.url}api/v1{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, content, status=200):
        answer = self.session.post(f"{self.server.url}api/v1{path}", json=content, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()

    def port(self):
        (found,) = self.get(f"/status?cpid={CP}")["connectors"]
        return found

    def charge(self):
        """Plug in and start; the session as it runs."""
        self.twins.plug(CP)
        self.post("/start", {**PLACE, "id_tag": "VID:FCA47A147858"})
        return eventually(lambda: self.get("/active")["sessions"])[0]

    def close(self) -> None:
        self.session.close()
        self.twins.stop()
        self.server.stop()


@pytest.fixture
def yard(tmp_path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    try:
        yield made.ready()
    finally:
        made.close()


def test_the_day_of_the_document(yard):
    """No session, plug, start, active, stop, history, unplug."""
    assert yard.get("/active")["sessions"] == []
    session = yard.charge()
    assert (session["cpid"], session["connectorId"]) == (CP, 1)
    number = session["transactionId"]
    assert isinstance(number, int)
    eventually(lambda: yard.port()["values"]["ocppStatus"] == "Charging")
    missing = yard.post("/stop", {"cpid": CP, "transactionId": number + 1}, 404)["error"]
    assert "does not run" in missing["message"]
    assert yard.post("/stop", {"cpid": CP, "transactionId": number})["status"] == "Accepted"
    eventually(lambda: yard.get("/active")["sessions"] == [])
    (ended,) = yard.get("/history")["sessions"]
    assert ended["transactionId"] == number
    assert ended["energy"] == ended["meterStop"] - ended["meterStart"]
    assert ended["durationSecs"] >= 0
    assert yard.post("/stop", PLACE, 404)["error"]["code"] == "nothing_there"


def test_charge_stop_of_the_document(yard):
    yard.charge()
    root = f"{yard.server.url}charge/stop"
    ended = yard.session.post(root, json=PLACE, timeout=60)
    assert (ended.status_code, ended.json()["status"]) == (200, "Accepted")
    eventually(lambda: yard.get("/active")["sessions"] == [])
    again = yard.session.post(root, json=PLACE, timeout=60)
    assert (again.status_code, again.json()["status"]) == (200, "NotRunning")
    assert yard.session.post(root, json={"cpid": CP}, timeout=60).status_code == 400
    assert yard.session.post(root, json={**PLACE, "cpid": "x"}, timeout=60).status_code == 404
    start = f"{yard.server.url}charge/start"
    assert yard.session.post(start, json={**PLACE, "id_tag": "A"}, timeout=60).status_code == 200
    del yard.session.headers["X-API-Key"]
    assert yard.session.post(root, json=PLACE, timeout=60).status_code == 401


def test_availability_reset_and_release(yard):
    yard.post("/availability", {**PLACE, "type": "Inoperative"})
    eventually(lambda: yard.port()["values"]["ocppStatus"] == "Unavailable")
    yard.post("/availability", {"cpid": CP, "type": "Operative"})
    eventually(lambda: yard.port()["values"]["ocppStatus"] == "Available")
    assert yard.post("/release", PLACE)["status"] in ("Accepted", "Unlocked")
    before = yard.twins.state(CP)["connections"]
    assert yard.post("/reset", {"cpid": CP, "type": "Hard"})["status"] == "Accepted"
    eventually(lambda: yard.twins.state(CP)["connections"] > before)


def test_any_request_where_the_account_allows_it(tmp_path):
    made = Yard(tmp_path, allow_call=True)
    try:
        yard = made.ready()
        call = {"cpid": CP, "action": "GetConfiguration", "payload": {"key": ["HeartbeatInterval"]}}
        answer = yard.post("/call", call)
        assert answer["action"] == "GetConfiguration"
        assert answer["payload"]["configurationKey"][0]["key"] == "HeartbeatInterval"
        wrong = {"cpid": CP, "action": "SetChargingProfile", "payload": {"odd": 1}}
        assert yard.post("/call", wrong, 400)["error"]["code"] == "bad_value"
        assert yard.post("/call", {"cpid": CP, "action": "ClearCache", "timeout": 0}, 400)
        assert yard.post("/call", {"cpid": "other", "action": "ClearCache"}, 404)
        yard.twins.quirk(CP, "refuses_actions", actions=["ClearCache"])
        error = yard.post("/call", {"cpid": CP, "action": "ClearCache"}, 502)["error"]
        assert (error["code"], error["service_code"]) == ("write_rejected", "NotSupported")
        del yard.session.headers["X-API-Key"]
        assert yard.post("/call", call, 401)["error"]["code"] == "not_permitted"
    finally:
        made.close()


def test_no_request_without_the_switch(yard):
    error = yard.post("/call", {"cpid": CP, "action": "ClearCache"}, 409)["error"]
    assert error["code"] == "not_permitted"
    assert "allow_call" in error["message"]


def test_a_refusal_and_a_charger_that_is_away(yard):
    yard.twins.quirk(CP, "refuses_actions", actions=["RemoteStartTransaction"])
    error = yard.post("/start", {**PLACE, "id_tag": "CARD"}, 502)["error"]
    assert error["code"] == "write_rejected"
    yard.twins.act(CP, "offline")
    eventually(lambda: yard.port()["values"]["Status"] == "UNREACHABLE")
    assert yard.post("/stop", PLACE, 404)["error"]
    assert yard.post("/reset", {"cpid": CP}, 503)["error"]["code"] == "try_later"
    assert yard.get("/state")["maintenance"][0]["cpid"] == CP


def test_a_shed(yard):
    yard.charge()
    yard.post("/shed", {**PLACE, "allowedLoad": 3})
    shed = eventually(lambda: (v := yard.port()["values"])["shedState"] == 1 and v)
    assert shed["allowedLoad"] <= 3
    yard.post("/clear", PLACE)
    eventually(lambda: yard.port()["values"]["shedState"] == 0)


def test_start_and_stop_in_the_browser(yard, chromium):
    page = Page(chromium)
    try:
        page.open(yard.server.url)
        eventually(lambda: page.all("[data-do=start]"))
        yard.twins.plug(CP)
        page.click("[data-do=start]")
        page.fill("id_tag", "VID:FCA47A147858")
        page.press("Start now")
        eventually(lambda: "Charging" in page.text("#ports"))
        eventually(lambda: "kWh" in page.text("#ports"))
        page.click("[data-do=stop]")
        page.press("Stop now")
        eventually(lambda: yard.get("/active")["sessions"] == [])
        eventually(lambda: "Charging" not in page.text("#ports"))
        assert page.complaints() == []
    finally:
        page.close()


def test_chargers_that_never_connected_are_unknown(tmp_path):
    """No total is 0, and nothing shows that there is no alarm, before a charger has connected."""
    account = {
        "backend": "ocpp",
        "listen": f"127.0.0.1:{free_port()}",
        "database": str(tmp_path / "ocpp.sqlite"),
        "charge_points": {"CP1": {}, "CP2": {}},
    }
    server = WebServer(
        {"accounts": {"yard": account}}, Settings.of("127.0.0.1:0", token=TOKEN), every_s=0.2
    ).start()
    try:
        url, key = f"{server.url}api/v1/state", {"X-API-Key": TOKEN}
        with requests.Session() as session:
            session.trust_env = False
            state = eventually(
                lambda: (
                    (s := session.get(url, headers=key, timeout=60).json())["health"]["accounts"][
                        0
                    ]["errors"]
                    and s
                )
            )
    finally:
        server.stop()
    assert state["site"]["accountsUnknown"] == 1
    assert [state["site"][name] for name in ("load", "allowed", "portsCharging")] == [None] * 3
    (problem,) = state["health"]["accounts"][0]["errors"].values()
    assert "2 charge points (CP1, CP2) have never connected" in problem["message"]


def test_the_messages_of_a_charger(yard):
    yard.charge()
    path = f"/messages?cpid={CP}"
    eventually(lambda: any(m["action"] == "StartTransaction" for m in messages(yard, path)))
    found = messages(yard, path)
    assert [m["id"] for m in found] == sorted((m["id"] for m in found), reverse=True)
    assert "VID:FCA47A147858" not in str(found)
    start = next(m for m in found if m["action"] == "StartTransaction")
    assert "***" in str(start["data"])
    only = messages(yard, f"{path}&action=StatusNotification")
    assert {m["action"] for m in only} == {"StatusNotification"}
    older = messages(yard, f"{path}&before={found[0]['id']}&limit=1")
    assert [m["id"] for m in older] == [found[1]["id"]]
    assert yard.get(f"/charger?cpid={CP}")["direct"] is True


def messages(yard, path):
    return yard.get(path)["messages"]


def test_the_viewer_of_messages(yard, chromium):
    yard.charge()
    page = Page(chromium)
    try:
        page.open(yard.server.url)
        eventually(lambda: page.text("#live") == "Connected")
        page.driver.get(f"{yard.server.url}?port=yard~{CP}~1&tab=messages")
        eventually(lambda: "StartTransaction" in page.text("#messages"))
        page.choose("#messages-action", "StatusNotification")
        eventually(lambda: page.all("#messages strong"))
        eventually(lambda: {e.text for e in page.all("#messages strong")} == {"StatusNotification"})
        page.one("#messages-find").send_keys("Charging")
        eventually(lambda: page.all("#messages li"))
        page.click("#messages summary")
        eventually(lambda: '"status"' in page.text("#messages pre"))
        names = {b.get_attribute("data-do") for b in page.all("#panel > .buttons button")}
        assert names >= {"shed", "stop", "release", "reset-soft", "inoperative"}
        assert page.complaints() == []
    finally:
        page.close()
