"""Replies that are almost XML: what is damaged has no value, all else is read as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.backends.soap.recovery import repaired, trimmed
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.errors import InvalidReplyError, OutcomeUnknownError
from chargepoint_driver.records import DAMAGED, StationRecord
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service

from .service import recorded, reply

CALLER = Caller("getStations", "u", "region na")
NAMES = {
    "control character by number": "Bay&#x1;7",
    "control character in decimal": "Bay&#11;7",
    "surrogate by number": "Bay&#xD83D;7",
    "number beyond all": "Bay&#x110000;7",
    "control character": "Bay\x017",
    "NUL": "Bay\x007",
    "bare ampersand": "Bay & 7",
    "ampersand in a word": "R&D",
    "two ampersands": "A&B & C",
    "ampersand at the end": "Bay&",
    "unknown entity": "Bay&nbsp;7",
    "bare bracket": "Bay <7",
    "noncharacter": "Bay\uffff7",
}


def station(number: int, name: str, load: str = "") -> str:
    return (
        f"<stationData><stationID>1:{number}</stationID><sgID>41</sgID>{load}"
        f"<Port><portNumber>1</portNumber><stationName>{name}</stationName></Port></stationData>"
    )


def stations(*names: str) -> bytes:
    inner = "".join(station(number, name) for number, name in enumerate(names, 1))
    return reply("getStations", inner).encode()


def name_of(record: StationRecord) -> object:
    return record.ports[1]["stationName"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_one_name_costs_that_name_only(name, backend, service):
    service.answers(stations("GOOD", name, "Fine &amp; well", "B\u00e4r &#x42;"))
    records = backend.fetch(Request("getStations")).records
    assert list(records) == ["1:1", "1:2", "1:3", "1:4"]
    assert [name_of(each) for each in records.values()] == [
        "GOOD", DAMAGED, "Fine & well", "B\u00e4r B",
    ]  # fmt: skip
    assert {each.values["sgID"] for each in records.values()} == {"41"}
    assert len(service.requests) == 1


def test_letters_of_another_encoding_cost_that_name_only(backend, service):
    service.answers(stations("GOOD", "Stra_e").replace(b"Stra_e", "Stra\u00dfe".encode("latin-1")))
    records = backend.fetch(Request("getStations")).records
    assert [name_of(each) for each in records.values()] == ["GOOD", DAMAGED]


def test_the_point_is_an_error_and_others_of_the_station_are_not(backend, service):
    rows = [
        {"Attribute Name": "stationName", "Register Name": "StationRegister", "Port #": "1"},
        {"Attribute Name": "sgID", "Register Name": "StationRegister"},
    ]
    points = build(enumerate(rows, 2), "test", "1:1").points
    service.answers(stations("Bay & 7", "GOOD"))
    reading = Service(backend).read(points)
    assert reading.values == {"sgID": "41"}
    assert isinstance(reading.errors["stationName"], InvalidReplyError)
    assert "came damaged" in str(reading.errors["stationName"])
    assert "correct the station's name" in str(reading.errors["stationName"])


LOAD = (
    "<stationData><stationID>{id}</stationID><stationName>{name}</stationName>"
    "<stationLoad>{kw}</stationLoad><Port><portNumber>1</portNumber><shedState>1</shedState>"
    "<portLoad>{kw}</portLoad><allowedLoad>3.000</allowedLoad><percentShed>0</percentShed>"
    "</Port></stationData>"
)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_loads_and_sheds_of_the_broken_station_are_errors(name, backend, service):
    inner = LOAD.format(id="1:1", name=name, kw=3) + LOAD.format(id="1:2", name="GOOD", kw=5)
    service.answers(reply("getLoad", inner))
    broken, good = backend.fetch(Request("getLoad", group="41")).records.values()
    values = broken.ports[1]
    for attribute in ("portLoad", "shedState", "allowedLoad", "percentShed", "sessionID"):
        assert values[attribute] is DAMAGED
    assert broken.values["stationLoad"] is DAMAGED
    assert good.ports[1]["portLoad"] == 5.0
    assert good.values["stationLoad"] == 5.0
    names = ("portLoad", "shedState", "allowedLoad", "percentShed", "siteLoad", "siteHeadroom")
    rows = [{"Attribute Name": each, "Port #": "1"} for each in names]
    reading = Service(backend).read(build(enumerate(rows, 2), "test", "1:1").points)
    assert set(reading.errors) >= {"portLoad", "shedState", "allowedLoad", "percentShed"}
    # A sum over what is not known is not known.
    assert set(reading.values.values()) <= {None}


def test_a_groups_name_is_of_no_station(backend, service):
    inner = "<groupName>R & D</groupName>" + LOAD.format(id="1:1", name="GOOD", kw=3)
    service.answers(reply("getLoad", inner))
    (record,) = backend.fetch(Request("getLoad", group="41")).records.values()
    assert record.ports[1]["portLoad"] == 3.0


def test_alarms_sessions_and_rights(backend, service):
    service.answers(
        reply(
            "getAlarms",
            "<Alarms><stationID>1:1</stationID><stationName>A & B</stationName>"
            "<alarmType>GFCI & Trip</alarmType>"
            "<alarmTime>2026-01-01T00:00:00Z</alarmTime></Alarms>",
        ),
        reply(
            "getChargingSessionData",
            "<ChargingSessionData><stationID>1:1</stationID><portNumber>1</portNumber>"
            "<sessionID>7</sessionID><Energy>1.5</Energy><userID>&#1;</userID>"
            "<startTime>2026-01-01T00:00:00Z</startTime></ChargingSessionData>",
        ),
        reply(
            "getStationRights",
            "<rightsData><sgID>41</sgID><stationRightsProfile>all & more</stationRightsProfile>"
            "<stationData><stationID>1:1</stationID></stationData></rightsData>",
        ),
    )
    alarm = backend.fetch(Request("getAlarms")).records["1:1"].values
    assert (alarm["alarmType"], alarm["alarmTime"]) == (DAMAGED, "2026-01-01T00:00:00+00:00")
    session = backend.fetch(Request("getChargingSessionData")).records["1:1"].values
    assert (session["Energy"], session["userID"]) == (1.5, DAMAGED)
    rights = backend.fetch(Request("getStationRights")).records["1:1"].values
    assert rights["stationRightsProfile"] is DAMAGED


def test_a_damaged_id_is_nobodys(backend, service):
    inner = station(1, "A").replace("1:1", "1:&#1;") + station(2, "B")
    service.answers(reply("getStations", inner))
    assert list(backend.fetch(Request("getStations")).records) == ["1:2"]


def test_the_answer_of_a_write_is_not_guessed(backend, service):
    service.answers(reply("shedLoad", "<shedLoad>A & B</shedLoad>"))
    with pytest.raises(OutcomeUnknownError):
        backend.shed(Target("1:1"), Limit(allowed_load_kw=3.0), 60)


GOOD = stations("GOOD")
NOT_READ = {
    "cut off": stations("A & B")[:-40],
    "a tag in the name": stations("Bay <North"),
    "a tag that is never closed": GOOD.replace(b"</Port>", b"") + b"&",
    "between elements": GOOD.replace(b"<sgID>", b"\x01<sgID>"),
    "in the code": GOOD.replace(b"<responseCode>100", b"<responseCode>100&#1;"),
    "in the flag": GOOD.replace(b"</stationData>", b"</stationData><moreFlag>1&</moreFlag>"),
    "in a tag": GOOD.replace(b"<sgID>", b"<sg\x01ID>"),
    "doctype": b"<!DOCTYPE x>" + stations("A & B"),
    "entities": b'<!DOCTYPE x [<!ENTITY a "b">]>' + stations("&a; & B"),
    "external entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    + stations("&a;&"),
    "comment": stations("A & B<!-- x -->"),
    "CDATA": stations("A & B<![CDATA[x]]>"),
    "another encoding": b'<?xml version="1.0" encoding="iso-8859-1"?>' + stations("A & B"),
    "two documents": GOOD + stations("A & B"),
    "all marks": stations("A & B \ue0d1\ue0d2\ue0d3"),
}


@pytest.mark.parametrize("content", NOT_READ.values(), ids=NOT_READ)
def test_what_stays_a_bad_reply(content, backend, service):
    service.answers(content)
    with pytest.raises(InvalidReplyError):
        backend.fetch(Request("getStations"))


AROUND = {
    "line break before": b"\r\n%s",
    "blanks before": b" \t\n\n%s",
    "mark, then line break": b"\xef\xbb\xbf\r\n%s",
    "NUL behind": b"%s\x00",
    "NULs and line breaks behind": b"%s\r\n\x00\x00\n",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("name", ["getStations-5.0", "getLoad-5.0"])
def test_what_stands_around_a_reply_does_no_harm(around, name, backend, service):
    call = name.partition("-")[0]
    declared = b"<?xml version='1.0' encoding='UTF-8'?>\n" + recorded(name).split(b"?>")[-1].strip()
    service.answers(declared)
    request = Request(call, ("1:33923",) if call == "getLoad" else ())
    wanted = backend.fetch(request)
    service.answers(around % declared)
    assert backend.fetch(request) == wanted


def test_nothing_is_taken_from_wide_text():
    content = GOOD.decode().encode("utf-16-le")
    assert trimmed(content) == content
    answer, _ = parser.payload(GOOD.decode().encode("utf-16"), CALLER)
    assert len(parser.stations(answer, CHARGEPOINT.calls["getStations"])) == 1


def test_a_write_may_be_surrounded_too(backend, service):
    service.answers(b"\n" + reply("shedLoad").encode() + b"\x00")
    backend.shed(Target("1:1"), Limit(allowed_load_kw=3.0), 60)


@given(st.text(max_size=30))
def test_a_name_is_read_as_it_is_or_lost(name):
    """Whatever a service writes as it is: the name, or none, and never another station's."""
    content = stations("GOOD", name)
    try:
        answer, _, content, mark = parser.read(content, CALLER)
    except InvalidReplyError:
        return
    call = CHARGEPOINT.calls["getStations"]
    records = {each.station_id: each for each in parser.stations(answer, call, content, mark)}
    assert name_of(records["1:1"]) == "GOOD"
    if mark:
        assert name_of(records["1:2"]) is DAMAGED


@given(st.binary(max_size=60))
def test_repair_changes_no_tag(content):
    found = repaired(b"<a>" + content + b"</a>")
    assert found is None or found[0].startswith(b"<a>")
