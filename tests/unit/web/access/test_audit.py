"""The audit log: every command and every refusal, with who, what, where, result."""

from __future__ import annotations

import csv
import io
import json

import pytest
import requests

from chargepoint_driver.web.access import audit as module

from ..conftest import STATION, TOKEN, eventually

PLACE = {"cpid": STATION, "connectorId": 1}
KEYS = {
    "lobby": ("viewer", "key-of-the-lobby-of-these-tests"),
    "dispatch": ("operator", "key-of-dispatch-of-these-tests"),
}


def as_(name):
    return {"headers": {"X-API-Key": KEYS[name][1]}}


@pytest.fixture
def make_keyed(make_site, monkeypatch):
    """Makes a site with a viewer's and an operator's key."""
    for name, (_, secret) in KEYS.items():
        monkeypatch.setenv(f"KEY_{name}", secret)
    keys = {name: {"role": role, "key_env": f"KEY_{name}"} for name, (role, _) in KEYS.items()}

    def make(**web):
        return make_site(web={"keys": keys, **web}).ready()

    return make


@pytest.fixture
def site(make_keyed):
    return make_keyed()


def entries(site, **query):
    return site.get("/audit", params=query)["entries"]


def test_a_command_has_who_what_where_and_its_result(site):
    site.post("/shed", {**PLACE, "allowedLoad": 3, "minutes": 5}, **as_("dispatch"))
    (entry,) = entries(site)
    assert entry["ended"] is not None
    assert {name: entry[name] for name in entry if name not in ("id", "time", "ended")} == {
        "by": "dispatch",
        "role": "operator",
        "address": "127.0.0.1",
        "command": "shed",
        "account": "garage",
        "cpid": STATION,
        "connectorId": 1,
        "group": None,
        "arguments": {"allowedLoad": 3, "minutes": 5},
        "status": 200,
        "result": "done",
        "message": "Accepted",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "result", "shown"),
    [
        ("/shed", {**PLACE, "allowedLoad": -1}, 400, "bad_value", "$.allowedLoad"),
        (
            "/shed",
            {"cpid": "1:9", "connectorId": 1, "allowedLoad": 1},
            404,
            "nothing_there",
            "code 119",
        ),
        ("/start", {**PLACE, "id_tag": "CARD"}, 409, "refused", "Nothing was sent"),
        ("/clear", "{", 400, "bad_value", "as JSON"),
        ("/clear", "[1]", 400, "bad_value", "must be"),
        ("/acknowledge", {**PLACE, "what": "x"}, 404, "nothing_there", "is open there"),
    ],
)
def test_what_failed_has_its_code_and_message(site, path, body, status, result, shown):
    site.post(path, body, status, **as_("dispatch"))
    (entry,) = entries(site, result="failed")
    assert (entry["by"], entry["status"], entry["result"]) == ("dispatch", status, result)
    assert shown in entry["message"]


def test_what_the_role_may_not_do_is_there_with_its_target(site):
    site.post("/shed", {**PLACE, "allowedLoad": 3}, 403, **as_("lobby"))
    site.get("/audit", 403, **as_("dispatch"))
    read, shed = entries(site)
    assert (shed["by"], shed["command"], shed["cpid"]) == ("lobby", "shed", STATION)
    assert (shed["status"], shed["result"]) == (403, "not_permitted")
    assert "needs the role operator" in shed["message"]
    assert (read["by"], read["command"], read["result"]) == ("dispatch", "audit", "not_permitted")


def test_reading_leaves_no_entry(site):
    for path in ("/state", "/stations", "/alarms"):
        site.get(path, **as_("lobby"))
    assert entries(site) == []


def test_logins_and_attempts_without_a_key(site):
    browser = requests.Session()
    browser.trust_env = False
    browser.headers["Origin"] = site.server.url.rstrip("/")
    try:
        url = f"{site.server.url}login"
        browser.post(url, data={"token": "not-a-key-of-this-site"}, timeout=60)
        browser.post(url, data={"token": KEYS["lobby"][1]}, timeout=60)
        browser.post(f"{site.server.url}logout", timeout=60)
        site.post("/shed", PLACE, 401, headers={"X-API-Key": "wrong"})
    finally:
        browser.close()
    found = [(e["by"], e["command"], e["result"], e["status"]) for e in reversed(entries(site))]
    assert found == [
        (None, "log_in", "not_permitted", 401),
        ("lobby", "log_in", "done", 303),
        ("lobby", "log_out", "done", 303),
        (None, "shed", "not_permitted", 401),
    ]
    assert "not-a-key" not in json.dumps(entries(site))


def test_strangers_cannot_fill_it(make_keyed, monkeypatch):
    monkeypatch.setattr(module, "_MAX_STRANGERS", 2)
    monkeypatch.setattr(module, "_MINUTE_S", 10_000.0)
    site = make_keyed()
    monkeypatch.setattr("chargepoint_driver.http_server.authentication._FIRST_S", 0.0)
    for _ in range(4):
        site.post("/shed", PLACE, 401, headers={"X-API-Key": "wrong"})
    site.post("/shed", PLACE, 403, **as_("lobby"))
    assert [each["by"] for each in entries(site)] == ["lobby", None, None]


def test_secrets_are_masked_and_tags_are_for_those_who_may_see_them(make_keyed):
    site = make_keyed()
    call = {"cpid": STATION, "action": "ChangeConfiguration"}
    payload = {"key": "AuthorizationKey", "value": "secret-of-a-charger"}
    site.post("/call", {**call, "payload": payload}, 409)
    site.post("/start", {**PLACE, "id_tag": "CARD-17"}, 409, **as_("dispatch"))
    found = json.dumps(entries(site))
    assert "secret-of-a-charger" not in found
    assert "CARD-17" in found
    nobody = make_keyed(id_tags="nobody")
    nobody.post("/start", {**PLACE, "id_tag": "CARD-17"}, 409, **as_("dispatch"))
    assert "CARD-17" not in json.dumps(entries(nobody))
    url = f"{nobody.server.url}api/v1/audit.csv"
    assert "CARD-17" not in nobody.session.get(url, timeout=60).text


