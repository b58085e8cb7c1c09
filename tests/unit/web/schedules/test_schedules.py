"""The schedule by the API: what is shown, changed, refused, run in this process and logged."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path

from ..api.test_openapi import check
from ..conftest import STATION, eventually

NIGHT = {
    "name": "night",
    "kw": 3.0,
    "weekdays": ["sat", "sun"],
    "from": "22:00",
    "until": "06:00",
    "season": None,
    "holidays": "as weekday",
}
GROUPS = {
    "yard": {"devices": [{"station": STATION, "port": 1}], "rules": [{"kw": 5.0}]},
    "priced": {"devices": [{"station": "1:34002"}], "prices": {"above": {"0.4": 2.0}}},
}
CONTENT = {
    "timezone": "Europe/Berlin",
    "groups": GROUPS,
    "holidays": ["2026-12-25"],
    "exceptions": [{"date": "2026-12-24", "kw": None, "name": "Christmas Eve"}],
    "prices_file": "prices.json",
    "accounts": {"garage": {"password": "a-secret-of-theirs"}},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps(CONTENT))
    return path


@pytest.fixture
def scheduled(make_site, file):
    return make_site(web={"schedule": {"file": str(file)}})


def patch(site, content, status=200):
    answer = site.session.patch(f"{site.server.url}api/v1/schedule", json=content, timeout=30)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_is_shown_has_no_secret(scheduled, file) -> None:
    found = scheduled.get("/schedule")
    assert "a-secret-of-theirs" not in json.dumps(found)
    assert found["timezone"] == "Europe/Berlin"
    assert found["readOnly"] is None
    assert found["fault"] is None
    assert found["scheduler"] is None
    yard, priced = found["groups"]
    assert (yard["name"], yard["rules"][0]["kw"], yard["applied"]) == ("yard", 5.0, None)
    assert yard["devices"][0]["cpid"] == STATION
    assert yard["devices"][0]["connectorId"] == 1
    assert yard["upcoming"][0]["kw"] == 5.0
    # Only a running scheduler knows the prices.
    assert (priced["prices"], priced["upcoming"]) == (True, None)
    assert found["exceptions"] == [
        {
            "date": "2026-12-24",
            "kw": None,
            "name": "Christmas Eve",
            "from": "00:00",
            "until": "24:00",
            "groups": [],
        }
    ]


def test_a_change_keeps_everything_else_of_the_file(scheduled, file) -> None:
    before = scheduled.get("/schedule")
    after = patch(
        scheduled,
        {"revision": before["revision"], "groups": {"yard": {"rules": [NIGHT]}}},
    )
    assert after["revision"] != before["revision"]
    assert after["groups"][0]["rules"] == [NIGHT]
    written = json.loads(file.read_text())
    assert written["groups"]["yard"]["rules"] == [
        {k: v for k, v in NIGHT.items() if k not in ("season", "holidays")}
    ]
    assert written["groups"]["priced"] == GROUPS["priced"]
    assert {k: written[k] for k in ("accounts", "holidays", "exceptions")} == {
        k: CONTENT[k] for k in ("accounts", "holidays", "exceptions")
    }
    (saved,) = scheduled.get("/schedule/log")["entries"]
    assert (saved["kind"], saved["message"], saved["revision"]) == (
        "saved",
        "groups.yard",
        after["revision"],
    )
    assert saved["by"]


def test_two_editors_do_not_overwrite_one_another(scheduled) -> None:
    revision = scheduled.get("/schedule")["revision"]
    patch(scheduled, {"revision": revision, "holidays": []})
    fault = patch(scheduled, {"revision": revision, "holidays": ["2026-12-26"]}, 409)["error"]
    assert fault["code"] == "refused"
    assert "changed by somebody else" in fault["message"]
    assert scheduled.get("/schedule")["holidays"] == []


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"groups": {"yard": {"rules": [{"kw": -1}]}}}, 400, "rules[0].kw"),
        ({"groups": {"yard": {"rules": [{"kw": 1, "from": "25:00"}]}}}, 400, "rules.0.from"),
        ({"groups": {"yard": {"rules": [{"kw": 1, "speed": 2}]}}}, 400, "speed"),
        ({"groups": {"yard": {"devices": []}}}, 400, "groups.yard: devices: name at least one"),
        ({"groups": {"yard": {"devices": [{"topic": "a/b"}]}}}, 400, "without VOLTTRON"),
        (
            {"groups": {"yard": {"devices": [{"cpid": "1", "account": "x"}]}}},
            400,
            "groups.yard: account: there is no 'x'; the accounts are garage",
        ),
        ({"groups": {"yard": {"devices": [{}]}}}, 400, "exactly one of cpid, group and topic"),
        ({"groups": {"none": None}}, 404, "there is no 'none'"),
        ({"groups": {" ": {"rules": []}}}, 400, "a name needs"),
        ({"groups": {"yard": None, "priced": None}}, 400, "one group or more"),
        ({"exceptions": [{"date": "2026-02-30", "kw": 1}]}, 400, "is not a date"),
        ({"exceptions": [{"date": "2026-02-03"}]}, 400, "kw"),
        ({"holidays": ["Christmas"]}, 400, "holidays.0"),
        ({"accounts": {}}, 400, "accounts"),
    ],
)
def test_a_bad_change_is_refused_with_its_place(scheduled, file, change, status, words) -> None:
    before = file.read_bytes()
    revision = scheduled.get("/schedule")["revision"]
    assert words in patch(scheduled, {"revision": revision, **change}, status)["error"]["message"]
    assert file.read_bytes() == before


def test_a_group_that_is_deleted_leaves_no_exception_for_all(scheduled, file) -> None:
    revision = scheduled.get("/schedule")["revision"]
    exceptions = [
        {"date": "2026-12-27", "kw": 1, "groups": ["yard"]},
        {"date": "2026-12-28", "kw": 2, "groups": ["yard", "priced"]},
        {"date": "2026-12-29", "kw": 3},
    ]
    revision = patch(scheduled, {"revision": revision, "exceptions": exceptions})["revision"]
    found = patch(scheduled, {"revision": revision, "groups": {"yard": None}})
    assert [(each["kw"], each["groups"]) for each in found["exceptions"]] == [
        (2, ["priced"]),
        (3, []),
    ]


def test_a_week_by_hour_with_exceptions_and_changes_of_the_clock(scheduled) -> None:
    week = scheduled.get("/schedule/week", params={"group": "yard", "start": "2026-12-25"})
    assert [day["date"] for day in week["days"]][0::6] == ["2026-12-21", "2026-12-27"]
    eve, holiday = week["days"][3:5]
    assert holiday["isHoliday"] is True
    assert {hour[0]["kw"] for hour in eve["hours"]} == {None}
    assert holiday["hours"][23] == [
        {"from": "23:00", "until": "24:00", "kw": 5.0, "reason": "rule 1"}
    ]
    spring = scheduled.get("/schedule/week", params={"group": "yard", "start": "2026-03-29"})
    hours = spring["days"][6]["hours"]
    assert (hours[1][0]["until"], hours[2], hours[3][0]["from"]) == ("03:00", [], "03:00")
    scheduled.get("/schedule/week", 404, params={"group": "nowhere"})
    scheduled.get("/schedule/week", 400, params={"group": "yard", "start": "soon"})
    scheduled.get("/schedule/week", 400, params={"group": "yard", "start": "0001-01-01"})


def test_a_file_with_a_fault_is_shown_as_such(scheduled, file) -> None:
    file.write_text("{")
    found = scheduled.get("/schedule")
    assert "not JSON" in found["fault"]
    assert "correct it with an editor" in found["readOnly"]
    assert found["groups"] == []
    assert "fault" in patch(scheduled, {"revision": found["revision"]}, 409)["error"]["message"]
    scheduled.get("/schedule/week", 503, params={"group": "yard"})


def test_without_a_schedule_the_answer_says_how_to_name_one(site) -> None:
    for path in ("/schedule", "/schedule/log", "/schedule/week?group=x"):
        assert '"schedule": {"file"' in site.get(path, 404)["error"]["message"]


def test_a_scheduler_that_is_silent_does_not_look_as_if_it_ran(scheduled, file) -> None:
    now = [scheduled.wall()]
    log = ScheduleLog(log_path(file), lambda: datetime.fromtimestamp(now[0], timezone.utc))
    state = {
        "host": "command",
        "revision": ScheduleFile(file).read().revision,
        "since": "2026-01-01T00:00:00+00:00",
        "refused": None,
        "stopped": False,
        "silent_after": 90,
        "groups": {
            "priced": {
                "applied": {"kw": 2.0, "reason": "price", "done": True},
                "upcoming": [{"start": "a", "end": "b", "kw": 2.0, "reason": "price"}],
            }
        },
    }
    log.put_state(state)
    found = scheduled.get("/schedule")
    assert (found["scheduler"]["isRunning"], found["scheduler"]["isCurrent"]) == (True, True)
    assert found["groups"][1]["applied"]["kw"] == 2.0
    assert found["groups"][1]["upcoming"][0]["kw"] == 2.0
    # Another version of the file than the one that runs.
    patch(scheduled, {"revision": found["revision"], "holidays": []})
    found = scheduled.get("/schedule")
    assert (found["scheduler"]["isRunning"], found["scheduler"]["isCurrent"]) == (True, False)
    assert found["groups"][1]["applied"] is None
    log.put_state({**state, "revision": found["revision"]})
    assert scheduled.get("/schedule")["scheduler"]["isCurrent"] is True
    scheduled.pass_(300)
    found = scheduled.get("/schedule")
    assert (found["scheduler"]["isRunning"], found["groups"][1]["applied"]) == (False, None)
    now[0] = scheduled.wall()
    log.put_state({**state, "stopped": True})
    assert scheduled.get("/schedule")["scheduler"]["isRunning"] is False
    log.close()


def test_a_schedule_runs_in_this_process_and_its_log_is_shown(make_site, tmp_path) -> None:
    """From nothing: the first group makes the file, and the limit reaches the station."""
    path = tmp_path / "schedule.json"
    web = {"schedule": {"file": str(path), "run": True}, "time_zone": "Europe/Berlin"}
    site = make_site(web=web).ready()
    found = site.get("/schedule")
    assert (found["revision"], found["fault"], found["readOnly"]) == ("", None, None)
    group = {"devices": [{"cpid": STATION, "connectorId": 1}], "rules": [{"kw": 2.5}]}
    found = patch(site, {"revision": "", "groups": {"left": group}})
    eventually(lambda: site.port()["values"].get("commandedLoad") == 2.5)
    eventually(lambda: site.get("/schedule")["scheduler"]["isCurrent"])
    log = eventually(
        lambda: [
            each
            for each in site.get("/schedule/log", params={"group": "left"})["entries"]
            if each["kind"] == "limit" and each["kw"] == 2.5
        ]
    )
    assert log[0]["done"] is True
    assert log[0]["devices"] == [f"{STATION} 1"]
    assert log[0]["deviceCount"] == 1
    assert log[0]["until"] is None  # it lasts beyond the horizon
    assert site.get("/schedule")["groups"][0]["applied"]["kw"] == 2.5
    # Without the group nothing is limited any more.
    other = {"devices": [{"cpid": "1:34002", "connectorId": 1}]}
    patch(site, {"revision": found["revision"], "groups": {"left": None, "right": other}})
    eventually(lambda: site.port()["values"].get("commandedLoad") is None)


def test_the_log_is_read_in_pages(scheduled) -> None:
    for kw in range(3):
        revision = scheduled.get("/schedule")["revision"]
        patch(scheduled, {"revision": revision, "groups": {"yard": {"rules": [{"kw": kw}]}}})
    first = scheduled.get("/schedule/log", params={"limit": 2})
    rest = scheduled.get("/schedule/log", params={"limit": 2, "after": first["after"]})
    ids = [each["id"] for each in (*first["entries"], *rest["entries"])]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), rest["after"]) == (3, None)
    scheduled.get("/schedule/log", 400, params={"after": "x"})
    scheduled.get("/schedule/log", 400, params={"limit": 0})


def test_answers_are_what_the_document_describes(scheduled) -> None:
    found = scheduled.get("/schedule")
    check(patch(scheduled, {"revision": found["revision"], "holidays": []}), "Schedule")
    check(scheduled.get("/schedule/log"), "ScheduleLogPage")
    check(scheduled.get("/schedule/week", params={"group": "yard"}), "ScheduleWeek")


def test_a_new_file_needs_the_zone_of_the_site(make_site, tmp_path) -> None:
    site = make_site(web={"schedule": {"file": str(tmp_path / "s.json"), "run": True}})
    group = {"devices": [{"cpid": STATION}]}
    fault = patch(site, {"revision": "", "groups": {"g": group}}, 400)["error"]
    assert "web.time_zone" in fault["message"]
    assert not (tmp_path / "s.json").exists()
