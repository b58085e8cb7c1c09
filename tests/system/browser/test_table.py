"""The table, the panel of a port, alarms and files in Chromium, as people use them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import axe_core_python
import pytest
from selenium.webdriver.common.keys import Keys

from ...unit.web.conftest import STATION, eventually
from .browser import Page

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
PLACE, STATUS, LOAD = 0, 1, 2


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


@pytest.fixture
def open_page(window):
    """Opens the page of a site at an address; the console must stay empty."""
    window.complaints()
    window.driver.delete_all_cookies()

    def open_(site, query=""):
        window.open(site.server.url).wait_live()
        if query:
            window.driver.get(f"{site.server.url}{query}")
            window.wait_live()
        return window

    yield open_
    window.driver.get("about:blank")
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    window.prefer()


@pytest.fixture
def many(make_site):
    """Sixty stations with two ports each."""
    return make_site(stations=60).ready()


def head(page, name):
    return page.one(f"#table [data-sort={name}]")


def loads(page):
    return [float(words.split()[0]) for words in page.cells(LOAD)]


def test_many_ports_are_a_table_of_which_the_screen_exists(open_page, many):
    page = open_page(many)
    assert page.one("#table").is_displayed()
    assert page.one("#table .grid").get_attribute("aria-rowcount") == "121"
    rows = page.all("#table tbody tr")
    assert 10 < len(rows) < 60
    page.js("document.querySelector('.grid-box').scrollTop = 1e6")
    eventually(lambda: page.all("#table [data-line='120']"))
    assert len(page.all("#table tbody tr")) < 60
    width = page.js("return document.querySelector('.grid-box').scrollWidth")
    assert width < 1_600  # all columns, and no empty space to scroll through
    assert page.complaints() == []


def test_a_click_on_a_column_sorts_and_the_address_says_so(open_page, many):
    page = open_page(many)
    page.click("#table [data-sort=load]")
    eventually(lambda: head(page, "load").get_attribute("aria-sort") == "ascending")
    assert loads(page) == sorted(loads(page))
    page.click("#table [data-sort=load]")
    eventually(lambda: head(page, "load").get_attribute("aria-sort") == "descending")
    assert loads(page) == sorted(loads(page), reverse=True)
    assert "sort=-load" in page.driver.current_url
    page.driver.refresh()
    page.wait_live()
    assert loads(page) == sorted(loads(page), reverse=True)


def test_filters_name_their_choices_with_the_number_of_ports(open_page, many):
    page = open_page(many)
    statuses = [port["values"]["Status"] for port in many.get("/status")["connectors"]]
    free = statuses.count("AVAILABLE")
    page.choose("#filter-status", f"Available ({free})")
    eventually(lambda: page.text("#count") == f"{free} of 120 ports")
    assert set(page.cells(STATUS)) == {"Available"}
    page.one("#find").send_keys("nowhere")
    eventually(lambda: page.text("#count") == "0 of 120 ports")
    page.click("#filter-clear")
    eventually(lambda: page.text("#count") == "120 ports")
    assert "status=" not in page.driver.current_url


def test_a_group_is_shed_from_the_table(open_page, make_site):
    site = make_site(stations=20, groups=2).ready()
    page = open_page(site, "?by=group&as=table")
    eventually(lambda: "20 ports" in page.text("#table .group-line"))
    page.click("#table .group-line [data-do=shed]")
    words = page.text("#ask-facts").splitlines()
    assert words[words.index("Ports that it limits") + 1] == "20"
    page.press("1.4 kW each: 28.0 kW")
    assert page.one("#ask [name=allowedLoad]").get_attribute("value") == "28"
    page.press("Shed now")
    eventually(lambda: not page.is_asking)
    (group,) = (g for g in site.get("/state")["groups"] if g["values"].get("commandedLoad"))
    assert group["values"]["commandedLoad"] == 28
    assert group["name"] in page.text("#table .group-line")


def test_the_dialog_warns_before_anything_is_sent(open_page, make_site):
    site = make_site().ready()
    page = open_page(site)
    page.do("shed")
    words = page.text("#ask-facts").splitlines()
    load = f"{site.port()['values']['portLoad']:.1f} kW"
    assert words[words.index("Load now") + 1] == load
    assert words[words.index("Rating") + 1] == "6.6 kW"
    page.fill("allowedLoad", "50")
    eventually(lambda: "not below the rating" in page.text("#ask-warnings"))
    page.fill("allowedLoad", "0.5")
    eventually(lambda: "less than 6 A" in page.text("#ask-warnings"))
    page.fill("minutes", "0")
    eventually(lambda: "no end" in page.text("#ask-warnings"))
    page.press("50 %")
    assert page.one("#ask [name=percentShed]").get_attribute("value") == "50"
    assert site.sim.calls.count("shedLoad") == 0


def test_the_table_with_the_keyboard_alone(open_page, many):
    page = open_page(many)
    page.js("document.querySelector('.grid').focus()")
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    eventually(lambda: "sort=load" in page.driver.current_url)
    page.keys(Keys.END, Keys.HOME, Keys.ARROW_DOWN)
    # Rows are made again while they scroll: for a moment none is active.
    active = "return document.querySelector('.active')?.parentElement.dataset.line"
    eventually(lambda: page.js(active) == "1")
    page.keys(Keys.PAGE_DOWN)
    eventually(lambda: int(page.js(active) or 0) > 5)
    webdriver_keys(page, Keys.CONTROL, Keys.END)
    eventually(lambda: page.js(active) == "120")
    cell = page.js("return document.querySelector('.grid').getAttribute('aria-activedescendant')")
    eventually(lambda: page.js("return document.getElementById(arguments[0]) !== null", cell))
    page.keys("s")
    eventually(lambda: page.is_asking)
    page.keys(Keys.ESCAPE)
    eventually(lambda: not page.is_asking)
    page.keys(Keys.ENTER)
    eventually(lambda: page.focused.get_attribute("id") == "panel-title")
    page.keys(Keys.ESCAPE)
    eventually(lambda: not page.one("#panel").is_displayed())
    eventually(lambda: page.js("return document.activeElement.classList.contains('grid')"))
    eventually(lambda: page.js(active) == "120")


def webdriver_keys(page, modifier, key):
    from selenium import webdriver  # noqa: PLC0415 - only here

    chain = webdriver.ActionChains(page.driver)
    chain.key_down(modifier).send_keys(key).key_up(modifier).perform()


def test_columns_are_chosen_pinned_and_in_the_address(open_page, many):
    page = open_page(many)
    page.click("#columns summary")
    page.click("#columns [data-key=cpid] [data-kind=pinned]")
    eventually(lambda: len(page.all("#table thead .pinned")) == 2)
    assert "pinned=place.cpid" in page.driver.current_url
    page.click("#columns [data-key=session] [data-kind=shown]")
    eventually(lambda: not page.all("#table [data-sort=session]"))
    edge = "return document.querySelector('#table tbody .pinned')?.getBoundingClientRect().left"
    eventually(lambda: page.js(edge) is not None)
    left = page.js(edge)
    page.js("document.querySelector('.grid-box').scrollLeft = 200")
    eventually(lambda: page.js(edge) == left)


def test_folding_groups(open_page, many):
    page = open_page(many, "?by=station")
    eventually(lambda: page.one("#table .group-line th").get_attribute("aria-expanded") == "true")
    count = page.one("#table .grid").get_attribute("aria-rowcount")
    assert count == "181"
    page.click("#table .group-line .group-words")
    eventually(lambda: page.one("#table .grid").get_attribute("aria-rowcount") == "179")


def test_what_is_shown_is_saved_as_csv(open_page, many, tmp_path):
    page = open_page(many, "?find=1:3400&sort=place")
    shown = page.text("#count").split()[0]
    rows = page.saved("ports.csv", tmp_path, lambda: page.click("#ports-csv"))
    assert len(rows) == int(shown) + 1
    assert rows[0][:3] == ["Port", "Status", "Load [kW]"]
    port = many.port()
    (mine,) = (row for row in rows if row[0] == f"{port['name']} port 1")
    assert float(mine[2]) == port["values"]["portLoad"]


def test_the_chart_is_saved_as_csv_with_what_is_seen(open_page, make_site, tmp_path):
    site = make_site().ready()
    for _ in range(4):
        site.pass_(61)
        seen = site.wall.now_s
        eventually(lambda seen=seen: any(s[1] >= seen - 1 for s in site.get("/series")["samples"]))
    page = open_page(site)
    eventually(lambda: int(page.one("figure.chart").get_attribute("data-samples") or 0) > 0)
    assert page.one(".plot canvas").is_displayed()
    rows = page.saved("load.csv", tmp_path, lambda: page.click("figure [data-chart=csv]"))
    # Equal samples for minutes are one sample.
    samples = site.get("/series")["samples"]
    assert float(rows[1][2]) == samples[0][2]
    assert datetime.fromisoformat(rows[1][0]).timestamp() == pytest.approx(samples[0][0], abs=1)
    assert rows[0][2] == "Load [kW]"


def test_an_alarm_is_acknowledged_with_a_note(open_page, make_site):
    site = make_site().ready()
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.pass_(600)
    page = open_page(site)
    eventually(lambda: "GFCI Trip" in page.text("#attention"))
    page.view("alarms")
    page.click(lambda: page.named("#alarms [data-do=acknowledge]", "GFCI Trip"))
    page.fill("note", "Electrician comes on Monday")
    page.press("Acknowledge")
    eventually(lambda: "Electrician comes on Monday" in page.text("#alarms"))
    (alarm,) = (a for a in site.get("/state")["alarms"] if a["alarmType"] == "GFCI Trip")
    assert (alarm["note"], bool(alarm["acknowledged"])) == ("Electrician comes on Monday", True)
    assert alarm["firstSeen"]
    eventually(lambda: "Electrician comes on Monday" in page.text("#incidents"))
    page.view("overview")
    eventually(lambda: "Pilot Unreachable" in page.text("#attention"))
    assert "GFCI Trip" not in page.text("#attention")
    tile = page.tile("1:34002", 1)
    eventually(lambda: "Acknowledged. Electrician" in page.tile("1:34002", 1).text)
    assert tile.is_displayed()


def test_clearing_alarms_asks_first(open_page, make_site):
    site = make_site().ready()
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.pass_(600)
    page = open_page(site, "?port=garage~1:34002~1&tab=alarms")
    page.click("#panel > .buttons [data-do=clear-alarms]")
    assert page.is_asking
    assert site.sim.calls.count("clearAlarms") == 0
    page.press("Clear alarms")
    eventually(lambda: "No alarm, no maintenance" in page.text("#port-alarms"))


def test_the_panel_of_a_port(open_page, make_site):
    site = make_site().ready()
    page = open_page(site)
    page.click(lambda: page.tile().find_element("css selector", "button.link"))
    eventually(lambda: page.focused.get_attribute("id") == "panel-title")
    assert "port=garage~1:34001~1" in unquote(page.driver.current_url)
    eventually(lambda: f"{site.port()['values']['portLoad']:.1f} kW" in page.text("#tab-content"))
    page.click("#tab-sessions")
    eventually(lambda: page.all("#port-sessions tr"))
    page.click("#port-sessions button")
    eventually(lambda: page.all("#session-chart .plot"))
    page.click("#tab-alarms")
    eventually(lambda: "No alarm, no maintenance" in page.text("#port-alarms"))
    page.click("#tab-charger")
    eventually(lambda: "Example Street" in page.text("#charger-facts"))
    page.one("#facts-find").send_keys("postal")
    eventually(lambda: "Example Street" not in page.text("#charger-facts"))
    assert not page.all("#tab-messages")
    page.driver.back()
    eventually(lambda: not page.one("#panel").is_displayed())
    assert page.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["load", "sessions", "alarms", "charger"])
def test_the_panel_can_be_used_by_everybody(open_page, site, tab, scheme):
    page = open_page(site, f"?port=garage~{STATION}~1&tab={tab}")
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    eventually(lambda: page.all("#tab-content > *"))
    assert axe(page) == []


def axe(page):
    """What axe finds wrong."""
    page.driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const end = arguments[arguments.length - 1]; axe.run().then(end);"
    )
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found["violations"]
    ]


@pytest.mark.parametrize("width", [320, 2560])
def test_every_view_can_be_used_by_everybody_on_small_and_large_screens(open_page, many, width):
    page = open_page(many)
    page.size(width, 900)
    page.prefer(prefers_reduced_motion="reduce")
    for query in ("", "?by=group", "?as=tiles", "?view=alarms", "?view=sessions"):
        page.driver.get(f"{many.server.url}{query}")
        eventually(lambda: page.text("#live") == "Connected")
        eventually(lambda: page.all("#view section"))
        for scheme in ("light", "dark"):
            page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            assert axe(page) == [], (query, scheme)
        assert page.js("return document.documentElement.scrollWidth") <= width, query


def test_german(open_page, make_site):
    site = make_site(web={"title": "Depot Nord", "time_zone": "Europe/Berlin"}).ready()
    page = open_page(site)
    page.choose("#language", "Deutsch")
    eventually(lambda: page.text("#live") == "Verbunden")
    page.wait_live()
    assert page.js("return document.documentElement.lang") == "de"
    assert page.driver.title == page.text("h1") == "Depot Nord"
    load = f"{site.get('/state')['site']['load']:.1f} kW".replace(".", ",")
    assert load in page.text("#figures")
    page.do("shed")
    assert "begrenzen?" in page.text("#ask-title")
    page.keys(Keys.ESCAPE)
    page.choose("#language", "English")
    eventually(lambda: page.text("#live") == "Connected")


def test_all_rows_are_printed(open_page, many):
    page = open_page(many)
    page.js("dispatchEvent(new Event('beforeprint'))")
    eventually(lambda: len(page.all("#table tbody tr")) == 120)
    page.js("dispatchEvent(new Event('afterprint'))")
    eventually(lambda: len(page.all("#table tbody tr")) < 60)


@pytest.mark.parametrize("width", [320, 2560])
def test_the_table_fits_the_screen(open_page, many, width):
    page = open_page(many)
    page.size(width, 800)
    eventually(lambda: page.js("return innerWidth") == width)
    wide = page.js("return document.documentElement.scrollWidth")
    assert wide <= width
