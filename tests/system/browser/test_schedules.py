"""The view of schedules in Chromium, as people use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from ...unit.web.conftest import STATION, eventually
from .browser import Page

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
VIEWER = "key-of-the-lobby-of-these-tests"
CONTENT = {
    "timezone": "Europe/Berlin",
    "groups": {
        "yard": {
            "devices": [{"station": STATION, "port": 1}],
            "rules": [{"name": "always", "kw": 3.0}],
        },
        "street": {"devices": [{"station": "1:34002"}]},
    },
    "holidays": ["2026-12-25"],
    "exceptions": [{"date": "2030-12-24", "kw": None, "name": "eve"}],
}


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps(CONTENT))
    return path


@pytest.fixture
def scheduled(make_site, file, monkeypatch):
    """A site whose server runs the schedule, with a key for a viewer."""
    monkeypatch.setenv("KEY_LOBBY", VIEWER)
    web = {
        "schedule": {"file": str(file), "run": True},
        "time_zone": "Europe/Berlin",
        "keys": {"lobby": {"role": "viewer", "key_env": "KEY_LOBBY"}},
    }
    return make_site(web=web).ready()


@pytest.fixture
def open_view(window, make_site):
    """Opens the view; at the end the console must be empty."""
    del make_site  # its sites are closed after this
    window.driver.delete_all_cookies()
    window.complaints()

    def open_(site, *key):
        window.open(site.server.url, *key).wait_live()
        window.view("schedules")
        eventually(lambda: window.text("#schedule-state"))
        return window

    yield open_
    assert window.complaints() == []
    window.driver.get("about:blank")
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    window.prefer()


def write(page, name, words):
    field = page.one(f"#form [name={name}]")
    field.clear()
    field.send_keys(words)


def save(page):
    page.click("#form-yes")
    eventually(lambda: not page.one("#form").is_displayed())


def groups(file) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["groups"]
    return found


def test_a_schedule_from_nothing_limits_a_port(open_view, scheduled, file):
    """A group, a rule from the grid by keyboard, its limit at the station, and the log."""
    file.unlink()
    page = open_view(scheduled)
    eventually(lambda: "There is no schedule yet" in page.text("#schedule-state"))
    page.click("#group-add")
    write(page, "name", "left")
    write(page, "find", "-001")
    eventually(lambda: len(page.all("#form .checks label")) == 2)
    page.click("#form .checks label")
    save(page)
    eventually(lambda: groups(file)["left"]["devices"])
    eventually(lambda: page.one("#schedule-group").get_attribute("value") == "left")

    eventually(lambda: "no limit" in page.text("#week-cell"))
    page.click(".week [tabindex='0']")
    page.keys(Keys.LEFT * 6, Keys.HOME)
    with_shift = webdriver.ActionChains(page.driver).key_down(Keys.SHIFT)
    with_shift.send_keys(Keys.END, Keys.RIGHT * 6).key_up(Keys.SHIFT).perform()
    page.keys(Keys.ENTER)
    assert page.one("#form [name=from]").get_attribute("value") == "00:00"
    assert page.one("#form [name=until]").get_attribute("value") == "24:00"
    page.keys("2.5", Keys.ENTER)
    eventually(lambda: not page.one("#form").is_displayed())
    assert groups(file)["left"]["rules"] == [{"kw": 2.5}]
    eventually(lambda: scheduled.port()["values"].get("commandedLoad") == 2.5)
    eventually(lambda: page.text("#schedule-state").startswith("In use since"))
    page.press("Refresh", "#view")
    limited = eventually(
        lambda: [line for line in page.text("#schedule-log").splitlines() if "left: 2.5 kW" in line]
    )[0]
    assert "port 1" in limited
    assert limited.endswith("done")
    assert "Saved by" in page.text("#schedule-log")


def test_rules_are_edited_and_deleted(open_view, scheduled, file):
    page = open_view(scheduled)
    eventually(lambda: "always" in page.text("#rules"))
    page.click("#rules [data-do=edit]")
    write(page, "kw", "-1")
    page.click("#form-yes")
    assert page.one("#form").is_displayed()
    write(page, "kw", "4")
    write(page, "from", "22:00")
    write(page, "until", "06:00")
    write(page, "first", "10-01")
    page.click("#form-yes")
    eventually(lambda: "first and its last day" in page.text("#form-fault"))
    write(page, "last", "03-31")
    save(page)
    assert groups(file)["yard"]["rules"] == [
        {
            "kw": 4.0,
            "name": "always",
            "from": "22:00",
            "until": "06:00",
            "season": ["10-01", "03-31"],
        }
    ]
    eventually(lambda: "22:00 to 06:00 on the next day" in page.text("#rules"))
    page.click("#rules [data-do=delete]")
    save(page)
    assert groups(file)["yard"]["rules"] == []
    eventually(lambda: scheduled.port()["values"].get("commandedLoad") is None)


def test_exceptions_and_holidays(open_view, scheduled, file):
    page = open_view(scheduled)
    eventually(lambda: "eve" in page.text("#exceptions"))
    page.click("#exception-add")
    page.js("document.querySelector('#form [name=date]').value = '2031-05-01'")
    write(page, "kw", "0")
    write(page, "name", "fair")
    page.click("#form .checks label:nth-child(2)")
    save(page)
    exceptions = json.loads(file.read_text())["exceptions"]
    assert exceptions[1] == {"date": "2031-05-01", "kw": 0.0, "name": "fair", "groups": ["street"]}
    eventually(lambda: "May 1, 2031" in page.text("#exceptions"))
    page.click("#exceptions [data-do=delete]")
    save(page)
    eventually(lambda: "eve" not in page.text("#exceptions"))
    page.click("#holidays-edit")
    write(page, "holidays", "2026-12-26\nChristmas")
    page.click("#form-yes")
    eventually(lambda: "'Christmas' is not a date" in page.text("#form-fault"))
    write(page, "holidays", "2026-12-26")
    save(page)
    assert json.loads(file.read_text())["holidays"] == ["2026-12-26"]
    # The browser reports the refused request, and nothing else.
    assert all("api/v1/schedule" in each for each in page.complaints())


def test_two_editors_keep_the_changes_of_both(open_view, scheduled, file):
    page = open_view(scheduled)
    eventually(lambda: "always" in page.text("#rules"))
    page.click("#rule-add")
    write(page, "kw", "5")
    revision = scheduled.get("/schedule")["revision"]
    answer = scheduled.session.patch(
        f"{scheduled.server.url}api/v1/schedule",
        json={"revision": revision, "groups": {"yard": {"rules": [{"kw": 9, "name": "theirs"}]}}},
        timeout=30,
    )
    assert answer.status_code == 200
    page.click("#form-yes")
    # Where the page did not read the other version before, it is refused once.
    fault = eventually(
        lambda: not page.one("#form").is_displayed() or page.text("#form-fault") or None
    )
    if page.one("#form").is_displayed():
        assert "changed by somebody else" in fault
        save(page)
    assert [rule["kw"] for rule in groups(file)["yard"]["rules"]] == [9, 5]
    page.complaints()


def test_a_group_is_deleted_and_its_limit_ends(open_view, scheduled, file):
    page = open_view(scheduled)
    eventually(lambda: scheduled.port()["values"].get("commandedLoad") == 3)
    page.choose("#schedule-group", "yard")
    page.click("#group-delete")
    save(page)
    assert set(groups(file)) == {"street"}
    eventually(lambda: scheduled.port()["values"].get("commandedLoad") is None)


def test_a_viewer_sees_all_and_changes_nothing(open_view, scheduled):
    page = open_view(scheduled, VIEWER)
    eventually(lambda: "always" in page.text("#rules"))
    assert "need the role administrator" in page.text("#schedule-read-only")
    assert page.visible("[data-edit], #rules button, #exceptions button") == []
    page.click(".week [tabindex='0']")
    page.keys(Keys.ENTER)
    assert page.all("#form[open]") == []
    answer = scheduled.session.patch(
        f"{scheduled.server.url}api/v1/schedule",
        json={"revision": ""},
        headers={"X-API-Key": VIEWER},
        timeout=30,
    )
    assert answer.status_code == 403
    assert answer.json()["error"]["role"] == "administrator"


def test_a_file_with_a_fault_is_told_and_the_limit_stays(open_view, scheduled, file):
    page = open_view(scheduled)
    eventually(lambda: scheduled.port()["values"].get("commandedLoad") == 3)
    file.write_text('{"timezone": "Mars"}')
    page.driver.refresh()
    page.one("#schedule-refused")
    eventually(lambda: "'Mars' is not a known time zone" in page.text("#schedule-refused"))
    assert page.visible("[data-edit]") == []
    assert scheduled.port()["values"]["commandedLoad"] == 3


def test_without_a_schedule_the_view_says_how_to_have_one(open_view, site):
    page = open_view(site)
    eventually(lambda: "name its file in the accounts file" in page.text("#schedule-state"))
    assert page.visible("[data-edit]") == []
    assert all("api/v1/schedule" in each for each in page.complaints())


@pytest.mark.parametrize("where", ["light", "dark", "form", "phone", "german"])
def test_it_can_be_used_by_everybody(open_view, scheduled, where):
    """axe finds nothing, and nothing is wider than a phone."""
    page = open_view(scheduled)
    scheme = "dark" if where == "dark" else "light"
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    if where == "german":
        page.choose("#language", "Deutsch")
        eventually(lambda: "Zeitpläne" in page.text("#views"))
    eventually(lambda: page.all(".week .limited"))
    eventually(lambda: page.all("#schedule-log tr"))
    if where == "form":
        page.click("#group-add")
    if where == "phone":
        page.size(320, 640)
        eventually(lambda: page.js("return innerWidth") == 320)
        wide = page.js(
            "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll')"
            " && e.getBoundingClientRect().right > innerWidth + 1)"
            ".map((e) => e.outerHTML.slice(0, 80))"
        )
        assert wide == []
    page.driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const end = arguments[arguments.length - 1]; axe.run().then(end);"
    )
    assert [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found["violations"]
    ] == []
    assert len(found["passes"]) > 20
