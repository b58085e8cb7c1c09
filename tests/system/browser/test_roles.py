"""What the page offers to each role."""

from __future__ import annotations

import pytest

from ...unit.web.conftest import STATION, eventually
from .browser import Page

KEYS = {
    "lobby": ("viewer", "key-of-the-lobby-of-these-tests"),
    "dispatch": ("operator", "key-of-dispatch-of-these-tests"),
}


@pytest.fixture(scope="module")
def window(chromium):
    page = Page(chromium)
    yield page
    page.close()


@pytest.fixture
def site(make_site, monkeypatch):
    """A site with a key for a viewer and one for an operator."""
    for name, (_, secret) in KEYS.items():
        monkeypatch.setenv(f"KEY_{name}", secret)
    keys = {name: {"role": role, "key_env": f"KEY_{name}"} for name, (role, _) in KEYS.items()}
    return make_site(web={"keys": keys}).ready()


@pytest.fixture
def log_in(window, site):
    """Logs in with the key of a name; at the end the browser's console must be empty."""
    window.driver.delete_all_cookies()
    window.complaints()

    def log_in(name):
        return window.open(site.server.url, KEYS[name][1]).wait_live()

    yield log_in
    assert window.complaints() == []
    window.driver.get("about:blank")


def visible(page, selector):
    return [each for each in page.all(selector) if each.is_displayed()]


def test_a_viewer_has_no_commands_and_is_told_why(log_in, site):
    page = log_in("lobby")
    assert page.text("#user") == "lobby, viewer"
    assert visible(page, "[data-do]") == []
    page.view("alarms")
    eventually(lambda: "Pilot Unreachable" in page.text("#alarms"))
    assert visible(page, "[data-do]") == []
    page.driver.get(f"{site.server.url}?port=garage~{STATION}~1")
    page.wait_live()
    eventually(lambda: "Commands need the role operator" in page.text("#panel-refused"))
    assert visible(page, "[data-do]") == []
    page.driver.get(f"{site.server.url}?as=table")
    page.wait_live()
    eventually(lambda: "Enter sorts" in page.text("#grid-keys"))
    assert "S sheds" not in page.text("#grid-keys")
    page.one("#table [role=grid], #table table").click()
    page.keys("s")
    assert not page.is_asking
    assert site.sim.calls.count("shedLoad") == 0


def test_an_operator_has_commands(log_in, site):
    page = log_in("dispatch")
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.button("Shed now").click()
    eventually(lambda: not page.is_asking)
    assert site.sim.calls.count("shedLoad") == 1
    page.driver.get(f"{site.server.url}?port=garage~{STATION}~1")
    page.wait_live()
    eventually(lambda: visible(page, "#panel [data-do=shed]"))
    assert visible(page, "#panel-refused") == []
