"""Keys, roles and the users of a reverse proxy."""

from __future__ import annotations

import http.client
import json

import pytest
import requests
from aiohttp import web

from chargepoint_driver.config import WebConfig
from chargepoint_driver.config.web_keys import ROLES, make_key, write_key_file
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.web import Settings, WebServer
from chargepoint_driver.web.access.access import Keys, is_loopback
from chargepoint_driver.web.api.route import BASE
from chargepoint_driver.web.api.routes import ROUTES

from ..conftest import STATION, TOKEN, eventually

PLACE = {"cpid": STATION, "connectorId": 1}
SECRETS = {role: f"key-of-the-{role}-of-these-tests" for role in ROLES}
PROXY = {
    "user_header": "X-Forwarded-Email",
    "groups_header": "X-Forwarded-Groups",
    "roles": {"viewers": "viewer", "operators": "operator"},
}


@pytest.fixture
def keys(monkeypatch):
    """The section `keys` with a key of each role."""
    for role, secret in SECRETS.items():
        monkeypatch.setenv(f"KEY_OF_{role.upper()}", secret)
    return {f"the {role}": {"role": role, "key_env": f"KEY_OF_{role.upper()}"} for role in SECRETS}


@pytest.fixture
def site_with_keys(make_site, keys):
    return make_site(web={"keys": keys}).ready()


def as_role(role):
    return {"headers": {"X-API-Key": SECRETS[role]}}


@pytest.mark.parametrize("role", ROLES)
def test_each_route_takes_its_role_and_those_above(site_with_keys, role):
    site = site_with_keys
    del site.session.headers["X-API-Key"]
    for route in ROUTES:
        if route.name == "events":
            continue
        url = f"{site.server.url.rstrip('/')}{route.base}{route.path}"
        answer = site.session.request(route.method, url, timeout=60, **as_role(role))
        may = ROLES.index(role) >= ROLES.index(route.least)
        assert (answer.status_code == 403) is not may, (route, answer.text)
        if not may:
            error = answer.json()["error"]
            assert (error["code"], error["role"]) == ("not_permitted", route.least)
            assert f"the {role} has the role {role}" in error["message"]
    assert site.sim.world.commands == []


def test_what_changes_something_is_for_operators_at_least():
    for route in ROUTES:
        if route.method != "GET":
            assert route.least in ("operator", "administrator"), route
    assert {route.least for route in ROUTES if route.name == "call"} == {"administrator"}


def test_the_token_is_an_administrators(site_with_keys):
    site_with_keys.post("/call", {"cpid": STATION, "action": "Heartbeat"}, 409)
    assert '"role": "administrator"' in site_with_keys.session.get(site_with_keys.server.url).text


def test_the_name_of_the_key_is_the_writer(make_site, keys):
    site = make_site(web={"keys": keys}, shed_delay_s=0).ready()
    site.post("/shed", {**PLACE, "allowedLoad": 3}, **as_role("operator"))
    reason = eventually(lambda: site.port()["values"].get("shedReason"))
    assert "the operator (web)" in reason


def test_a_key_that_has_expired(make_site, monkeypatch):
    monkeypatch.setenv("KEY", SECRETS["viewer"])
    day = "2100-01-01"
    site = make_site(web={"keys": {"lobby": {"role": "viewer", "key_env": "KEY", "expires": day}}})
    browser = requests.Session()
    browser.trust_env = False
    browser.headers["Origin"] = site.server.url.rstrip("/")
    try:
        assert site.get("/health", **as_role("viewer"))
        url = f"{site.server.url}login"
        browser.post(url, data={"token": SECRETS["viewer"]}, timeout=60)
        assert '"user": "lobby"' in browser.get(site.server.url, timeout=60).text
        site.wall.now_s = 4_102_531_200.0  # the end of that day
        message = site.get("/health", 401, **as_role("viewer"))["error"]["message"]
        assert "lobby expired (2100-01-01)" in message
        assert browser.get(site.server.url, timeout=60).url == url
        answer = browser.post(url, data={"token": SECRETS["viewer"]}, timeout=60)
        assert (answer.status_code, "has expired" in answer.text) == (401, True)
        # Who has no key learns nothing of keys.
        message = site.get("/health", 401, headers={"X-API-Key": "another"})["error"]["message"]
        assert message == "no key, or a wrong one"
    finally:
        browser.close()


def test_keys_of_a_file_begin_and_end_while_it_runs(tmp_path):
    path, now = tmp_path / "keys.json", [0.0]
    lobby = make_key("lobby", "viewer", None, SECRETS["viewer"])
    write_key_file(path, [lobby])
    keys = Keys(WebConfig(keys_file=path), TOKEN, clock=lambda: now[0])

    def who(role):
        now[0] += 2
        return keys.caller(keys.find(SECRETS[role]))

    assert (who("viewer").name, who("operator")) == ("lobby", None)
    write_key_file(path, [lobby, make_key("depot", "operator", None, SECRETS["operator"])])
    assert (who("operator").name, who("operator").role) == ("depot", "operator")
    write_key_file(path, [make_key("lobby", "operator", None, SECRETS["viewer"])])
    assert (who("viewer").role, who("operator")) == ("operator", None)
    assert keys.caller(lobby) is None  # another role: browsers log in again
    path.write_text("{", encoding="utf-8")
    assert who("viewer") is None
    path.unlink()
    assert who("viewer") is None
    assert keys.caller(keys.find(TOKEN)).role == "administrator"
    write_key_file(path, [lobby])
    assert who("viewer").name == "lobby"


