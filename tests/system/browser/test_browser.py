"""The page in Chromium, as people use it."""

from __future__ import annotations

from pathlib import Path

import axe_core_python
import pytest
from selenium.webdriver.common.keys import Keys

from ...unit.web.conftest import STATION, eventually, free_port
from .browser import Page

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


@pytest.fixture
def logged_in(window):
    """Opens the page of a site; at the end the console must be empty."""
    window.complaints()
    window.driver.delete_all_cookies()

    def open_(site):
        return window.open(site.server.url).wait_live()

    yield open_
    window.driver.get("about:blank")
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    window.prefer()


@pytest.fixture
def page(logged_in, site):
    return logged_in(site)


def test_logging_in_and_out(window, site):
    window.driver.delete_all_cookies()
    window.open(site.server.url, "not-the-token")
    assert "That is not the token" in window.text("[role=alert]")
    eventually(lambda: window.focused.get_attribute("id") == "token")
    window.open(site.server.url).wait_live()
    assert "token" not in window.driver.current_url
    assert window.js("return document.cookie") == ""
    window.press("Log out")
    eventually(lambda: window.driver.current_url.endswith("/login"))
    window.driver.get(site.server.url)
    assert window.driver.current_url.endswith("/login")
    window.complaints()


def test_what_is_shown(page, site):
    assert len(page.all("#ports > li")) == 8
    values = site.port()["values"]
    assert page.fact("Load") == f"{values['portLoad']:.1f} kW of 6.6 kW"
    assert page.fact("Limit in force") == "none"
    assert page.fact("Shed") == "none"
    assert page.fact("Battery") == f"{values['lastBatteryPercent']:.0f} %"
    assert page.fact("Last contact") == "just now"
    assert "kWh" in page.fact("Session")
    assert "Charging" in page.tile().text
    # Nobody is there: no session is a dash, and no load is 0.
    assert page.fact("Session", "1:34003") == "–"
    assert page.fact("Load", "1:34003").startswith("0.0 kW")
    state = site.get("/state")
    assert f"{state['site']['load']:.1f} kW" in page.text("#figures")
    assert "Pilot Unreachable" in page.text("#attention")
    page.view("alarms")
    eventually(lambda: "Pilot Unreachable" in page.text("#alarms"))
    page.view("sessions")
    eventually(lambda: len(page.all("#sessions tr")) == len(state["sessions"]["sessions"]))
    assert page.complaints() == []


def test_a_shed_is_asked_about_then_pending_then_in_force_then_cleared(logged_in, make_site):
    site = make_site(shed_delay_s=60).ready()
    page = logged_in(site)
    page.do("shed")
    assert page.is_asking
    assert "port 1" in page.text("#ask-title")
    page.press("Cancel")
    assert not page.is_asking
    assert site.sim.calls.count("shedLoad") == 0
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    eventually(lambda: page.fact("Shed") == "pending, to 3.0 kW")
    assert not page.is_asking
    assert page.fact("Limit in force") == "none"
    assert site.sim.world.commands[-1].arguments["timeInterval"] == 60
    site.pass_(61)
    eventually(lambda: page.fact("Shed") == "in force, to 3.0 kW")
    assert page.fact("Limit in force") == "3.0 kW"
    assert page.fact("Load") == "3.0 kW of 6.6 kW"
    eventually(lambda: "1 of 8" in page.text("#figures"))
    page.do("clear")
    page.press("Clear now")
    site.pass_(61)
    eventually(lambda: page.fact("Shed") == "released")
    assert page.complaints() == []


def test_what_is_not_known_at_the_first_start_is_unknown(window, make_site):
    account = {"username": "u", "password": "p", "endpoint": f"http://127.0.0.1:{free_port()}/"}
    site = make_site(config={"accounts": {"garage": account}})
    window.driver.delete_all_cookies()
    window.open(site.server.url)
    eventually(lambda: "[try_later]" in window.text("#notices"))
    figures = window.text("#figures")
    assert figures.splitlines()[1::3] == ["unknown"] * 5
    assert figures.count("stations of 1 account unknown") == 5
    assert window.text("#count") == "stations of 1 account unknown"
    assert "0.0 kW" not in window.text("main")
    window.view("alarms")
    eventually(lambda: window.text("#alarms") == window.text("#care") == "Unknown at present")
    window.view("sessions")
    eventually(lambda: "Not read: " in window.text("#sessions-say"))
    window.complaints()


def test_what_is_in_trouble_says_what_the_trouble_is(page, site):
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.sim.world.set_reachable("1:34003", False)
    site.pass_(600)
    eventually(lambda: "GFCI Trip" in page.text("#attention"))
    page.choose("#filter-trouble", "any trouble")
    shown = eventually(lambda: (tiles := page.all("#ports > li")) and len(tiles) < 8 and tiles)
    troubles = [tile.find_element("css selector", ".trouble").text for tile in shown]
    assert all(troubles)
    assert any(words.startswith("Alarm: GFCI Trip, since") for words in troubles)
    assert troubles.count("Needs maintenance: out of reach.") == 2
    assert page.text("#figures").startswith("Load\nat least ")


