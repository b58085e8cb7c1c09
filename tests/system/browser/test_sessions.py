"""Sessions with costs, and the report of a month, as a user reads them."""

from __future__ import annotations

from pathlib import Path

import axe_core_python
import pytest
from selenium.webdriver.common.keys import Keys

from ...unit.web.conftest import eventually
from ...unit.web.depot import Depot, add, at, october
from .browser import Page

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
OCTOBER = "since=2026-10-01&until=2026-10-30"


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


def fill(store):
    october(store)
    add(store, at("2026-11-09T07:00"), 120, connector=3)
    add(store, at("2026-11-09T09:00"), 60, None, connector=5)
    add(store, at("2026-11-09T10:00"), None, connector=6, tag="DORA")


@pytest.fixture(scope="module")
def centres(tmp_path_factory):
    path = tmp_path_factory.mktemp("centres") / "centres.csv"
    path.write_text("id_tag,cost_centre\nanna,4711 Sales\nBOB,4712 Workshop\n")
    return path


@pytest.fixture(scope="module")
def depot(tmp_path_factory, centres):
    made = Depot(
        tmp_path_factory.mktemp("depot"), fill, "2026-11-10T12:00", cost_centres=str(centres)
    )
    yield made
    made.close()


@pytest.fixture
def page(window, depot):
    """The page after the login; at the end the browser's console must be empty."""
    window.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    window.complaints()
    window.open(depot.server.url)
    eventually(lambda: window.text("#live") == "Connected")
    yield window
    assert window.complaints() == []
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    window.prefer()
    window.driver.get("about:blank")


def go(page, depot, query):
    page.driver.get(f"{depot.server.url}?{query}")
    eventually(lambda: page.text("#live") == "Connected")


def rows(page):
    return page.js(
        "return [...document.querySelectorAll('#sessions tr')].map((row) => "
        "[...row.children].map((cell) => cell.innerText.trim()))"
    )


def cell(page, name):
    return page.js(
        "return [...document.querySelectorAll('#sessions [data-cell=' + arguments[0] + ']')]"
        ".map((cell) => cell.innerText.trim())",
        name,
    )


def figure(page, name):
    return page.text(f"#sessions-sums [data-sum={name}]")


def test_the_last_days_with_what_is_not_known(page):
    page.view("sessions")
    eventually(lambda: len(rows(page)) == 3)
    assert cell(page, "tag") == ["DORA", "ANNA", "ANNA"]
    running, no_energy, unsplit = cell(page, "cost")
    assert running == "–"
    assert no_energy.splitlines() == ["unknown", "the energy is not known"]
    assert unsplit.splitlines() == ["unknown", "the energy cannot be split by time"]
    assert cell(page, "energy_of")[1:] == ["unknown", "10.0 kWh"]
    assert cell(page, "ended")[0] == "charging"
    eventually(lambda: figure(page, "sessions").splitlines() == ["3", "1 is charging"])
    assert figure(page, "energy").splitlines() == ["at least 10.0 kWh", "1 session unknown"]
    lines = figure(page, "cost").splitlines()
    assert lines[0] == "unknown"
    assert lines[1].startswith("2 sessions without cost (")


def test_a_long_history_comes_in_pages(page, depot):
    go(page, depot, f"view=sessions&{OCTOBER}")
    eventually(lambda: len(rows(page)) == 100)
    assert "the newest 100 sessions; there are more" in page.text("#sessions-say")
    # Sums are those of all.
    eventually(lambda: figure(page, "cost") == "EUR 1200.00")
    assert figure(page, "sessions") == "240"
    page.one("#sessions-more").send_keys(Keys.ENTER)
    eventually(lambda: len(rows(page)) == 200)
    page.click("#sessions-more")
    eventually(lambda: len(rows(page)) == 240)
    assert not page.one("#sessions-more").is_displayed()
    assert page.text("#sessions-say") == "240 sessions"
    begun = cell(page, "began")
    assert begun[0].startswith("Oct 30, 2026")
    assert begun[-1].startswith("Oct 1, 2026")
    assert cell(page, "cost")[0].splitlines() == ["EUR 5.00", "Staff: 10.00 kWh × 0.50 (day)"]


def test_filters_are_in_the_address(page, depot):
    go(page, depot, f"view=sessions&{OCTOBER}")
    page.choose("#sessions-station", "CP2")
    eventually(lambda: figure(page, "sessions") == "120")
    page.one("#sessions-tag").send_keys("bob")
    eventually(lambda: figure(page, "sessions") == "60")
    eventually(lambda: set(cell(page, "tag")) == {"BOB"})
    assert "station=depot%7ECP2" in page.driver.current_url
    assert "tag=bob" in page.driver.current_url
    page.driver.refresh()
    eventually(lambda: page.text("#live") == "Connected")
    eventually(lambda: len(rows(page)) == 60)
    assert page.one("#sessions-tag").get_attribute("value") == "bob"
    page.driver.back()
    eventually(lambda: figure(page, "sessions") == "120")
    page.press("Last month")
    eventually(lambda: "since=2026-10-01&until=2026-10-31" in page.driver.current_url)
    page.press("Today")
    eventually(lambda: page.text("#sessions-say") == "no session")