def test_filters_pages_and_csv_have_the_same_entries(site):
    for load in (1, 2, 3):
        site.post("/shed", {**PLACE, "allowedLoad": load}, **as_("dispatch"))
    site.post("/clear", PLACE)
    site.post("/shed", PLACE, 403, **as_("lobby"))
    whole = entries(site)
    assert len(whole) == 5
    assert [e["arguments"] for e in entries(site, by="dispatch", command="shed")] == [
        {"allowedLoad": 3},
        {"allowedLoad": 2},
        {"allowedLoad": 1},
    ]
    assert [e["by"] for e in entries(site, command="clear", result="done")] == ["token"]
    assert [e["by"] for e in entries(site, result="not_permitted")] == ["lobby"]
    assert entries(site, cpid="1:9") == []
    assert entries(site, end="2000-01-01") == []
    assert len(entries(site, start="2000-01-01")) == 5
    found, after = [], None
    while True:
        page = site.get("/audit", params={"limit": 2, **({"after": after} if after else {})})
        found += page["entries"]
        after = page["after"]
        if after is None:
            break
    assert found == whole
    url = f"{site.server.url}api/v1/audit.csv"
    answer = site.session.get(url, timeout=60)
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == [str(each["id"]) for each in whole]
    assert rows[-1]["arguments"] == '{"allowedLoad": 1}'
    few = site.session.get(url, params={"by": "lobby"}, timeout=60).text
    assert len(few.splitlines()) == 2
    site.get("/audit", 400, params={"after": "x"})
    site.get("/audit", 400, params={"start": "soon"})


def test_a_cell_is_never_a_formula(site):
    site.post("/acknowledge", {**PLACE, "what": "=cmd()"}, 404, **as_("dispatch"))
    site.post("/shed", {"cpid": "=1+1", "allowedLoad": 1}, 404, **as_("dispatch"))
    text = site.session.get(f"{site.server.url}api/v1/audit.csv", timeout=60).text
    (row, _) = csv.DictReader(io.StringIO(text))
    assert row["cpid"] == "'=1+1"


def test_entries_are_there_after_a_restart_and_end_after_their_days(make_keyed, tmp_path):
    file = str(tmp_path / "page.sqlite")
    site = make_keyed(database=file, audit_days=2)
    site.post("/clear", PLACE, **as_("dispatch"))
    (entry,) = entries(site)
    site.close()
    again = make_keyed(database=file, audit_days=2)
    assert entries(again) == [entry]
    again.wall.now_s += 3 * 86_400
    again.post("/clear", PLACE, **as_("lobby"), status=403)
    assert [each["by"] for each in entries(again)] == ["lobby"]


def test_a_command_goes_on_where_the_log_cannot_be_written(site, caplog):
    site.server._database.transaction = None
    site.post("/shed", {**PLACE, "allowedLoad": 3}, **as_("dispatch"))
    assert site.sim.calls.count("shedLoad") == 1
    assert "audit_entries" in caplog.text or "audit entries" in caplog.text


def test_a_command_without_an_answer_has_no_result(site):
    """The process that ends before the answer leaves the entry as it was begun."""
    audit = site.server._database
    with audit.transaction() as db:
        db.execute(
            "INSERT INTO audit (time, name, role, address, command) VALUES (1, 'a', 'b', 'c', 'd')"
        )
    (entry,) = entries(site)
    assert (entry["result"], entry["status"], entry["ended"]) == (None, None, None)
    assert entries(site, result="failed") == []


def test_users_of_a_proxy_have_their_address(make_site):
    web = {"proxy_login": {"user_header": "X-User", "default_role": "operator"}}
    site = make_site(web=web)
    site.session.headers.pop("X-API-Key")
    headers = {
        "X-User": "anna@example.org",
        "X-Forwarded-For": "10.0.0.1, 192.0.2.7",
        "Sec-Fetch-Site": "same-origin",
    }
    eventually(lambda: site.post("/clear", PLACE, headers=headers))
    found = site.session.get(
        f"{site.server.url}api/v1/audit", headers={"X-API-Key": TOKEN}, timeout=15
    ).json()["entries"]
    assert {(each["by"], each["address"]) for each in found} == {("anna@example.org", "192.0.2.7")}


def test_without_a_proxy_nobody_chooses_an_address(site):
    headers = {**as_("dispatch")["headers"], "X-Forwarded-For": "192.0.2.7"}
    site.post("/clear", PLACE, headers=headers)
    assert [each["address"] for each in entries(site)] == ["127.0.0.1"]


def test_an_acknowledgement_has_the_name_of_the_key(site):
    (alarm,) = site.get("/state")["alarms"]
    where = {"cpid": alarm["cpid"], "connectorId": alarm["connectorId"]}
    body = {**where, "what": alarm["alarmType"], "note": "on Monday"}
    site.post("/acknowledge", body, 403, **as_("lobby"))
    site.post("/acknowledge", body, **as_("dispatch"))
    (found,) = site.get("/alarms")["incidents"]
    assert (found["acknowledgedBy"], found["note"]) == ("dispatch (web)", "on Monday")
    assert found["firstSeen"] <= found["lastSeen"]
    assert site.get("/state")["alarms"][0]["acknowledged"] is not None
    (entry, _) = entries(site, command="acknowledge")
    assert entry["arguments"] == {"what": alarm["alarmType"], "note": "on Monday"}
