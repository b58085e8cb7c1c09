"""What people click stays in its place, and nothing lies over it."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from ...unit.web.conftest import eventually
from .browser import Page

TITLES = {
    "alarms": "alarms-title",
    "sessions": "sessions-title",
    "schedules": "schedule-title",
    "report": "report-title",
    "audit": "audit-title",
    "overview": "site-title",
}
PLACES = """
const header = document.querySelector('header').getBoundingClientRect();
const title = document.querySelector('#view h2').getBoundingClientRect();
return [header.height, title.top - header.bottom];
"""


@pytest.fixture
def page(chromium, site):
    page = Page(chromium)
    page.driver.set_window_size(1280, 700)
    yield page.open(site.server.url).wait_live()
    page.close()


def test_each_view_begins_at_its_top_below_a_header_that_stays_the_same(page):
    before = page.js(PLACES)
    assert before[1] > 0
    for view, title in TITLES.items():
        page.view("overview")
        page.one("#site-title")
        page.js("scrollTo(0, 300)")
        page.view(view)
        page.one(f"#{title}")
        assert page.js(PLACES) == before, view


def test_the_skip_link_leads_below_the_header(page):
    before = page.js(PLACES)
    page.js("scrollTo(0, 1e6); document.querySelector('.skip').focus()")
    page.keys(Keys.ENTER)
    eventually(lambda: page.driver.current_url.endswith("#main"))
    height, distance = page.js(PLACES)
    assert height == before[0]
    assert distance > 0


def test_a_message_moves_nothing_and_can_be_closed(page):
    place = "return document.getElementById('site-title').getBoundingClientRect().top + scrollY"
    before = page.js(place)
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    eventually(lambda: page.text("#said"))
    assert page.js(place) == before
    # What lies below it can be reached: it scrolls into the room above.
    page.js("scrollTo(0, 1e6); document.querySelector('#ports > li:last-child button').focus()")
    page.click("#ports > li:last-child [data-do=shed]")
    page.keys(Keys.ESCAPE)
    page.click("#said-close")
    assert page.visible("#said") == []