def test_the_file_has_all_pages(page, depot, tmp_path):
    go(page, depot, f"view=sessions&{OCTOBER}&tag=anna")
    eventually(lambda: figure(page, "sessions") == "90")
    name = "sessions-2026-11-10.csv"
    saved = page.saved(name, tmp_path, lambda: page.press("CSV"))
    eventually(lambda: page.text("#sessions-say") == "The file is saved.")
    assert len(saved) == 91
    first = dict(zip(saved[0], saved[1], strict=True))
    assert (first["id_tag"], first["cost"], first["currency"]) == ("ANNA", "5.00", "EUR")
    assert first["begin"].startswith("2026-10-30T")
    assert first["begin"].endswith("+01:00")
    # Before the clock was set back.
    assert saved[-1][saved[0].index("begin")].endswith("+02:00")


def test_the_report_of_a_month(page, depot, tmp_path):
    page.view("report")
    eventually(lambda: page.one("#report-month").get_attribute("value") == "2026-10")
    table = (
        "return [...document.querySelectorAll('#' + arguments[0] + ' tr')].map((row) => "
        "[...row.children].map((cell) => cell.innerText.trim()))"
    )
    eventually(lambda: len(page.js(table, "report-centres")) == 3)
    assert page.js(table, "report-centres") == [
        ["4711 Sales", "90", "900 kWh", "178.5 h", "EUR 450.00"],
        ["4712 Workshop", "90", "900 kWh", "178.5 h", "EUR 450.00"],
        ["not assigned", "60", "600 kWh", "119.0 h", "EUR 300.00"],
    ]
    assert page.js(table, "report-tags")[2][:3] == ["not assigned", "carol", "60"]
    assert page.text("#report-sums [data-sum=cost]") == "EUR 1200.00"
    assert "Europe/Berlin" in page.text("#report-say")
    saved = page.saved("report-2026-10.csv", tmp_path, lambda: page.click("#report-csv"))
    assert saved[-1][2:5] == ["total", "240", "2400"]
    by_tag = page.saved(
        "report-2026-10-id-tags.csv", tmp_path, lambda: page.click("#report-csv-tags")
    )
    assert [line[3] for line in by_tag] == ["id_tag", "ANNA", "BOB", "carol", ""]
    page.choose("#report-month", "November 2026")
    eventually(lambda: page.text("#report-sums [data-sum=sessions]") == "2")
    assert "month=2026-11" in page.driver.current_url


def test_a_fault_in_the_file_of_cost_centres_is_shown(page, depot, centres):
    before = centres.read_text()
    centres.write_text("id_tag,cost_centre\nanna,\n")
    try:
        page.view("report")
        eventually(lambda: "line 2: idTag 'anna' has no cost centre" in page.text("#report-say"))
        assert page.text("#report-sums [data-sum=cost]").startswith("unknown")
        page.complaints()
    finally:
        centres.write_text(before)


def test_a_viewer_sees_costs_and_no_id_tags(window, tmp_path, monkeypatch):
    key = "key-of-the-lobby-of-these-tests"
    monkeypatch.setenv("KEY_lobby", key)
    keys = {"lobby": {"role": "viewer", "key_env": "KEY_lobby"}}
    depot = Depot(tmp_path, october, "2026-11-10T12:00", web={"keys": keys})
    try:
        window.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        window.open(depot.server.url, key)
        eventually(lambda: window.text("#live") == "Connected")
        go(window, depot, f"view=sessions&{OCTOBER}&tag=anna")
        eventually(lambda: len(rows(window)) == 100)
        # A tag of the address is not asked for.
        eventually(lambda: figure(window, "cost") == "EUR 1200.00")
        assert cell(window, "tag") == window.all("#sessions-tag") == []
        assert window.all("#views [data-view=report]") == []
        assert window.complaints() == []
        window.driver.get("about:blank")
    finally:
        depot.close()


def test_german_and_print(page, depot):
    go(page, depot, f"view=sessions&{OCTOBER}&station=depot~CP1")
    page.choose("#language", "Deutsch")
    eventually(lambda: page.text("#live") == "Verbunden")
    eventually(lambda: figure(page, "cost") == "600,00 EUR")
    assert page.text("#sessions-title") == "Ladevorgänge"
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert page.text("#sessions-range") == "01.10.2026 bis 30.10.2026"
    assert not page.one("#sessions-csv").is_displayed()
    assert page.one("#sessions-sums").is_displayed()
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", [320, 1440])
@pytest.mark.parametrize("view", ["sessions&since=2026-11-01", "report"])
def test_they_can_be_used_by_everybody(page, depot, width, view):
    page.size(width, 900)
    page.prefer(prefers_reduced_motion="reduce")
    go(page, depot, f"view={view}")
    eventually(lambda: page.all("#sessions tr, #report-centres tr"))
    for scheme in ("light", "dark"):
        page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        page.js(AXE.read_text(encoding="utf-8"))
        found = page.driver.execute_async_script(
            "const end = arguments[arguments.length - 1]; axe.run().then(end);"
        )
        reported = [
            (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
            for each in found["violations"]
        ]
        assert reported == []
    assert page.js("return document.documentElement.scrollWidth") <= width
