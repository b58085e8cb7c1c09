"""Operations by name: the control API and `CentralSystem`, with twins of both versions."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import time

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from chargepoint_driver.backends.ocpp.control_api.http_routes import ROUTES, document
from chargepoint_driver.backends.ocpp.operations.operations import OPERATIONS
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

LOG = "https://files.example/upload"
TWIN = [{"id": "CP1", "connectors": [{"kind": "AC"}, {"kind": "AC"}]}]


class Rig:
    """A central system with the control API, and a twin of two connectors."""

    def __init__(self, site, twins, version) -> None:
        self.site, self.twins, self.is_16 = site, twins, version == "1.6"
        self.system = site.system
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer secret"

    def get(self, path, status=200):
        answer = self.session.get(self.system.control_url + path, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, name, status=200, **arguments):
        url = f"{self.system.control_url}/charge-points/CP1/{name}"
        answer = self.session.post(url, data=json.dumps(arguments), timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()

    def charge(self, connector=1, tag="A"):
        """Begin a transaction; its id."""
        self.twins.plug("CP1", connector)
        self.post("remote_start", connector=connector, id_tag=tag)
        view = eventually(lambda: self.site.connector(connector).transaction)
        return view.transaction_id

    def received(self, action):
        """The payloads of the requests of that name that the twin got."""
        frames = [each["frame"] for each in self.twins.messages("CP1") if each["direction"] == "in"]
        return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


@pytest.fixture(params=["1.6", "2.0.1"])
def rig(request, start):
    site = start({"control": "127.0.0.1:0", "token": "secret"})
    with Twins(site.system.ocpp_url, TWIN, ocpp=request.param, speed=1) as twins:
        twins.wait_connected()
        eventually(lambda: site.point().connectors.get(2))
        made = Rig(site, twins, request.param)
        yield made
        made.session.close()


# ---- limits ----------------------------------------------------------------------------------


def test_a_limit_shows_the_whole_ladder(rig) -> None:
    rig.charge()
    answer = rig.post("limit", connector=1, allowed_load_kw=5.0, minutes=30)
    assert (answer["charge_point"], answer["connector"]) == ("CP1", 1)
    limit = answer["limit"]
    assert limit["requested_kw"] == 5.0
    assert 0 < limit["accepted_kw"] <= 5.0
    assert limit["confirmed_kw"] == pytest.approx(limit["accepted_kw"], abs=0.05)
    assert limit["confirmed_by"] == "composite"
    assert limit["effective_kw"] == limit["confirmed_kw"]
    assert limit["until"] is not None
    assert rig.get("/charge-points/CP1")["connectors"]["1"]["limit"]["requested_kw"] == 5.0
    assert rig.post("clear", connector=1)["limit"] is None
    assert rig.get("/charge-points/CP1")["connectors"]["1"]["limit"] is None


def test_a_limit_of_the_charge_point_and_one_without_end(rig) -> None:
    answer = rig.post("limit", allowed_load_kw=10, minutes=0)
    assert answer["connector"] == 0
    assert answer["limit"]["accepted_kw"] <= 10
    assert answer["limit"]["until"] is None
    assert rig.post("clear") == {"charge_point": "CP1", "connector": 0, "limit": None}


def test_a_limit_that_nothing_confirms_shows_it(rig) -> None:
    rig.twins.quirk("CP1", "refuses_actions", actions=["GetCompositeSchedule"])
    limit = rig.post("limit", connector=1, allowed_load_kw=5)["limit"]
    assert (limit["confirmed_kw"], limit["confirmed_by"]) == (None, None)
    assert limit["effective_kw"] == limit["accepted_kw"]


def test_a_refused_limit_is_an_error(rig) -> None:
    rig.twins.quirk("CP1", "refuses_actions", actions=["SetChargingProfile"])
    error = rig.post("limit", 502, connector=1, allowed_load_kw=5)["error"]
    assert error["code"] == "write_rejected"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"allowed_load_kw": 5, "percent_shed": 50},
        {"allowed_load_kw": -1},
        {"allowed_load_kw": "5"},
        {"percent_shed": 101},
        {"allowed_load_kw": 5, "minutes": -1},
        {"allowed_load_kw": 5, "connector": -1},
        {"allowed_load_kw": 5, "connecter": 1},
    ],
)
def test_a_limit_that_makes_no_sense_sends_nothing(rig, arguments) -> None:
    assert rig.post("limit", 400, **arguments)["error"]["code"] == "bad_value"
    assert rig.received("SetChargingProfile") == []
    assert rig.post("limit", 404, connector=9, allowed_load_kw=5)


# ---- transactions ----------------------------------------------------------------------------


def test_remote_start_by_connector_and_running_transactions(rig) -> None:
    first, second = rig.charge(2, "B"), rig.charge(1, "A")
    running = rig.get("/transactions/running")
    assert [(row["id"], row["connector"], row["id_tag"]) for row in running] == [
        (first, 2, "B"),
        (second, 1, "A"),
    ]
    assert all(row["state"] == "active" and row["stop"] is None for row in running)
    assert rig.get("/transactions/running?charge_point=other") == []
    assert rig.system.running_transactions("CP1") == running
    assert rig.post("remote_stop", 404)["error"]["message"].endswith("name the connector")
    assert rig.post("remote_stop", 400, transaction=first, connector=1)
    assert rig.post("remote_stop", 404, transaction=1 << 40)
    assert rig.post("remote_stop", transaction=first) == {"status": "Accepted"}
    eventually(lambda: [row["id"] for row in rig.get("/transactions/running")] == [second])


def test_a_request_never_overtakes_the_answer_with_its_id(site, monkeypatch) -> None:
    """While a begin is being stored the transaction is known here, and not to the charger."""
    charger = site.charger()
    charger.status("Available")
    store = site.system._csms.store
    release = threading.Event()
    durable = store.durable

    def slowly():
        stored = durable()
        late = asyncio.get_running_loop().create_future()

        async def pass_on() -> None:
            await stored
            while not release.is_set():
                await asyncio.sleep(0.01)
            late.set_result(None)

        late.task = asyncio.ensure_future(pass_on())
        return late

    monkeypatch.setattr(store, "durable", slowly)
    payload = {"connectorId": 1, "idTag": "A", "timestamp": site.clock.iso(), "meterStart": 0}
    charger.ws.send(json.dumps([2, "s", "StartTransaction", payload]))
    eventually(lambda: site.connector().transaction)
    stop = threading.Thread(target=lambda: site.system.remote_stop("CP1"))
    stop.start()
    with pytest.raises(TimeoutError):
        charger.ws.recv(0.3)
    release.set()
    first, second = charger.receive(), charger.receive()
    assert first[:2] == [3, "s"]
    assert second[2:] == ["RemoteStopTransaction", {"transactionId": first[2]["transactionId"]}]
    charger.ws.send(json.dumps([3, second[1], {"status": "Accepted"}]))
    stop.join(60)


def test_counts_of_each_id_tag(site) -> None:
    charger, clock = site.charger(), site.clock
    now_s = clock()
    # Around the middle of a month, whatever today is.
    clock.ahead_s -= (time.gmtime(now_s).tm_mday - 15) * 86_400
    for tag, energy, connector in (("A", 1_000, 1), ("a", 500, 1), ("B", 200, 2)):
        number = charger.start(clock.iso(600), connector, 100, tag)
        charger.stop(number, clock.iso(), 100 + energy)
    # One that was lost without any register, and an end without a begin.
    charger.ask(
        "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    )
    charger.start(clock.iso(300), 1, 0, "C")
    charger.start(clock.iso(200), 1, 0, "C")
    charger.stop(-1, clock.iso(), 7)
    month = clock.iso()[:7]
    rows = {row["id_tag"]: row for row in site.system.usage(month)}
    assert rows["A"] == {
        "id_tag": "A",
        "month": month,
        "sessions": 2,
        "energy_wh": 1_500.0,
        "energy_is_minimum": False,
        "without_energy": 0,
        "duration_s": 1_200.0,
    }
    assert (rows["B"]["sessions"], rows["B"]["energy_wh"]) == (1, 200.0)
    unknown = [row for row in rows.values() if row["without_energy"]]
    assert unknown
    assert all(row["energy_is_minimum"] for row in unknown)
    assert sum(row["sessions"] for row in rows.values()) == len(site.system.transactions(month))
    with pytest.raises(InvalidValueError, match="month"):
        site.system.usage("soon")


def test_counts_by_the_control_api(rig) -> None:
    number = rig.charge(1, "=A")
    rig.post("remote_stop")
    month = rig.site.clock.iso()[:7]
    eventually(lambda: rig.get(f"/transactions?month={month}"))
    (row,) = rig.get(f"/transactions/by-id-tag?month={month}")
    assert (row["id_tag"], row["sessions"]) == ("=A", 1)
    assert row["energy_wh"] == rig.get(f"/transactions?month={month}")[0]["energy_wh"]
    url = f"{rig.system.control_url}/transactions/by-id-tag?month={month}&format=csv"
    (line,) = csv.DictReader(io.StringIO(rig.session.get(url, timeout=60).text))
    assert (line["id_tag"], line["sessions"]) == ("'=A", "1")
    assert rig.get("/transactions/by-id-tag", 400)["error"]["code"] == "bad_value"
    assert number


# ---- settings, messages, logs, firmware ------------------------------------------------------


def test_settings(rig) -> None:
    name = "HeartbeatInterval" if rig.is_16 else "OCPPCommCtrlr.HeartbeatInterval"
    assert rig.post("set_setting", key=name, value="77") == {"status": "Accepted"}
    found = rig.post("get_settings", keys=[name, "Nobody.Knows"])
    assert found == {"settings": {name: "77"}, "unknown": ["Nobody.Knows"]}
    everything = rig.post("get_settings")
    assert everything["settings"]
    assert everything == rig.system.get_settings("CP1")
    assert rig.get("/charge-points/CP1")["configuration"][name] == "77"
    error = rig.post("set_setting", 502, key="Nobody.Knows", value="1")["error"]
    assert error["code"] == "write_rejected"
    assert error["service_code"] in {"NotSupported", "UnknownComponent"}
    assert rig.post("set_setting", 400, key=name)["error"]["code"] == "bad_value"
    assert rig.system.set_setting("CP1", name, "60") == "Accepted"


def test_triggers(rig) -> None:
    before = len([e for e in rig.system.events() if e["action"] == "StatusNotification"])
    assert rig.post("trigger", message="StatusNotification", connector=1) == {"status": "Accepted"}
    eventually(
        lambda: (
            len([e for e in rig.system.events() if e["action"] == "StatusNotification"]) > before
        )
    )
    assert rig.post("trigger", 400, message="Nonsense")["error"]["code"] == "bad_value"
    assert rig.system.trigger("CP1", "Heartbeat") == "Accepted"


def test_diagnostics_and_logs(rig) -> None:
    answer = rig.post("get_diagnostics", location=LOG, oldest="2026-11-01T00:00:00Z", retries=2)
    assert answer["status"] == "Accepted"
    assert answer["file_name"]
    (sent,) = rig.received("GetDiagnostics" if rig.is_16 else "GetLog")
    assert sent["retries"] == 2
    assert "2026-11-01T00:00:00Z" in json.dumps(sent)
    reported = "DiagnosticsStatusNotification" if rig.is_16 else "LogStatusNotification"
    eventually(lambda: any(event["action"] == reported for event in rig.system.events()))
    if rig.is_16:
        # The twin does not have the security extension: the charger's word is the error.
        error = rig.post("get_log", 502, location=LOG, kind="SecurityLog")["error"]
        assert error["ocpp"]["code"] in {"NotImplemented", "NotSupported"}
    else:
        answer = rig.post("get_log", location=LOG, kind="SecurityLog")
        assert answer["request_id"] == rig.received("GetLog")[-1]["requestId"]
        assert rig.received("GetLog")[-1]["logType"] == "SecurityLog"
    assert rig.post("get_diagnostics", 400)["error"]["code"] == "bad_value"
    assert rig.system.get_diagnostics("CP1", LOG)["status"] == "Accepted"


def test_firmware(rig) -> None:
    answer = rig.post("update_firmware", location=LOG, retries=1)
    assert answer["status"] == "Accepted"
    (sent,) = rig.received("UpdateFirmware")
    assert LOG in json.dumps(sent)
    assert answer["request_id"] == (None if rig.is_16 else sent["requestId"])
    eventually(
        lambda: any(e["action"] == "FirmwareStatusNotification" for e in rig.system.events())
    )
    if rig.is_16:
        signed = {"signature": "s", "signing_certificate": "c"}
        error = rig.post("update_firmware", 502, location=LOG, **signed)["error"]
        assert error["ocpp"]["code"] in {"NotImplemented", "NotSupported"}


# ---- reservations and the local list ---------------------------------------------------------


def test_reservations(rig) -> None:
    made = rig.post("reserve", connector=1, id_tag="A", minutes=30)
    assert made["state"] == "active"
    assert rig.system.reservations("CP1") == [made]
    ended = rig.post("cancel_reservation", reservation=made["id"])
    assert ended["state"] == "cancelled"
    assert rig.post("reserve", 400, id_tag="A")
    assert rig.post("reserve", 400, id_tag="A", expires="soon")
    assert rig.post("cancel_reservation", 404, reservation=7)


def test_the_local_list(rig) -> None:
    tags = [{"id_tag": "A"}, {"id_tag": "B", "status": "Blocked"}]
    sent = rig.post("send_local_list", id_tags=tags, version=5)
    assert sent == {"status": "Accepted", "version": 5, "sent": 2}
    assert rig.post("local_list_version") == {"version": 5}
    more = rig.post("send_local_list", id_tags=[{"id_tag": "C"}], full=False)
    assert more["version"] == 6
    assert rig.received("SendLocalList")[-1]["updateType"] == "Differential"
    assert rig.system.local_list_version("CP1") == 6
    assert rig.system.send_local_list("CP1")["sent"] == 0  # none are known here
    too_long = [{"id_tag": "x" * 36}]
    if rig.is_16:
        assert rig.post("send_local_list", 400, id_tags=too_long)
    assert rig.post("send_local_list", 400, id_tags=[{"id_tag": "A", "status": "Odd"}])


# ---- all of them -----------------------------------------------------------------------------


def test_the_rest(rig) -> None:
    assert rig.post("availability", connector=2, operative=False) == {"status": "Accepted"}
    assert rig.post("availability", connector=2, operative=True) == {"status": "Accepted"}
    assert rig.post("unlock", connector=1) == {"status": "Unlocked"}
    assert rig.post("unlock", 400)
    assert rig.post("reset") == {"status": "Accepted"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_refuses_what_it_does_not_take(site, name) -> None:
    site.charger("CP1").ask("Heartbeat", {})
    with pytest.raises(InvalidValueError, match=f"{name}: .*it takes"):
        site.system.operate("CP1", name, {"odd": 1})
    with pytest.raises(NotFoundError):
        site.system.operate("other", name, {})


def test_an_unknown_operation_names_those_there_are(site) -> None:
    site.charger("CP1").ask("Heartbeat", {})
    with pytest.raises(InvalidValueError, match="expected one of limit, clear"):
        site.system.operate("CP1", "explode", {})


def test_without_a_connection_nothing_is_sent(site) -> None:
    site.charger("CP1").close()
    eventually(lambda: "CP1" in [view.id for view in site.system.charge_points()])
    eventually(lambda: not site.point().connected)
    with pytest.raises(TransientError):
        site.system.get_settings("CP1")
    with pytest.raises(TransientError):
        site.system.operate("CP1", "limit", {"allowed_load_kw": 1})


def answered(site, charger, name, arguments, reply):
    """The result of an operation whose one request gets that answer."""
    found = []

    def work() -> None:
        try:
            found.append(site.system.operate("CP1", name, arguments))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    frame = charger.receive()
    charger.ws.send(json.dumps([3, frame[1], reply]))
    thread.join(60)
    return found[0]


@pytest.mark.parametrize(
    ("name", "arguments", "reply", "wanted"),
    [
        ("local_list_version", {}, {"listVersion": -1}, {"version": None}),
        ("local_list_version", {}, {"listVersion": 0}, {"version": 0}),
        ("get_diagnostics", {"location": LOG}, {}, {"status": "NoDiagnostics", "file_name": None}),
        ("trigger", {"message": "Heartbeat"}, {"status": "Rejected"}, WriteRejectedError),
        ("trigger", {"message": "Heartbeat"}, {}, TransientError),
        ("set_setting", {"key": "k", "value": "v"}, {}, TransientError),
        ("set_setting", {"key": "k", "value": "v"}, {"status": "Rejected"}, WriteRejectedError),
        (
            "set_setting",
            {"key": "k", "value": "v"},
            {"status": "RebootRequired"},
            {"status": "RebootRequired"},
        ),
    ],
)
def test_what_a_charger_answers(site, name, arguments, reply, wanted) -> None:
    charger = site.charger()
    charger.ask("Heartbeat", {})
    found = answered(site, charger, name, arguments, reply)
    if isinstance(wanted, type):
        assert isinstance(found, wanted), found
    else:
        assert found == wanted


def test_a_secret_setting_is_not_kept(site) -> None:
    charger = site.charger()
    charger.ask("Heartbeat", {})
    arguments = {"key": "AuthorizationKey", "value": "0123456789abcdef"}
    assert answered(site, charger, "set_setting", arguments, {"status": "Accepted"})
    assert "AuthorizationKey" not in site.point().configuration


def test_the_messages_of_the_security_extension(site) -> None:
    charger = site.charger()
    charger.ask("Heartbeat", {})
    thread = threading.Thread(
        target=lambda: site.system.trigger("CP1", "SignChargePointCertificate")
    )
    thread.start()
    frame = charger.receive()
    charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
    thread.join(60)
    assert frame[2] == "ExtendedTriggerMessage"


def test_a_variable_of_an_evse(site) -> None:
    charger = site.charger("CP1", subprotocols=["ocpp2.0.1"])
    charger.ask("Heartbeat", {})
    name = "EVSE[2].Power"
    entry = {
        "component": {"name": "EVSE", "evse": {"id": 2}},
        "variable": {"name": "Power"},
        "attributeStatus": "Accepted",
        "attributeValue": "7",
    }
    reply = {"getVariableResult": [entry]}
    found = answered(site, charger, "get_settings", {"keys": [name]}, reply)
    assert found == {"settings": {name: "7"}, "unknown": []}


# ---- the document of the API -----------------------------------------------------------------


def test_the_openapi_document_is_valid_and_served(rig) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []
    assert rig.get("/openapi.json") == json.loads(json.dumps(document()))
    assert {f"/charge-points/{{id}}/{name}" for name in OPERATIONS} <= document()["paths"].keys()


def test_every_route_of_the_document_is_served(rig) -> None:
    for route in ROUTES:
        path = route.path.format(id="CP1", number="1", tag="A", action="Nonsense")
        if route.method == "GET":
            answer = rig.session.get(rig.system.control_url + path, timeout=30)
        else:
            answer = rig.session.request(
                route.method, rig.system.control_url + path, data="[]", timeout=30
            )
        assert answer.status_code in {200, 400, 404}, route
        if answer.status_code == 404:
            assert answer.json()["error"]["code"] == "nothing_there", route
