"""The page's door: cookie, other pages, headers."""

from __future__ import annotations

import pytest
import requests

from chargepoint_driver.web import server as server_module

from .conftest import STATION, TOKEN


@pytest.fixture
def browser(site):
    """A browser that was logged in, without any window."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Origin"] = site.server.url.rstrip("/")
    yield session
    session.close()


def log_in(site, browser, token=TOKEN):
    return browser.post(
        f"{site.server.url}login", data={"token": token}, timeout=60, allow_redirects=False
    )


def shed(site, browser, **options):
    body = {"cpid": STATION, "connectorId": 1, "allowedLoad": 3}
    return browser.post(f"{site.server.url}api/v1/shed", json=body, timeout=60, **options)


def test_who_is_not_logged_in_is_shown_the_form(site, browser):
    answer = browser.get(site.server.url, timeout=60)
    assert answer.url.endswith("/login")
    assert 'name="token"' in answer.text
    assert shed(site, browser).status_code == 401
    for name in ("app.js", "index.html"):
        assert browser.get(f"{site.server.url}page/{name}", timeout=60).url.endswith("/login")


def test_the_cookie(site, browser):
    answer = log_in(site, browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert "Connecting" in browser.get(site.server.url, timeout=60).text
    assert shed(site, browser).status_code == 200


def test_a_wrong_token(site, browser):
    for token in ("", "not-this-one", TOKEN + "x"):
        answer = log_in(site, browser, token)
        assert answer.status_code == 401
        assert "That is not the token" in answer.text
        assert "Set-Cookie" not in answer.headers
        assert token == "" or token not in answer.text


def test_logging_out_ends_it_for_good(site, browser):
    log_in(site, browser)
    kept = dict(browser.cookies)
    browser.post(f"{site.server.url}logout", timeout=60)
    browser.cookies.update(kept)
    assert shed(site, browser).status_code == 401


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", "http://127.0.0.1"]
)
def test_another_page_can_do_nothing_with_the_cookie(site, browser, origin):
    log_in(site, browser)
    browser.headers["Origin"] = origin
    answer = shed(site, browser)
    assert answer.status_code == 403
    assert browser.post(f"{site.server.url}logout", timeout=60).status_code == 403
    assert log_in(site, browser).status_code == 403
    assert site.sim.world.commands == []


def test_a_wrong_key_is_not_helped_by_a_cookie(site, browser):
    log_in(site, browser)
    assert shed(site, browser, headers={"X-API-Key": "wrong"}).status_code == 401


def test_headers_of_every_answer(site, browser):
    log_in(site, browser)
    for path in ("", "login", "page/app.js", "api/v1/health", "api/v1/nothing", "page/nothing"):
        headers = browser.get(f"{site.server.url}{path}", timeout=60).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        # The page's own files are asked for again by their ETag; nothing else is kept at all.
        is_file = path == "page/app.js"
        assert headers["Cache-Control"] == ("no-cache" if is_file else "no-store")
        assert "Access-Control-Allow-Origin" not in headers


def test_only_the_pages_own_files_are_served(site, browser):
    log_in(site, browser)
    for name in ("..%2fserver.py", "%2e%2e/server.py", "nothing.js"):
        assert browser.get(f"{site.server.url}page/{name}", timeout=60).status_code == 404


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere():
    files = server_module.Files()
    for name, content in files._files.items():
        if name.startswith("vendor/"):  # comments name pages; see test_docs_in_a_browser
            assert name.startswith("vendor/swagger-ui/") or b"fetch(" not in content, name
            continue
        text = content.decode()
        assert "style=" not in text, name
        assert not any(f" on{event}=" in text for event in ("click", "load", "error", "submit"))
        assert "innerHTML" not in text
        assert "http://" not in text.replace("http://www.w3.org/", ""), name
        assert "https://" not in text, name


def test_files_are_sent_once_and_compressed(site, browser):
    log_in(site, browser)
    url = f"{site.server.url}page/app.js"
    first = browser.get(url, timeout=60, headers={"Accept-Encoding": "gzip"})
    assert first.headers["Content-Encoding"] == "gzip"
    again = browser.get(url, timeout=60, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = browser.get(url, timeout=60, headers={"Accept-Encoding": "identity"})
    assert plain.content == first.content
    assert "Content-Encoding" not in plain.headers


def test_the_language_of_the_browser_and_the_title_of_the_site(make_site):
    site = make_site(web={"title": "Depot <Nord>", "time_zone": "Europe/Berlin"})
    url = f"{site.server.url}login"
    german = site.session.get(
        url, headers={"Accept-Language": "de-DE", "X-API-Key": ""}, timeout=60
    )
    assert '<html lang="de">' in german.text
    assert "Anmelden" in german.text
    assert "Depot &lt;Nord&gt;" in german.text
    page = site.session.get(site.server.url, headers={"Cookie": "chargepoint_language=de"})
    assert '"timeZone": "Europe/Berlin"' in page.text
    assert "<Nord>" not in page.text.replace("\\u003c", "")
