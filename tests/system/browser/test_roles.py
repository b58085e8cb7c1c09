"""What the page offers to each role."""

from __future__ import annotations

import json
from pathlib import Path

import axe_core_python
import pytest

from ...unit.web.conftest import STATION, eventually
from .browser import Page

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
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


def lines(page):
    """The rows of the audit log, read in one moment: they come and go."""
    return page.js("return [...document.querySelectorAll('#audit tr')].map((row) => row.innerText)")


def test_a_viewer_has_no_commands_and_is_told_why(log_in, site):
    page = log_in("lobby")
    assert page.text("#user") == "lobby, viewer"
    assert page.visible("[data-do]") == []
    page.view("alarms")
    eventually(lambda: "Pilot Unreachable" in page.text("#alarms"))
    assert page.visible("[data-do]") == []
    page.driver.get(f"{site.server.url}?port=garage~{STATION}~1")
    page.wait_live()
    eventually(lambda: "Commands need the role operator" in page.text("#panel-refused"))
    assert page.visible("[data-do]") == []
    page.driver.get(f"{site.server.url}?as=table")
    page.wait_live()
    eventually(lambda: "Enter sorts" in page.text("#grid-keys"))
    assert "S sheds" not in page.text("#grid-keys")
    page.click("#table [role=grid], #table table")
    page.keys("s")
    assert not page.is_asking
    assert site.sim.calls.count("shedLoad") == 0


def test_an_operator_has_commands(log_in, site):
    page = log_in("dispatch")
    page.do("shed")
    page.fill("allowedLoad", "3")
    page.press("Shed now")
    eventually(lambda: not page.is_asking)
    assert site.sim.calls.count("shedLoad") == 1
    page.driver.get(f"{site.server.url}?port=garage~{STATION}~1")
    page.wait_live()
    eventually(lambda: page.visible("#panel [data-do=shed]"))
    assert page.visible("#panel-refused") == []


def test_the_audit_log_is_filtered_and_saved(window, site, tmp_path):
    """An administrator finds what an operator did and what a viewer tried."""
    place = {"cpid": STATION, "connectorId": 1}
    for name, status in (("dispatch", 200), ("lobby", 403)):
        headers = {"X-API-Key": KEYS[name][1]}
        site.post("/shed", {**place, "allowedLoad": 3}, status, headers=headers)
    window.driver.delete_all_cookies()
    page = window.open(site.server.url).wait_live().view("audit")
    own, refused, shed = eventually(lambda: len(found := lines(page)) == 3 and found)
    assert "token (administrator)" in own
    assert "log in" in own
    assert "lobby (viewer)" in refused
    assert "[not_permitted]" in refused
    assert "allowedLoad 3" in shed
    assert f"{site.port()['name']} port 1" in shed
    page.choose("#audit-result", "refused")
    eventually(lambda: lines(page) == [refused])
    assert "aresult=failed" in page.driver.current_url
    page.choose("#audit-result", "all")
    page.one("#audit-by").send_keys("dispatch")
    eventually(lambda: lines(page) == [shed])
    rows = page.saved("audit.csv", tmp_path, lambda: page.click("#audit-csv"))
    assert [row[rows[0].index("by")] for row in rows] == ["by", "dispatch"]
    file = tmp_path / "audit.json"
    page.click("#audit-json")
    eventually(lambda: file.exists() and json.loads(file.read_text(encoding="utf-8")))
    (entry,) = json.loads(file.read_text(encoding="utf-8"))
    assert (entry["by"], entry["command"], entry["result"]) == ("dispatch", "shed", "done")
    assert page.complaints() == []


def test_roles_without_the_audit_log_have_no_such_view(log_in, site):
    page = log_in("dispatch")
    assert page.all("#views [data-view=audit]") == []
    page.driver.get(f"{site.server.url}?view=audit")
    page.wait_live()
    assert page.all("#audit") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(window, site, width, scheme):
    window.driver.delete_all_cookies()
    window.size(width, 900)
    window.prefer(prefers_color_scheme=scheme)
    page = window.open(site.server.url).wait_live().view("audit")
    eventually(lambda: page.all("#audit tr"))
    page.js(AXE.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert page.js("return document.documentElement.scrollWidth") <= width
    window.prefer()
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