def test_the_file_of_keys_has_no_key_and_is_for_its_owner(tmp_path):
    path = tmp_path / "keys.json"
    write_key_file(path, [make_key("lobby", "viewer", None, SECRETS["viewer"])])
    assert SECRETS["viewer"] not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ({"keys": {"a": {"role": "viewer"}}}, "give exactly one of key_env and key_file"),
        ({"keys": {"a": {"role": "boss", "key_env": "A"}}}, "keys.a.role"),
        ({"keys": {"a": {"role": "viewer", "key_env": "NO_SUCH"}}}, "'NO_SUCH' is not set"),
        ({"keys": {"a": {"role": "viewer", "key_env": "SHORT"}}}, "shorter than 16"),
        ({"keys": {"token": {"role": "viewer", "key_env": "A"}}}, "is the name of the token"),
        ({"keys": {"a": {"role": "viewer", "key_env": "A", "expires": "soon"}}}, "write 2027-01"),
        ({"keys": {"a": {"role": "viewer", "key_env": "A", "expire": "x"}}}, "mean 'expires'"),
        ({"keys_file": "/nowhere/keys.json"}, "cannot be read"),
        ({"keys_file": __file__}, "is not JSON"),
        ({"proxy_login": {"user_header": "Cookie"}}, "name of a header of the proxy"),
        ({"proxy_login": {"user_header": "X User"}}, "name of a header of the proxy"),
        ({"audit_days": 0}, "audit_days"),
        ({"id_tags": "me"}, "id_tags"),
    ],
)
def test_settings_that_are_wrong(section, shown, monkeypatch):
    monkeypatch.setenv("SHORT", "short")
    with pytest.raises(ConfigurationError) as raised:
        Keys(WebConfig.from_dict({"web": section}), TOKEN)
    assert shown in str(raised.value)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("[]", "should be a valid dictionary"),
        ('{"keys": [{"name": "a"}]}', "keys.0.role"),
        ('{"keys": [], "key": 1}', "did you mean 'keys'?"),
        ({"name": "token"}, "is the name of the token"),
        ({"digest": "x"}, "digest"),
        ({"twice": True}, "is there twice"),
    ],
)
def test_a_file_of_keys_that_is_wrong(tmp_path, content, shown):
    path = tmp_path / "keys.json"
    if isinstance(content, dict):
        write_key_file(path, [make_key("lobby", "viewer", None, SECRETS["viewer"])])
        (row,) = json.loads(path.read_text(encoding="utf-8"))["keys"]
        row = {**row, **content}
        rows = [row, row] if row.pop("twice", False) else [row]
        content = json.dumps({"keys": rows})
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        Keys(WebConfig(keys_file=path), TOKEN)
    assert shown in str(raised.value)
    assert str(path) in str(raised.value)


def test_nobody_could_log_in():
    with pytest.raises(ConfigurationError, match="web-keys add"):
        Keys(WebConfig(), "")


# ---- a reverse proxy -----------------------------------------------------------------------


@pytest.fixture
def proxied(make_site):
    site = make_site(web={"proxy_login": PROXY})
    site.session.headers.pop("X-API-Key")
    return site


def user(groups=""):
    return {"headers": {"X-Forwarded-Email": "anna@example.org", "X-Forwarded-Groups": groups}}


def test_users_of_the_proxy_have_the_role_of_their_groups(proxied):
    proxied.get("/health", 401)
    assert "no role here" in proxied.get("/health", 403, **user())["error"]["message"]
    assert "no role here" in proxied.get("/health", 403, **user("others"))["error"]["message"]
    assert proxied.get("/health", **user("viewers"))["accounts"]
    page = proxied.session.get(proxied.server.url, **user("viewers, operators")).text
    assert '"user": "anna@example.org", "role": "operator"' in page


def test_a_page_of_somebody_else_cannot_use_the_login_of_the_proxy(proxied):
    error = proxied.post("/clear", PLACE, 403, **user("operators"))["error"]
    assert error["message"] == "this came from another page"
    own = user("operators")
    own["headers"]["Sec-Fetch-Site"] = "same-origin"
    assert proxied.post("/start", {**PLACE, "id_tag": "X"}, 409, **own)


def test_headers_that_could_be_forged_are_refused(proxied):
    twice = [("X-Forwarded-Email", "anna"), ("X-Forwarded-Email", "root")]
    # requests joins headers of one name: http.client sends both.
    host = proxied.server.url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.putrequest("GET", f"{BASE}/health")
        for name, value in (*twice, ("X-Forwarded-Groups", "viewers")):
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 403
    finally:
        connection.close()
    proxied.get("/health", 403, headers={"X-Forwarded-Email": "a" * 200})


def test_without_the_setting_the_headers_mean_nothing(make_site):
    site = make_site()
    site.session.headers.pop("X-API-Key")
    site.get("/health", 401, **user("operators"))


def test_headers_from_another_machine_are_refused(make_site, monkeypatch):
    site = make_site(web={"proxy_login": PROXY})
    site.session.headers.pop("X-API-Key")
    monkeypatch.setattr(web.BaseRequest, "remote", property(lambda _: "192.0.2.7"))
    message = site.get("/health", 403, **user("operators"))["error"]["message"]
    assert "on this machine only" in message


def test_a_proxy_needs_loopback():
    config = {"accounts": {}, "web": {"proxy_login": PROXY}}
    with pytest.raises(ConfigurationError, match="needs --listen with an address of loopback"):
        WebServer(config, Settings.of("0.0.0.0:0", allow_remote=True, token=TOKEN))


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback(address, is_own):
    assert is_loopback(address) is is_own
