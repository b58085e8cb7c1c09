"""The JSON API as a script uses it."""

from __future__ import annotations

import pytest

from ..conftest import STATION, TOKEN, eventually, free_port

PLACE = {"cpid": STATION, "connectorId": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "tökèn".encode()},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer wrong"},
        {"X-API-Key": "wrong", "Authorization": f"Bearer {TOKEN}"},
    ],
)
def test_nobody_gets_in_without_the_key(site, headers):
    del site.session.headers["X-API-Key"]
    for path in ("/health", "/status", "/openapi.json", "/events"):
        assert site.get(path, 401, headers=headers)["error"]["code"] == "not_permitted"
    site.post("/shed", {**PLACE, "allowedLoad": 1}, 401, headers=headers)
    assert site.sim.calls.count("shedLoad") == 0


def test_the_key_as_either_header(site):
    assert site.get("/health")["good"] is True
    del site.session.headers["X-API-Key"]
    assert site.get("/health", headers={"Authorization": f"Bearer {TOKEN}"})["good"] is True


def test_stations_and_status(site):
    stations = site.get("/stations")["stations"]
    assert [station["cpid"] for station in stations] == [
        station.station_id for station in site.sim.world.stations
    ]
    ports = [port for station in stations for port in station["ports"]]
    assert ports == site.get("/status")["connectors"]
    assert len(ports) == 8
    port = site.port()
    assert port["values"]["Status"] == "INUSE"
    assert port["values"]["portLoad"] == pytest.approx(6.4, abs=0.5)
    assert port["station"]["Power"] == 6.6
    assert port["values"]["shedStatus"] == "none"
    assert port["values"]["commandedLoad"] is None
    assert port["errors"] == port["lastKnown"] == {}
    assert {"getLoad", "getStationStatus", "getAlarms"} <= set(port["readAt"])


def test_the_active_and_the_history(site):
    active = site.get("/active")
    assert active["errors"] == {}
    assert active["sessions"]
    assert {session["endTime"] for session in active["sessions"]} == {None}
    (session,) = site.get("/active", params={"cpid": STATION})["sessions"][:1]
    assert session["account"] == "garage"
    assert session["energy"] > 0
    history = site.get("/history")["sessions"]
    assert set(map(str, active["sessions"])) < set(map(str, history))
    ended = [session for session in history if session["endTime"]]
    assert all(session["durationSecs"] > 0 for session in ended)
    assert all("userID" not in session and "credentialID" not in session for session in history)
    assert site.get("/history", params={"start": "2020-01-01", "end": "2020-01-02"}) == {
        "sessions": [],
        "errors": {},
        "readAt": site.get("/history")["readAt"],
        "after": None,
    }


def test_a_shed_from_command_to_clear(make_site):
    site = make_site(shed_delay_s=60).ready()
    site.post("/shed", {**PLACE, "allowedLoad": 3, "minutes": 90})
    pending = eventually(
        lambda: (port := site.port())["values"]["commandedLoad"] == 3 and port["values"]
    )
    assert pending["shedStatus"] == "pending"
    assert pending["shedState"] == 0
    assert site.sim.world.commands[-1].arguments["timeInterval"] == 90
    site.pass_(61)
    shed = eventually(lambda: (v := site.port()["values"])["shedStatus"] == "in force" and v)
    assert (shed["shedState"], shed["allowedLoad"]) == (1, 3)
    assert shed["portLoad"] == pytest.approx(3, abs=0.1)
    assert eventually(lambda: site.get("/state")["site"]["portsShed"]) == 1
    site.post("/clear", PLACE)
    site.pass_(31)
    eventually(lambda: site.port()["values"]["shedStatus"] == "released")


def test_a_shed_for_one_minute_is_over_after_one(make_site):
    site = make_site(shed_delay_s=0, clear_delay_s=0).ready()
    answer = site.post("/shed", {**PLACE, "allowedLoad": 3, "minutes": 1})
    assert (answer["status"], answer["warnings"]) == ("Accepted", [])
    eventually(lambda: site.port()["values"]["shedState"] == 1)
    site.pass_(61)
    eventually(lambda: site.port()["values"]["shedStatus"] == "released")
    assert site.sim.calls.count("clearShedState") == 1
    site.pass_(3_600)
    assert site.sim.calls.count("shedLoad") == 1


