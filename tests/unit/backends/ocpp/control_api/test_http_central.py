"""The sessions of the central-system document, request by request.

Only host, port and key differ: requests to port 7071 go to the twin, those to 8080 to the control
API. The document has its transaction ids adjusted "to match those returned by /api/v1/active".
Where they are not, the stop fails, and /charge/stop ends the session, as its note shows.
"""

from __future__ import annotations

import json
import re

import pytest
import requests

from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

CPID = "Gresgying02"
KEY = "key-of-the-test"

# Method, port, path, body.
EVENT_1 = """
POST 7071 /plug/1
POST 8080 /api/v1/start {"cpid":"Gresgying02","connectorId":1,"id_tag":"VID:FCA47A147858"}
GET 8080 /api/v1/active
POST 8080 /api/v1/stop {"cpid":"Gresgying02","transactionId":1}
GET 8080 /api/v1/active
GET 8080 /api/v1/history
POST 8080 /charge/stop {"cpid":"Gresgying02","connectorId":1}
POST 8080 /api/v1/release {"cpid":"Gresgying02","connectorId":1}
POST 7071 /unplug/1
GET 8080 /api/v1/health
"""
EVENT_2 = """
POST 7071 /plug/2
POST 8080 /api/v1/start {"cpid":"Gresgying02","connectorId":2,"id_tag":"VID:FCA47A147859"}
GET 8080 /api/v1/active
POST 8080 /api/v1/stop {"cpid":"Gresgying02","transactionId":2}
GET 8080 /api/v1/active
GET 8080 /api/v1/history
POST 8080 /charge/stop {"cpid":"Gresgying02","connectorId":2}
POST 8080 /api/v1/release {"cpid":"Gresgying02","connectorId":2}
POST 7071 /unplug/2
GET 8080 /api/v1/health
"""
EVENT_3 = """
POST 7071 /plug/1
POST 7071 /plug/2
POST 8080 /api/v1/start {"cpid":"Gresgying02","connectorId":1,"id_tag":"VID:FCA47A147860"}
POST 8080 /api/v1/start {"cpid":"Gresgying02","connectorId":2,"id_tag":"VID:FCA47A147861"}
GET 8080 /api/v1/active
POST 8080 /api/v1/stop {"cpid":"Gresgying02","transactionId":3}
POST 8080 /api/v1/stop {"cpid":"Gresgying02","transactionId":4}
GET 8080 /api/v1/active
GET 8080 /api/v1/history
POST 8080 /charge/stop {"cpid":"Gresgying02","connectorId":1}
POST 8080 /charge/stop {"cpid":"Gresgying02","connectorId":2}
POST 8080 /api/v1/release {"cpid":"Gresgying02","connectorId":1}
POST 8080 /api/v1/release {"cpid":"Gresgying02","connectorId":2}
POST 7071 /unplug/1
POST 7071 /unplug/2
GET 8080 /api/v1/health
"""


class Rig:
    """A central system, one twin, and the requests of the document."""

    def __init__(self, site, twins) -> None:
        self.site, self.twins = site, twins
        self.places = {"7071": twins.control_url, "8080": site.system.control_url}
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = KEY

    def ask(self, method, port, path, body="", status=200):
        answer = self.session.request(
            method, self.places[port] + path, data=body.encode() or None, timeout=30
        )
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    def post(self, path, status=200, **body):
        return self.ask("POST", "8080", path, json.dumps(body), status)

    def get(self, path, status=200):
        return self.ask("GET", "8080", path, status=status)

    def play(self, event, *, adjust):
        """Each request of an event: path, status, answer. `adjust`: the ids of its stops are
        replaced by those of the sessions that run, in the same order."""
        found = []
        numbers: dict[int, int] = {}
        for line in event.strip().splitlines():
            method, port, path, *body = line.split(" ", 3)
            text = body[0] if body else ""
            if path == "/api/v1/stop" and adjust:
                given = json.loads(text)
                numbers = numbers or self.ids_of(event)
                text = json.dumps({**given, "transactionId": numbers[given["transactionId"]]})
            answer = self.session.request(
                method, self.places[port] + path, data=text.encode() or None, timeout=30
            )
            found.append((path, answer.status_code, answer.json()))
        return found

    def ids_of(self, event):
        """Id in the document to that of the session that runs."""
        reported = [int(each) for each in re.findall(r'"transactionId":(\d+)', event)]
        running = [each["transactionId"] for each in self.get("/api/v1/active")["sessions"]]
        return dict(zip(reported, running, strict=True))


@pytest.fixture(params=["1.6", "2.0.1"])
def rig(request, start):
    site = start({"control": "127.0.0.1:0", "token": KEY})
    twin = {"id": CPID, "connectors": [{"kind": "DC"}, {"kind": "DC"}]}
    with Twins(site.system.ocpp_url, [twin], ocpp=request.param, speed=1) as twins:
        twins.wait_connected()
        made = Rig(site, twins)
        eventually(lambda: len(made.get("/api/v1/status")["connectors"]) == 2)
        yield made
        made.session.close()


# Connector to idTag of the sessions of each event.
EVENTS = [
    (EVENT_1, {1: "VID:FCA47A147858"}),
    (EVENT_2, {2: "VID:FCA47A147859"}),
    (EVENT_3, {1: "VID:FCA47A147860", 2: "VID:FCA47A147861"}),
]


