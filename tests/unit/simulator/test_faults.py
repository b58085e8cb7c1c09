"""Every fault does what its name promises, as often as it was asked for, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from lxml import etree

from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.faults import KINDS, OPERATION_NAMES, Faults
from chargepoint_driver.simulator.soap.operations import OPERATIONS

from .conftest import SERVICE_NS, Client, Reply

GROUP = 39491
STATION = "1:34001"


def load(client: Client) -> Reply:
    return client.search("getLoad", sgID=GROUP)


def test_fault_names_are_the_operations() -> None:
    assert set(OPERATIONS) == OPERATION_NAMES


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_http(client: Client, status: int) -> None:
    client.simulator.faults.set("getLoad", "http", status=status, retry_after_s=7, times=1)
    reply = load(client)
    assert (reply.status, reply.headers["Retry-After"]) == (status, "7")
    assert load(client).code == "100"


@pytest.mark.parametrize("status", [200, 500])
def test_soap_fault(client: Client, status: int) -> None:
    client.simulator.faults.set("*", "soap_fault", http_status=status, code="a:b", text="<why>")
    reply = load(client)
    assert (reply.status, reply.fault, reply.texts("faultstring")) == (status, "a:b", ["<why>"])
    client.simulator.faults.clear("*")
    assert load(client).code == "100"


def test_refused(client: Client) -> None:
    client.simulator.faults.set("getLoad", "refused")
    assert load(client).code == "101"
    client.simulator.faults.set("getLoad", "refused", code="126", text="Shed failed.")
    assert load(client).code == "126"


@pytest.mark.parametrize("kind", ["drop", "drop_reply", "drop_middle"])
def test_dropped_connection(client: Client, kind: str) -> None:
    client.simulator.faults.set("*", kind, times=1)
    inner = "<shedStation><stationID>1:34001</stationID><allowedLoadPerStation>1"
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.shed(inner + "</allowedLoadPerStation></shedStation>")
    carried_out = client.loads(stationID=STATION)[STATION, "1"]["shedState"]
    assert carried_out == ("0" if kind == "drop" else "1")


def test_damaged_replies(client: Client) -> None:
    for kind in ("truncated_xml", "malformed_xml", "empty_body"):
        client.simulator.faults.set("getLoad", kind, times=1)
        reply = load(client)
        assert reply.status == 200
        with pytest.raises(etree.XMLSyntaxError):
            assert reply.envelope
    client.simulator.faults.set("getLoad", "wrong_namespace", times=1)
    assert etree.QName(load(client).element).namespace != SERVICE_NS
    assert etree.QName(load(client).element).namespace == SERVICE_NS


def test_a_reset_is_no_orderly_end(client: Client) -> None:
    client.simulator.faults.set("getLoad", "reset_middle", times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) as e:
        load(client)
    assert "reset by peer" in str(e.value)
    assert load(client).code == "100"


@pytest.mark.parametrize(
    ("kind", "params", "within"),
    [
        ("wrong_encoding", {}, b"Gr\xfc\xdfe"),
        ("huge_xml", {"mebibytes": 2}, b" " * 2 * 2**20),
        ("deep_nesting", {"depth": 1_000}, b"<a>" * 1_000),
        ("giant_attribute", {"mebibytes": 2}, b'="' + b"x" * 2 * 2**20),
        ("giant_text", {"mebibytes": 2}, b">" + b"x" * 2 * 2**20),
        ("entity_expansion", {}, b'<!ENTITY a1 "&a0;&a0;'),
        ("external_entity", {"url": "http://h/x"}, b'<!ENTITY a SYSTEM "http://h/x">'),
    ],
)
def test_replies_that_mean_harm(
    client: Client, kind: str, params: dict[str, Any], within: bytes
) -> None:
    plain = load(client).content
    client.simulator.faults.set("getLoad", kind, times=1, **params)
    spoilt = load(client).content
    assert within in spoilt
    assert spoilt.endswith(plain[-200:])
    assert load(client).content == plain


def test_a_gzip_bomb(client: Client) -> None:
    plain = load(client).content
    client.simulator.faults.set("getLoad", "gzip_bomb", mebibytes=3, times=1)
    spoilt = load(client)
    assert spoilt.content == plain + b" " * 3 * 2**20
    assert int(spoilt.headers["Content-Length"]) < 100_000


def test_endless_more_and_repeated_page(client: Client) -> None:
    client.simulator.faults.set("getStations", "endless_more")
    assert client.search("getStations").texts("moreFlag") == ["1"]
    beyond = client.search("getStations", startRecord=5)
    assert (beyond.rows("stationData"), beyond.texts("moreFlag")) == ([], ["1"])
    client.simulator.faults.set("getStations", "repeated_page")
    assert client.search("getStations", startRecord=5).texts("stationData/stationID")[0] == STATION
    client.simulator.faults.set("*", "endless_more")
    assert client.search("getChargingSessionData").texts("MoreFlag") == ["1"]


def test_missing_parts(client: Client) -> None:
    faults = client.simulator.faults
    faults.set("*", "no_coordinates")
    stations = client.search("getStations").rows("stationData")
    assert stations[0].find("Port/Geo") is None
    assert stations[1].find("Port/Geo") is not None
    faults.set("*", "missing_port", station="1:34002", port=1)
    faults.set("*", "empty_station", station="1:34003")
    rows = {row.findtext("stationID"): row for row in load(client).rows("stationData")}
    numbers = {key: [p.text for p in row.findall("Port/portNumber")] for key, row in rows.items()}
    assert numbers == {
        "1:34001": ["1", "2"],
        "1:34002": ["2"],
        "1:34003": [],
        "1:34004": ["1", "2"],
    }
    faults.clear(kind="empty_station")
    faults.set("*", "missing_port")
    rows = {row.findtext("stationID"): row for row in load(client).rows("stationData")}
    assert [len(row.findall("Port")) for row in rows.values()] == [1, 2, 2, 2]


def test_odd_order_and_content(client: Client) -> None:
    faults = client.simulator.faults
    plain = client.search("getChargingSessionData").texts("ChargingSessionData/sessionID")
    faults.set("*", "reversed_order")
    reversed_ = client.search("getChargingSessionData").texts("ChargingSessionData/sessionID")
    assert reversed_ == plain[::-1]
    assert load(client).texts("stationData/stationID")[0] == "1:34004"
    faults.clear()
    loads = client.loads(sgID=GROUP)
    faults.set("*", "shuffled_elements")
    assert load(client).element[0].tag != "responseCode"
    assert client.loads(sgID=GROUP) == loads
    faults.set("*", "unknown_elements")
    assert load(client).rows("stationData/Port/addedLater")
    faults.clear()
    faults.set("*", "empty_numbers")
    reply = load(client)
    assert reply.texts("numStations") == [None]
    assert set(reply.texts("stationData/Port/percentShed")) == {None}
    assert None not in reply.texts("stationData/Port/portLoad")


def test_security_header_and_clock_skew(client: Client) -> None:
    client.simulator.faults.set("*", "security_header")
    client.simulator.faults.set("*", "clock_skew", seconds=-3600)
    reply = client.search("getStationStatus")
    assert reply.texts("stationData/Port/TimeStamp")[0] == "2026-03-03T17:00:00Z"
    security = reply.envelope.find("{*}Header/{*}Security")
    assert security is not None
    assert security.get("{http://schemas.xmlsoap.org/soap/envelope/}mustUnderstand") == "1"
    assert security.findtext("{*}Timestamp/{*}Created") == "2026-03-03T17:00:00Z"
    client.simulator.faults.clear()
    assert client.search("getStationStatus").envelope.find("{*}Header") is None


def test_counted_down_and_cleared_one_by_one(client: Client) -> None:
    faults = client.simulator.faults
    faults.set("getLoad", "http", status=503, times=2)
    faults.set("*", "http", status=502)
    assert [load(client).status for _ in range(3)] == [503, 503, 502]
    assert client.search("getStations").status == 502
    faults.clear("getLoad")
    assert [fault.operation for fault in faults.active()] == ["*"]
    faults.clear("*", "http")
    assert load(client).status == 200


def test_delay_does_not_hold_up_the_end() -> None:
    simulator = Simulator(stations=1).start()
    simulator.faults.set("*", "delay", seconds=600)
    client = Client(simulator)
    failures: list[Exception] = []

    def ask() -> None:
        try:
            client.search("getLoad", stationID=STATION)
        except requests.RequestException as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    deadline = time.monotonic() + 10
    while not simulator.calls.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    assert simulator.calls.in_flight == 1
    began = time.monotonic()
    simulator.stop()
    thread.join(60)
    client.session.close()
    assert time.monotonic() - began < 10
    assert not thread.is_alive()


def test_short_delay(client: Client) -> None:
    client.simulator.faults.set("*", "delay", seconds=0.2)
    began = time.monotonic()
    assert load(client).code == "100"
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("operation", "kind", "options", "word"),
    [
        ("getload", "http", {"status": 503}, "getLoad"),
        ("*", "flood", {}, "unknown kind"),
        ("*", "http", {}, "needs status"),
        ("*", "http", {"status": 200}, "status"),
        ("*", "http", {"status": 503, "retry_after_s": -1}, "retry_after_s"),
        ("*", "delay", {"seconds": -1}, "seconds"),
        ("*", "delay", {"seconds": "long"}, "seconds"),
        ("*", "delay", {"seconds": 1, "minutes": 1}, "minutes"),
        ("*", "drop", {"times": 0}, "times"),
        ("*", "drop", {"times": True}, "times"),
        ("*", "drop", {"times": 1.5}, "times"),
        ("*", "missing_port", {"port": 0}, "port"),
        ("*", "soap_fault", {"text": "\0"}, "text"),
    ],
)
def test_nonsense_is_refused(operation: str, kind: str, options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Faults().set(operation, kind, **options)


def test_every_kind_can_be_set_from_outside(start: Callable[..., Client]) -> None:
    client = start()
    needed = {"delay": {"seconds": 0}, "http": {"status": 503}, "clock_skew": {"seconds": 1}}
    for kind in KINDS:
        wish = {"operation": "getLoad", "kind": kind, "times": 3, **needed.get(kind, {})}
        assert client.control("POST", "/faults", wish)[0] == 200, kind
    status, content = client.control("GET", "/faults")
    assert (status, len(content["faults"])) == (200, len(KINDS))
    assert client.control("DELETE", "/faults") == (200, {"faults": []})
