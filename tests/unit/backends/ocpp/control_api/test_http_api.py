"""The control API, and the facade behind it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest
import requests
import trustme

from chargepoint_driver.backends.ocpp.central import event_follower
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually


class Api:
    def __init__(self, site) -> None:
        self.url = site.system.control_url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer secret"

    def get(self, path, status=200, **options):
        answer = self.session.get(self.url + path, timeout=60, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path, content, status=200):
        data = content if isinstance(content, (bytes, str)) else json.dumps(content)
        answer = self.session.post(self.url + path, data=data, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def site(start):
    return start({"control": "127.0.0.1:0", "token": "secret"})


@pytest.fixture
def api(site):
    made = Api(site)
    yield made
    made.session.close()


@pytest.fixture(params=["1.6", "2.0.1"])
def twins(request, site):
    with Twins(site.system.ocpp_url, [{"id": "A/1"}], ocpp=request.param, speed=1) as running:
        running.wait_connected()
        yield running


def test_the_token(api) -> None:
    for given in ("", "Bearer wrong", "Basic secret", "Bearer sécret"):
        api.session.headers["Authorization"] = given.encode()
        assert api.get("/charge-points", 401)["error"]["code"] == "not_permitted"


def test_reading(api, twins) -> None:
    (listed,) = api.get("/charge-points")
    one = api.get(f"/charge-points/{quote('A/1', safe='')}")
    assert listed["id"] == one["id"] == "A/1"
    assert one["connected"] is True
    assert one["boot"]["model"]
    eventually(lambda: api.get("/charge-points")[0]["connectors"].get("1", {}).get("ocpp_status"))
    assert api.get("/charge-points/B", 404)["error"]["code"] == "nothing_there"
    assert api.get("/nothing", 404)["error"]["code"] == "http"
    events = api.get("/events?after=0")
    assert events[0]["action"] == "Connected"
    assert api.get(f"/events?after={events[0]['id']}&limit=1") == events[1:2]


def test_the_settings_without_any_secret(start, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OF_A", "s3cr3t-of-a")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cr3t-of-b")
    points = {"A": {"password_env": "OF_A"}, "B": {"password_file": "secret", "rated_kw": 11}}
    site = start({"control": "127.0.0.1:0", "token": "secret"}, charge_points=points, phases=3)
    api = Api(site)
    try:
        assert api.get("/settings") == {
            "listen": site.system.ocpp_url.removeprefix("ws://").removesuffix("/ocpp"),
            "database": str(tmp_path / "ocpp.db"),
            "phases": 3,
            "boot_grace_s": 60,
            "configuration_delay_s": None,
            "call_timeout_s": 5,
            "charge_points": {
                "A": {"password_env": "OF_A"},
                "B": {"password_file": str(tmp_path / "secret"), "rated_kw": 11},
            },
        }
    finally:
        api.session.close()


@pytest.mark.parametrize("query", ["month=2026-99", "", "month=x"])
def test_bad_questions(api, query) -> None:
    assert api.get(f"/transactions?{query}", 400)["error"]["code"] == "bad_value"
    assert api.get("/events?after=x", 400)["error"]["code"] == "bad_value"


def test_requests_and_their_errors(api, twins, site) -> None:
    path = f"/charge-points/{quote('A/1', safe='')}"
    assert api.post(f"{path}/ClearCache", "")["status"] in {"Accepted", "Rejected"}
    assert api.post(f"{path}/Nonsense", {}, 400)["error"]["code"] == "bad_value"
    assert api.post(f"{path}/ClearCache", {"x": 1}, 400)["error"]["code"] == "bad_value"
    assert api.post(f"{path}/ClearCache", "[", 400)["error"]["code"] == "bad_value"
    assert api.post("/charge-points/B/ClearCache", {}, 404)["error"]["code"] == "nothing_there"
    twins.quirk("A/1", "refuses_actions", actions=["ClearCache"])
    refused = api.post(f"{path}/ClearCache", {}, 502)["error"]
    assert (refused["code"], refused["ocpp"]["code"]) == ("write_rejected", "NotSupported")
    twins.act("A/1", "offline")
    eventually(lambda: not site.point("A/1").connected)
    assert api.post(f"{path}/ClearCache", {}, 503)["error"]["code"] == "try_later"


def test_a_session_by_remote_control(api, twins, site) -> None:
    system = site.system
    twins.plug("A/1")
    system.remote_start("A/1", 1, "REMOTE")
    twins.wait("A/1", lambda state: state["connectors"][0]["transaction_id"])
    running = eventually(lambda: site.connector(1, "A/1").transaction)
    assert running.id_tag == "REMOTE"
    system.remote_stop("A/1")
    (row,) = eventually(site.month)
    assert row["id_tag"] == "REMOTE"
    assert api.get(f"/transactions?month={site.clock.iso()[:7]}") == [row]
    csv = api.session.get(
        f"{api.url}/transactions?format=csv&month={site.clock.iso()[:7]}", timeout=60
    )
    assert csv.text.startswith("id,charge_point,")
    with pytest.raises(NotFoundError):
        system.remote_stop("A/1")


def test_commands(twins, site) -> None:
    system = site.system
    assert system.availability("A/1", 0, operative=False) in {"Accepted", "Scheduled"}
    eventually(lambda: site.point("A/1").available_for_charging == -1)
    assert system.availability("A/1", 0, operative=True) in {"Accepted", "Scheduled"}
    twins.quirk("A/1", "refuses_availability_0")
    eventually(lambda: 1 in site.point("A/1").connectors)
    assert system.availability("A/1", 0, operative=False) in {"Accepted", "Scheduled"}
    system.unlock("A/1", 1)
    before = twins.state("A/1")["connections"]
    system.reset("A/1", hard=True)
    eventually(lambda: twins.state("A/1")["connections"] > before)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority, tmp_path):
    """The keys of a central system's `tls`, which asks chargers for certificates."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return {"certificate": certificate, "key": key, "client_ca": tmp_path / "ca.pem"}