def test_the_sessions_of_the_document(rig) -> None:
    assert rig.get("/api/v1/active") == {"sessions": []}
    (station,) = rig.get("/api/v1/stations")["stations"]
    assert (station["cpid"], station["connected"]) == (CPID, True)
    seen: list[int] = []
    for event, sessions in EVENTS:
        answers = rig.play(event, adjust=True)
        assert {status for _, status, _ in answers} == {200}
        by_path: dict[str, list] = {}
        for path, _, body in answers:
            by_path.setdefault(path, []).append(body)
        running, ended = (body["sessions"] for body in by_path["/api/v1/active"])
        assert {each["connectorId"]: each["id_tag"] for each in running} == sessions
        assert all(each["cpid"] == CPID and each["endTime"] is None for each in running)
        numbers = [each["transactionId"] for each in running]
        assert [body["transactionId"] for body in by_path["/api/v1/start"]] == numbers
        assert [body["transactionId"] for body in by_path["/api/v1/stop"]] == numbers
        assert all(body["ended"] for body in by_path["/api/v1/stop"])
        assert ended == []
        seen += numbers
        (history,) = (body["sessions"] for body in by_path["/api/v1/history"])
        assert [each["transactionId"] for each in history] == seen
        for each in history:
            assert each["energy"] == each["meterStop"] - each["meterStart"]
            assert each["durationSecs"] >= 0
        assert {body["status"] for body in by_path["/charge/stop"]} == {"NotRunning"}
        assert all(body == {"status": "Unlocked"} for body in by_path["/api/v1/release"])
        assert by_path["/api/v1/health"][0]["status"] == "ok"
    eventually(
        lambda: (
            {each["status"] for each in rig.get("/api/v1/status")["connectors"]} == {"Available"}
        )
    )


def test_the_literal_ids_of_the_document(rig) -> None:
    """The ids of another central system: each stop is refused, and ends nothing of another."""
    for event, sessions in EVENTS:
        answers = rig.play(event, adjust=False)
        assert {path for path, status, _ in answers if status != 200} == {"/api/v1/stop"}
        assert all(status == 404 for path, status, _ in answers if path == "/api/v1/stop")
        left = [body for path, _, body in answers if path == "/charge/stop"]
        assert [body["status"] for body in left] == ["Accepted"] * len(sessions)
        assert rig.get("/api/v1/active") == {"sessions": []}
    assert len(rig.get("/api/v1/history")["sessions"]) == 4


def test_charge_stop_ends_what_runs(rig) -> None:
    rig.ask("POST", "7071", "/plug/1")
    place = {"cpid": CPID, "connectorId": 1}
    number = rig.post("/charge/start", **place, id_tag="A")["transactionId"]
    assert rig.get(f"/api/v1/active?cpid={CPID}")["sessions"][0]["transactionId"] == number
    assert rig.get("/api/v1/active?cpid=other")["sessions"] == []
    assert rig.post("/charge/stop", **place) == {
        "status": "Accepted",
        "transactionId": number,
        "ended": True,
    }
    assert rig.get("/api/v1/active")["sessions"] == []


def test_a_stop_of_nothing_is_an_error(rig) -> None:
    assert rig.post("/api/v1/stop", 404, cpid=CPID, transactionId=9)
    assert rig.post("/api/v1/stop", 404, cpid=CPID)
    assert rig.post("/charge/stop", 404, cpid="other", connectorId=1)
    assert rig.post("/api/v1/start", 400, cpid=CPID, connectorId=1)
    assert "unknown field" in str(rig.post("/charge/stop", 400, cpid=CPID, id=1))


def test_a_start_that_does_not_begin_has_no_transaction(rig, monkeypatch) -> None:
    monkeypatch.setattr(rig.site.system._control.central, "_follow_s", 0.2)
    # Without a vehicle the charger accepts, and waits for one.
    answer = rig.post("/api/v1/start", cpid=CPID, connectorId=1, id_tag="A")
    assert answer == {"status": "Accepted", "transactionId": None}


def test_a_refused_stop_is_an_error_of_charge_stop(rig, monkeypatch) -> None:
    monkeypatch.setattr(rig.site.system._control.central, "_follow_s", 0.2)
    rig.ask("POST", "7071", "/plug/1")
    rig.post("/charge/start", cpid=CPID, connectorId=1, id_tag="A")
    actions = ["RemoteStopTransaction", "RequestStopTransaction"]
    rig.twins.quirk(CPID, "refuses_actions", actions=actions)
    error = rig.post("/charge/stop", 502, cpid=CPID, connectorId=1)["error"]
    assert error["code"] == "write_rejected"


def test_availability_and_reset(rig) -> None:
    rig.post("/api/v1/availability", cpid=CPID, connectorId=2, type="Inoperative")
    eventually(lambda: rig.get("/api/v1/status")["connectors"][1]["status"] == "Unavailable")
    rig.post("/api/v1/availability", cpid=CPID, connectorId=2, type="Operative")
    eventually(lambda: rig.get("/api/v1/status")["connectors"][1]["status"] == "Available")
    before = rig.twins.state(CPID)["connections"]
    assert rig.post("/api/v1/reset", cpid=CPID, type="Hard") == {"status": "Accepted"}
    eventually(lambda: rig.twins.state(CPID)["connections"] > before)


def test_history_of_a_time(rig) -> None:
    assert rig.get("/api/v1/history?start=2026-01-01T00:00:00Z")["sessions"] == []
    assert rig.get("/api/v1/history?start=yesterday", 400)["error"]["code"] == "bad_value"
    assert rig.get("/api/v1/history?end=never", 400)["error"]["code"] == "bad_value"


@pytest.mark.parametrize("path", ["/api/v1/stations", "/api/v1/active", "/openapi.json"])
def test_the_key_is_needed(rig, path) -> None:
    del rig.session.headers["X-API-Key"]
    assert rig.get(path, 401)["error"]["code"] == "not_permitted"