def test_a_shed_says_when_it_ends_and_what_it_costs(page, site):
    page.do("shed", number=2)
    page.fill("allowedLoad", "50")  # more than its rating
    page.fill("minutes", "30")
    assert "It is cleared after these minutes" in page.text("#ask")
    page.press("Shed now")
    eventually(lambda: "Warning: " in page.text("#said"))
    site.pass_(31)
    eventually(lambda: "ends at " in page.tile(number=2).text)
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    site.pass_(31)
    eventually(lambda: "measured reduction 3." in page.tile().text)


def test_a_shed_that_is_not_obeyed_is_trouble(page, site):
    """`violated` is shown as it is, red and in the list of troubles."""
    words = page.js(
        "const values = await import('/page/values.js');"
        "const port = {account: 'a', cpid: 'S', connectorId: 1, errors: {}, lastKnown: {},"
        " readAt: {}, station: {}, values: {shedStatus: 'violated'}};"
        "return values.troublesOf(port).map(({ words }) => words);"
    )
    assert words == ["Shed violated."]


def test_headroom_has_one_meaning(page, site):
    assert "no limit is commanded" in page.text("#figures")
    page.click("#groups [data-do=shed]")
    page.fill("allowedLoad", "20")
    page.press("Shed now")
    site.pass_(31)
    eventually(lambda: "in force, to 20.0 kW" in page.text("#groups"))
    (group,) = site.get("/state")["groups"]
    room = f"{group['values']['siteHeadroom']:.1f} kW"
    words = page.text("#groups").splitlines()
    assert words[words.index("Headroom") + 1] == room
    figures = page.text("#figures").splitlines()
    assert figures[figures.index("Headroom") + 1] == room


def test_a_percentage(page, site):
    page.do("shed", number=2)
    page.click(lambda: page.named("#ask [type=radio]", "part"))
    page.fill("percentShed", "50")
    page.fill("minutes", "15")
    page.press("Shed now")
    site.pass_(31)
    eventually(lambda: page.fact("Limit in force", number=2) == "50 % shed")
    assert site.sim.world.commands[-1].arguments["timeInterval"] == 15


def test_a_group_holds_its_ports(page, site):
    page.click("#groups [data-do=shed]")
    page.fill("allowedLoad", "20")
    page.press("Shed now")
    site.pass_(31)
    eventually(lambda: "in force, to 20.0 kW" in page.text("#groups"))
    page.do("shed")
    page.fill("allowedLoad", "1")
    page.press("Shed now")
    eventually(lambda: "station group" in page.text("#ask-fault"))
    assert page.is_asking
    page.complaints()


def test_an_alarm_is_cleared(page, site):
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.pass_(600)
    page.view("alarms")
    eventually(lambda: "GFCI Trip" in page.text("#alarms"))
    page.click(lambda: page.named("#alarms [data-do=clear-alarms]", "-002"))
    page.press("Clear alarms")
    eventually(lambda: "GFCI Trip" not in page.text("#alarms"))


def test_the_service_is_down(page, site):
    """The driver's words in the dialog; old values with their age, never as current."""
    load = page.fact("Load")
    site.sim.faults.set("*", "http", status=503)
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    eventually(lambda: "HTTP 503; nothing was changed" in page.text("#ask-fault"))
    assert page.one("#ask-fault").get_attribute("role") == "alert"
    page.keys(Keys.ESCAPE)
    assert not page.is_asking
    site.pass_(300)
    eventually(lambda: "Not current: as it was 5 min ago" in page.tile().text)
    assert page.fact("Load") == load
    assert "stale" in page.tile().find_element("tag name", "article").get_attribute("class")
    assert "Charging?" in page.tile().text
    eventually(lambda: "HTTP 503" in page.text("#notices"))
    eventually(lambda: page.text("#figures").count("8 ports unknown") == 4)
    assert "0 of" not in page.text("#figures")
    site.sim.faults.clear()
    site.pass_(300)
    eventually(lambda: "Not current" not in page.tile().text)
    eventually(lambda: page.text("#notices") == "")
    # The browser reports the failed command, and nothing else.
    assert all("api/v1/shed" in each for each in page.complaints())


def test_the_server_goes_away(page, site):
    site.server.stop()
    eventually(lambda: page.text("#live").startswith("Connection lost; what is shown is"))
    eventually(lambda: "Not current" in page.tile().text)
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    eventually(lambda: "The server cannot be reached" in page.text("#ask-fault"))
    page.complaints()


def test_nothing_that_stations_say_becomes_markup(logged_in, make_site):
    site = make_site()
    evil = "<img src=x onerror=document.title='owned'><b id=evil>"
    for station in site.sim.world.stations:
        station.name = evil
    site.sim.world.raise_alarm(STATION, evil[:40], 1)
    page = logged_in(site.ready())
    eventually(lambda: "<img" in page.tile().text)
    eventually(lambda: "<img" in page.text("#attention"))
    page.do("shed")
    assert "<img" in page.text("#ask-title")
    assert page.all("#evil") == []
    assert page.driver.title == "Chargers"
    assert page.complaints() == []