def test_a_shed_that_is_not_obeyed_is_violated(make_site):
    site = make_site(shed_delay_s=0).ready()
    site.sim.faults.set("shedLoad", "ignores_shed")
    site.post("/shed", {**PLACE, "allowedLoad": 3})
    site.pass_(301)
    eventually(lambda: site.port()["values"]["shedStatus"] in {"in force", "violated"})
    for _ in range(10):  # a busy machine may judge the report of one poll at the next one only
        polls = site.sim.calls.count("getLoad")
        site.pass_(61)
        eventually(lambda polls=polls: site.sim.calls.count("getLoad") > polls)
        if site.port()["values"]["shedStatus"] == "violated":
            break
    found = eventually(lambda: (v := site.port()["values"])["shedStatus"] == "violated" and v)
    assert "3 kW" in found["shedReason"]
    (alert,) = eventually(lambda: site.get("/state")["alerts"])
    assert "violated" in alert["what"]
    assert alert["over"] is None
    site.post("/clear", PLACE)
    site.pass_(601)
    eventually(lambda: site.get("/state")["alerts"][0]["over"])
    assert len(site.get("/state")["alerts"]) == 1


def test_what_a_shed_costs_is_in_the_answer(site):
    (warning,) = site.post("/shed", {**PLACE, "allowedLoad": 0})["warnings"]
    assert "stops charging until the limit ends" in warning
    (warning,) = site.post("/shed", {**PLACE, "allowedLoad": 900})["warnings"]
    assert "rated power" in warning


def test_a_percentage_and_a_station_group(site):
    site.post("/shed", {**PLACE, "percentShed": 50})
    site.pass_(31)
    eventually(lambda: site.port()["values"]["percentShed"] == 50)
    site.post("/clear", PLACE)
    site.pass_(31)
    (group,) = site.get("/state")["groups"]
    site.post("/shed", {"group": group["group"], "allowedLoad": 20})
    site.pass_(31)
    eventually(lambda: site.get("/state")["site"]["allowed"] == 20)
    (group,) = site.get("/state")["groups"]
    assert group["values"]["siteLoad"] <= 20
    refused = site.post("/shed", {**PLACE, "allowedLoad": 1}, 409)["error"]
    assert refused["code"] == "refused"
    assert "station group" in refused["message"]


@pytest.mark.parametrize(
    ("path", "content", "shown"),
    [
        ("/shed", PLACE, "exactly one of allowedLoad"),
        ("/shed", {**PLACE, "allowedLoad": 1, "percentShed": 1}, "exactly one of allowedLoad"),
        ("/shed", {**PLACE, "allowedLoad": -1}, "$.allowedLoad"),
        ("/shed", {**PLACE, "allowedLoad": "1"}, "$.allowedLoad"),
        ("/shed", {**PLACE, "allowedLoad": 1, "minuets": 5}, "minuets"),
        ("/shed", {"allowedLoad": 1}, "exactly one of cpid and group"),
        ("/shed", {"cpid": STATION, "group": "1", "allowedLoad": 1}, "exactly one of cpid"),
        ("/clear", {"group": "39491", "connectorId": 1}, "a station group has none"),
        ("/clear", "{", "as JSON"),
        ("/clear", "[" * 100_000, "too large"),
        ("/clear", b"\xff", "as JSON"),
        ("/start", {"cpid": STATION, "id_tag": ""}, "$.id_tag"),
        ("/reset", {"cpid": STATION, "type": "Cold"}, "$.type"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(site, path, content, shown):
    status = 413 if shown == "too large" else 400
    error = site.post(path, content, status)["error"]
    assert shown.lower() in error["message"].lower()
    assert site.sim.world.commands == []


def test_unknown_places(site):
    assert "garage" in site.post("/clear", {**PLACE, "account": "x"}, 404)["error"]["message"]
    missing = {"cpid": "1:9", "connectorId": 1, "allowedLoad": 1}
    error = site.post("/shed", missing, 404)["error"]
    assert error["code"] == "nothing_there"
    assert "there is nothing at /api/v1/nothing" in site.get("/nothing", 404)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "shed", "POST"),
        ("DELETE", "health", "GET"),
        ("HEAD", "health", "GET"),
        ("OPTIONS", "shed", "POST"),
        ("POST", "no\u00ebl/%1b[2J", None),
    ],
)
def test_methods_and_paths_that_are_none(site, method, path, allowed):
    answer = site.session.request(method, f"{site.server.url}api/v1/{path}", timeout=60)
    assert answer.status_code == (405 if allowed else 404)
    assert answer.headers.get("Allow") == allowed
    if method == "HEAD":
        return
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "service_code", "retry_after_s"}
    assert error["code"] == "http"
    assert "\x1b" not in error["message"]
    assert allowed is None or f"it takes {allowed}" in error["message"]


