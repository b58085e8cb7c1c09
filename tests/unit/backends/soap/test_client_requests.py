"""What is sent: held against the service's rules, on the bytes."""

from __future__ import annotations

import pytest
from lxml import etree

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.errors import NotFoundError, TransientError

from .service import ENVELOPE_NS, SERVICE_NS, reply

WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"

CALLS = {
    "getStations": lambda b: b.fetch(Request("getStations")),
    "getStationStatus": lambda b: b.fetch(Request("getStationStatus", ("1:1", "1:2", "1:3"))),
    "getLoad": lambda b: b.fetch(Request("getLoad", group="39491")),
    "getAlarms": lambda b: b.fetch(Request("getAlarms")),
    "getChargingSessionData": lambda b: b.fetch(Request("getChargingSessionData")),
    "getStationRights": lambda b: b.fetch(Request("getStationRights")),
    "shedLoad": lambda b: b.shed(Target("1:1", 2), Limit(allowed_load_kw=3.5), 60),
    "clearShedState": lambda b: b.clear(Target("1:1", 2)),
    "clearAlarms": lambda b: b.clear_alarms("1:1"),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_frame_of_every_request(call, backend, service):
    service.answers(reply(call))
    CALLS[call](backend)
    (request,) = service.requests
    action = f"urn:provider/interface/chargepointservices/{call}"
    assert request.headers["SOAPAction"] == f'"{action}"'
    assert request.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert request.content.startswith(b"<?xml")
    assert request.root.tag == f"{{{ENVELOPE_NS}}}Envelope"
    assert request.element.tag == f"{{{SERVICE_NS}}}{call}"
    assert not [tag for tag in request.tags() if tag.startswith("{")]
    (token,) = request.root.iter(f"{WSSE}UsernameToken")
    password = token.find(f"{WSSE}Password")
    assert [etree.QName(child).localname for child in token] == ["Username", "Password"]
    assert token.findtext(f"{WSSE}Username") == "fleet-account"
    assert password.text == "s3cr3t-<&>-phrase"
    assert password.get("Type") == TEXT


@pytest.mark.parametrize("call", CALLS)
def test_no_request_holds_an_empty_element(call, backend, service):
    service.answers(reply(call))
    CALLS[call](backend)
    elements = service.requests[0].element.iterdescendants()
    assert [e.tag for e in elements if not len(e) and not e.text] == []


def query(service):
    return {child.tag: child.text for child in service.requests[-1].element[0]}


def test_many_stations_are_one_list(backend, service):
    service.answers(reply("getStationStatus"))
    CALLS["getStationStatus"](backend)
    (request,) = service.requests
    assert len(request.element.findall("searchQuery/stationIDs")) == 1
    assert request.texts("searchQuery/stationIDs/stationID") == ["1:1", "1:2", "1:3"]
    assert request.texts("searchQuery/stationID") == []


def test_load_is_asked_of_a_group_or_a_station_never_both(backend, service):
    service.answers(reply("getLoad"))
    CALLS["getLoad"](backend)
    assert query(service) == {"sgID": "39491"}
    backend.fetch(Request("getLoad", ("1:1",)))
    assert query(service) == {"stationID": "1:1"}


def test_one_session_is_asked_for_by_its_id_however_old_it_is(backend, service):
    session = (
        "<ChargingSessionData><stationID>1:1</stationID><sessionID>{}</sessionID>"
        "</ChargingSessionData>"
    )
    service.answers(reply("getChargingSessionData", session.format(8) + session.format(7)))
    assert backend.session("7").values["sessionID"] == "7"
    assert query(service) == {"sessionID": "7", "startRecord": "1"}


@pytest.mark.parametrize("session_id", ["", "x", "-1", "9" * 19, "9" * 5_000, "٣"])
def test_what_is_no_session_id_is_not_asked_for(session_id, backend, service):
    with pytest.raises(NotFoundError, match="write the sessionID"):
        backend.session(session_id)
    assert service.requests == []


def test_a_session_that_is_not_in_the_reply(backend, service):
    service.answers(reply("getChargingSessionData", code="136"))
    with pytest.raises(NotFoundError, match="no transaction '7'"):
        backend.session("7")


def test_everything_is_asked_without_a_station(backend, service):
    service.answers(reply("getAlarms"))
    CALLS["getAlarms"](backend)
    assert query(service) == {"startRecord": "1", "numTransactions": "100"}
    service.answers(reply("getStations"))
    CALLS["getStations"](backend)
    assert query(service) == {"startRecord": "1", "numStations": "500"}
    service.answers(reply("getStationRights"))
    CALLS["getStationRights"](backend)
    assert query(service) == {"startRecord": "1"}


def test_sessions_are_those_of_a_day_in_utc(backend, service):
    service.answers(reply("getChargingSessionData"))
    CALLS["getChargingSessionData"](backend)
    assert query(service) == {"fromTimeStamp": "2026-05-01T12:00:30Z", "startRecord": "1"}


SHEDS = [
    (
        Target("1:1"),
        Limit(allowed_load_kw=6.6),
        {"stationID": "1:1", "allowedLoadPerStation": "6.6"},
    ),
    (
        Target("1:1"),
        Limit(allowed_load_kw=0.0),
        {"stationID": "1:1", "allowedLoadPerStation": "0.0"},
    ),
    (Target("1:1"), Limit(percent_shed=0), {"stationID": "1:1", "percentShedPerStation": "0"}),
    (
        Target("1:1", 2),
        Limit(allowed_load_kw=3.0),
        {"stationID": "1:1", "portNumber": "2", "allowedLoadPerPort": "3.0"},
    ),
    (
        Target("1:1", 1),
        Limit(percent_shed=100),
        {"stationID": "1:1", "portNumber": "1", "percentShedPerPort": "100"},
    ),
]


@pytest.mark.parametrize(("target", "limit", "leaves"), SHEDS)
@pytest.mark.parametrize("minutes", [0, 60])
def test_a_shed_names_one_target_one_limit_and_an_interval(
    minutes, target, limit, leaves, backend, service
):
    service.answers(reply("shedLoad"))
    backend.shed(target, limit, minutes)
    (request,) = service.requests
    (shed,) = request.element
    assert [child.tag for child in shed] == ["shedStation", "timeInterval"]
    assert shed.findtext("timeInterval") == str(minutes)
    found = [(e.tag, e.text) for e in shed.find("shedStation").iter() if not len(e)]
    assert dict(found) == leaves
    assert len(found) == len(leaves)
    assert "shedGroup" not in request.tags()


@pytest.mark.parametrize("kw", [1e-7, 0.1 + 0.2, 9999.0])
def test_a_limit_is_written_as_a_decimal_number(kw, backend, service):
    service.answers(reply("shedLoad"))
    backend.shed(Target("1:1"), Limit(allowed_load_kw=kw), 60)
    (text,) = service.requests[0].texts("shedQuery/shedStation/allowedLoadPerStation")
    assert "e" not in text.lower()
    assert float(text) == pytest.approx(kw)


def test_a_clear_names_the_port_or_the_whole_station(backend, service):
    service.answers(reply("clearShedState"))
    backend.clear(Target("1:1", 2))
    assert service.requests[-1].texts("shedQuery/shedStation/Ports/Port/portNumber") == ["2"]
    backend.clear(Target("1:1"))
    assert service.requests[-1].tags() == ["shedQuery", "shedStation", "stationID"]


def test_clearing_alarms_names_the_station(backend, service):
    service.answers(reply("clearAlarms"))
    backend.clear_alarms("1:1")
    assert query(service) == {"stationID": "1:1"}


def test_texts_are_escaped(backend, service):
    service.answers(reply("getLoad"))
    backend.fetch(Request("getLoad", ("1:<&>é",)))
    assert query(service) == {"stationID": "1:<&>é"}


def test_a_read_that_fails_is_not_repeated_either(backend, service):
    service.answers((503, {}, ""))
    with pytest.raises(TransientError):
        CALLS["getLoad"](backend)
    assert len(service.requests) == 1