@pytest.mark.parametrize("width", [320, 768])
def test_a_phone_shows_all_without_scrolling_sideways(page, width):
    page.size(width, 640)
    eventually(lambda: page.js("return innerWidth") == width)
    page.js("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.do("shed")
    for selector in ("html", "#ask"):
        scroll, client = page.js(
            "const e = document.querySelector(arguments[0]); return [e.scrollWidth, e.clientWidth]",
            selector,
        )
        assert scroll <= client, selector
    wide = page.js(
        "return [...document.querySelectorAll('main *')]"
        ".filter((e) => !e.closest('.scroll, .menu, .plot')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    small = page.js(
        "return [...document.querySelectorAll('button')].filter((e) => e.offsetHeight"
        " && e.offsetHeight < 40).map((e) => e.textContent)"
    )
    assert small == []


def test_with_the_keyboard_alone(page, site):
    name = f"Shed {site.port()['name']} port 1"
    page.js("document.activeElement.blur()")
    page.keys(Keys.TAB)
    assert page.focused.accessible_name == "Skip to the chargers"
    page.tab_to(name)
    outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keys(Keys.ENTER)
    assert page.is_asking
    assert page.focused.accessible_name == "Limit in kW"
    page.keys("2.5", Keys.ENTER)
    eventually(lambda: not page.is_asking)
    assert page.focused.accessible_name == name
    (sent,) = site.sim.world.commands[-1].arguments["ports"]
    assert sent["allowedLoadPerPort"] == pytest.approx(2.5)
    page.keys(Keys.SPACE)
    assert page.is_asking
    # The focus stays within the dialog.
    for _ in range(12):
        page.keys(Keys.TAB)
        assert page.js(
            "return document.getElementById('ask').contains(document.activeElement)"
            " || document.activeElement === document.body"
        )
    page.keys(Keys.ESCAPE)
    assert page.focused.accessible_name == name


def test_the_focus_stays_while_values_change(page, site):
    name = f"Shed {site.port()['name']} port 1"
    page.tab_to(name)
    load = page.fact("Load")
    site.post("/shed", {"cpid": STATION, "connectorId": 1, "allowedLoad": 1})
    site.pass_(61)
    eventually(lambda: page.fact("Load") != load)
    assert page.focused.accessible_name == name


def test_finding_and_showing_some(page):
    page.one("#find").send_keys("1:34002")
    eventually(lambda: len(page.all("#ports > li")) == 2)
    assert page.text("#count") == "2 of 8 ports"
    page.press("Clear the filters")
    eventually(lambda: len(page.all("#ports > li")) == 8)
    page.choose("#filter-trouble", "Alarm: Pilot Unreachable (1)")
    eventually(lambda: len(page.all("#ports > li")) == 1)
    assert "trouble=alarm" in page.driver.current_url
    page.driver.refresh()
    page.wait_live()
    eventually(lambda: len(page.all("#ports > li")) == 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["page", "dialog", "fault", "table", "alarms", "sessions"])
def test_it_can_be_used_by_everybody(page, site, scheme, where):
    """axe finds nothing: names, roles, contrast, order."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    if where == "dialog":
        page.do("shed")
    if where == "fault":
        site.sim.faults.set("*", "http", status=503)
        site.pass_(300)
        eventually(lambda: "Not current" in page.tile().text)
        eventually(lambda: page.text("#notices"))
    if where == "table":
        page.choose("#show-as", "table")
        page.choose("#group-by", "station")
        page.click("#columns summary")
        eventually(lambda: page.all(".group-line"))
    if where in ("alarms", "sessions"):
        page.view(where)
        eventually(lambda: page.all(f"#{where}"))
    page.driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const end = arguments[arguments.length - 1]; axe.run().then(end);"
    )
    reported = [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found["violations"]
    ]
    assert reported == []
    assert len(found["passes"]) > 20
    background = page.js("return getComputedStyle(document.documentElement).backgroundColor")
    assert (background == "rgb(16, 22, 28)") is (scheme == "dark")


def test_who_wants_no_motion_sees_none(page):
    moving = "return getComputedStyle(document.querySelector('.meter i')).transitionDuration"
    page.prefer(prefers_reduced_motion="no-preference")
    assert page.js(moving) == "0.3s"
    page.prefer(prefers_reduced_motion="reduce")
    assert page.js(moving) == "0s"


def test_buttons_for_starting_are_where_they_work(page):
    """Chargers behind the web service cannot be started by it; what is not shed is not cleared."""
    assert {b.get_attribute("data-do") for b in page.all("#ports [data-do]")} == {"shed", "clear"}
    shown = [b.get_attribute("data-do") for b in page.all("#ports [data-do]") if b.is_displayed()]
    assert shown == ["shed"] * 8