SHED = b'{"cpid": "1:34001", "connectorId": 1, "allowedLoad": 3}'


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/xml"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "compress"},
    ],
)
def test_bodies_that_say_they_are_something_else(site, headers):
    answer = site.session.post(
        f"{site.server.url}api/v1/shed", data=SHED, headers=headers, timeout=15
    )
    assert (answer.status_code, answer.headers["Accept"]) == (415, "application/json")
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "service_code", "retry_after_s"}
    assert "must be JSON in UTF-8" in error["message"]
    assert site.sim.world.commands == []


@pytest.mark.parametrize(
    "kind",
    [None, "application/json; charset=UTF-8", "application/x-www-form-urlencoded", "x/y+json"],
)
def test_bodies_of_scripts_that_say_little(site, kind):
    """`curl -d` calls each body a form."""
    headers = {} if kind is None else {"Content-Type": kind}
    assert site.post("/shed", SHED, headers=headers)["status"] == "Accepted"


@pytest.mark.parametrize("hours", ["0", "25", "x", "nan"])
def test_a_span_that_is_none(site, hours):
    assert "hours" in site.get("/load", 400, params={"hours": hours})["error"]["message"]


def test_chargers_behind_the_web_service_cannot_be_started(site):
    for path, more in (
        ("/start", {"id_tag": "CARD"}),
        ("/stop", {}),
        ("/availability", {"type": "Operative"}),
        ("/release", {}),
    ):
        error = site.post(path, {**PLACE, **more}, 409)["error"]
        assert "connect directly" in error["message"]
        assert "Nothing was sent" in error["message"]


def test_the_service_is_down(site):
    """Nothing old is passed off as new, and commands say what happened."""
    before = site.port()
    site.sim.faults.set("*", "http", status=503)
    error = site.post("/shed", {**PLACE, "allowedLoad": 3}, 503)["error"]
    assert error["code"] == "try_later"
    assert "HTTP 503" in error["message"]
    site.pass_(300)
    port = eventually(lambda: (p := site.port())["errors"].get("Status") and p)
    assert "portLoad" not in port["values"]
    assert port["errors"]["portLoad"]["code"] == "try_later"
    assert port["lastKnown"]["portLoad"]["value"] == before["values"]["portLoad"]
    state = eventually(lambda: (s := site.get("/state"))["site"]["portsUnknown"] == 8 and s)
    assert state["site"]["load"] is state["site"]["allowed"] is None
    assert state["site"]["portsCharging"] is state["site"]["portsShed"] is None
    assert state["alarmsUnknown"] == state["maintenanceUnknown"] == 8
    assert state["health"]["good"] is False
    assert eventually(lambda: site.get("/load")["samples"][-1][1:] == [None, None, 8, 0])
    site.sim.faults.clear()
    site.pass_(300)
    eventually(lambda: site.port()["values"].get("portLoad"))
    eventually(lambda: site.get("/health")["good"])


