"""The document of the API in a browser, without anything from elsewhere."""

from __future__ import annotations

import pytest

from ...unit.web.conftest import STATION, eventually
from .browser import Page


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


def test_the_document_is_shown_and_a_request_is_tried_out(window, site):
    window.driver.delete_all_cookies()
    page = window.open(site.server.url).wait_live()
    page.complaints()
    page.driver.get(f"{site.server.url}docs")
    eventually(lambda: page.all("#operations-sheds-shed"))
    said = page.js("return document.body.innerText")
    assert "ChargePoint driver" in said
    assert "Shed now" in said
    page.click("#operations-service-health button.opblock-summary-control")
    page.click("#operations-service-health .try-out button")
    page.click("#operations-service-health .execute")
    answer = "return document.querySelector('#operations-service-health .live-responses-table')"
    eventually(lambda: '"good": true' in page.js(f"{answer}?.innerText ?? ''"))
    names = page.js("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert [name for name in names if not name.startswith(site.server.url)] == []
    # What the Content-Security-Policy refuses stands in the console.
    assert page.complaints() == []


def test_nobody_sees_it_without_a_key(window, site):
    window.driver.delete_all_cookies()
    window.driver.get(f"{site.server.url}docs")
    assert window.driver.current_url.endswith("/login")
    assert STATION not in window.text("body")
    window.complaints()