def test_beyond_loopback_the_control_api_needs_a_token_and_tls(start, monkeypatch) -> None:
    monkeypatch.delenv("CHARGEPOINT_CONTROL_TOKEN", raising=False)
    for token in (None, "short"):
        with pytest.raises(ConfigurationError) as caught:
            start({"control": "0.0.0.0:0", "token": token})
        assert "CHARGEPOINT_CONTROL_TOKEN" in str(caught.value)
        assert "tls (certificate, key)" in str(caught.value)
    with pytest.raises(ConfigurationError, match="tls"):
        start({"control": "0.0.0.0:0", "token": "x" * 16})


def test_a_short_token_is_refused_beyond_loopback_with_tls_too(start, tls, monkeypatch) -> None:
    monkeypatch.delenv("CHARGEPOINT_CONTROL_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="16 characters"):
        start({"control": "0.0.0.0:0", "token": "x" * 15}, tls=tls)


def test_beyond_loopback_the_control_api_is_https_for_those_with_the_token(start, tls) -> None:
    site = start({"control": "0.0.0.0:0", "token": "x" * 16}, tls=tls)
    url = site.system.control_url
    assert url.startswith("https://")
    port = url.rpartition(":")[2]
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(tls["client_ca"])
        asked = f"https://127.0.0.1:{port}/charge-points"
        assert session.get(asked, timeout=60).status_code == 401
        session.headers["Authorization"] = "Bearer " + "x" * 16
        assert session.get(asked, timeout=60).json() == []


def test_pushes_come_in_order_on_another_thread(site, clock) -> None:
    seen: list[dict] = []
    threads = set()
    done = threading.Event()

    def take(event) -> None:
        threads.add(threading.current_thread())
        seen.append(event)
        if event["action"] == "Heartbeat":
            done.set()
        raise RuntimeError("a bad subscriber")

    end = site.system.subscribe(take)
    charger = site.charger()
    charger.boot()
    charger.status("Charging")
    charger.meter(clock.iso(), Power_Active_Import="3500")
    charger.ask("Heartbeat", {})
    assert done.wait(60)
    end()
    charger.status("Available")
    assert [event["action"] for event in seen] == [
        "Connected",
        "BootNotification",
        "StatusNotification",
        "MeterValues",
        "Heartbeat",
    ]
    assert seen[3]["data"]["samples"][0]["values"]["load_kw"] == 3.5
    assert threading.current_thread() not in threads


def test_a_subscriber_that_is_too_slow_is_told_to_read_everything(site, monkeypatch) -> None:
    monkeypatch.setattr(event_follower, "_MAX_PENDING", 3)
    going, done = threading.Event(), threading.Event()
    seen: list[dict] = []

    def take(event) -> None:
        seen.append(event)
        assert going.wait(60)
        if event["action"] == "BootNotification":
            done.set()

    site.system.subscribe(take)
    charger = site.charger()  # reported as Connected, which the subscriber is busy with
    eventually(lambda: seen)
    for _ in range(5):
        charger.ask("Heartbeat", {})
    charger.boot()
    going.set()
    assert done.wait(60)
    assert [event["action"] for event in seen] == [
        "Connected",
        "EventsLost",
        "Heartbeat",
        "Heartbeat",
        "BootNotification",
    ]
    assert seen[1]["data"] == {"lost": 3}
    assert site.system.counters()["events_lost"] == 3


def test_a_stopped_system_says_so(start) -> None:
    site = start()
    site.system.stop()
    site.system.stop()
    with pytest.raises(TransientError):
        site.system.charge_points()
    with pytest.raises(TransientError):
        site.system.call("A", "ClearCache", {})


def test_calls_from_many_threads(site) -> None:
    with Twins(site.system.ocpp_url, 3, speed=1) as twins:
        twins.wait_connected()
        failures = []

        def work(station_id) -> None:
            try:
                for _ in range(10):
                    site.system.call(station_id, "GetLocalListVersion", {})
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in twins.ids * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def test_refused_calls_survive_pickling(site) -> None:
    with Twins(site.system.ocpp_url, [{"id": "A"}], speed=1) as twins:
        twins.wait_connected()
        twins.quirk("A", "refuses_actions", actions=["ClearCache"])
        with pytest.raises(WriteRejectedError) as caught:
            site.system.call("A", "ClearCache", {})
        make, arguments = caught.value.__reduce__()
        assert make(*arguments).service_code == "NotSupported"
        with pytest.raises(InvalidValueError):
            site.system.call("A", "SetChargingProfile", {"connectorId": 1})


UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, threading, time, gevent, pathlib
from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
system = CentralSystem(OcppConfig.from_dict(
    {"listen": "127.0.0.1:0", "database": pathlib.Path(sys.argv[1])}))
system.start(control="127.0.0.1:0", token="t")
print(system.ocpp_url, flush=True)
events, ticks = [], []
hub = threading.get_ident()
end = system.subscribe(lambda event: events.append((event["action"], gevent.getcurrent())))
ticker = gevent.spawn(lambda: [(ticks.append(1), gevent.sleep(0.0005)) for _ in iter(int, 1)])
sys.stdin.readline()
jobs = [gevent.spawn(system.call, "A", "GetLocalListVersion", {}) for _ in range(20)]
gevent.joinall(jobs, timeout=60, raise_error=True)
assert all("listVersion" in job.value for job in jobs)
assert len(ticks) > 1  # other greenlets ran meanwhile
assert ("BootNotification" in [action for action, _ in events])
ticker.kill()
end()
system.stop()
print("well", flush=True)
"""


def test_under_gevent(tmp_path) -> None:
    pytest.importorskip("gevent")
    child = subprocess.Popen(
        [sys.executable, "-c", UNDER_GEVENT, str(tmp_path / "g.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = child.stdout.readline().strip()
        with Twins(url, [{"id": "A"}], speed=1) as twins:
            twins.wait_connected()
            child.stdin.write("go\n")
            child.stdin.flush()
            assert child.stdout.readline() == "well\n"
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