def test_the_service_was_down_when_the_page_started(make_site):
    """Stations that were never listed are unknown: no total is 0, and no list shows "none"."""
    account = {"username": "u", "password": "p", "endpoint": f"http://127.0.0.1:{free_port()}/"}
    site = make_site(config={"accounts": {"garage": account}})
    state = eventually(lambda: (s := site.get("/state"))["health"]["accounts"][0]["errors"] and s)
    assert state["health"]["good"] is False
    totals = ("load", "allowed", "headroom", "portsCharging", "portsShed")
    assert [state["site"][name] for name in totals] == [None] * 5
    assert state["site"]["accountsUnknown"] == 1
    assert eventually(lambda: site.get("/load")["samples"][-1][1:] == [None, None, 0, 1])


def test_a_write_whose_fate_is_not_known(site):
    site.sim.faults.set("shedLoad", "drop_reply")
    error = site.post("/shed", {**PLACE, "allowedLoad": 3}, 504)["error"]
    assert error["code"] == "fate_unknown"


def test_alarms_and_maintenance(site):
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.pass_(600)
    alarm = eventually(
        lambda: [a for a in site.get("/state")["alarms"] if a["alarmType"] == "GFCI Trip"]
    )[0]
    assert (alarm["cpid"], alarm["connectorId"], alarm["asOf"]) == ("1:34002", 1, None)
    site.post("/clear-alarms", {"cpid": "1:34002"})
    eventually(lambda: "GFCI Trip" not in [a["alarmType"] for a in site.get("/state")["alarms"]])


def test_the_load_over_time(site):
    start = site.get("/state")["site"]
    for _ in range(3):
        site.pass_(60)
        eventually(lambda: site.get("/load")["samples"][-1][0] == site.wall.now_s)
    samples = site.get("/load", params={"hours": 1})["samples"]
    times = [sample[0] for sample in samples]
    assert times == sorted(times)
    assert len(times) >= 4
    assert samples[-1][2] == start["allowed"] == pytest.approx(56.4, abs=5)
    assert site.get("/load", params={"hours": 0.001})["samples"] in ([], samples[-1:])


def test_a_wrong_password_is_said_once_and_asked_once(make_site):
    site = make_site()
    site.ready()
    site.sim.accounts[site.sim.username].password = "another"
    site.pass_(400)
    health = eventually(lambda: not (h := site.get("/health"))["good"] and h)
    errors = health["accounts"][0]["errors"]
    assert "wrong_credentials" in {error["code"] for error in errors.values()}


def test_a_shed_that_was_answered_is_in_the_next_status(site):
    """Without a wait in between, whenever the board is due to look again."""
    for allowed in (2.0, 4.0, 3.0):
        site.post("/shed", {"cpid": STATION, "connectorId": 1, "allowedLoad": allowed})
        (port,) = [
            each
            for each in site.get(f"/status?cpid={STATION}")["connectors"]
            if each["connectorId"] == 1
        ]
        assert port["values"]["shedState"] == 1
        assert port["values"]["allowedLoad"] == allowed


def test_the_live_status_is_under_the_path_of_the_document_too(site):
    found = eventually(lambda: site.get("/live-status"))
    assert {each["charge_point_id"] for each in found} == {
        station.station_id for station in site.sim.world.stations
    }
    assert {each["account"] for each in found} == {"garage"}
    one = next(each for each in found if each["charge_point_id"] == STATION)
    assert (one["status"], one["available_for_charging"]) == ("INUSE", 1)
    assert one["composite_status"] in {"up", "down"}
    (same,) = site.get("/live-status", params={"charge_point_id": STATION})
    assert same["charge_point_id"] == STATION
    site.get("/live-status", 404, params={"charge_point_id": "9:9"})
    for path in ("charge_point_live_status", "charge_point_live_status/"):
        answer = site.session.get(f"{site.server.url}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()) == len(found)
        answer = site.session.get(
            f"{site.server.url}{path}", timeout=60, headers={"X-API-Key": "wrong"}
        )
        assert answer.status_code == 401
