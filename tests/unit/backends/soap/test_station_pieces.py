"""Replies that are read in pieces say what the XML parser reads in the whole of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backends.soap import parser, station_pieces
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.errors import ChargePointError, InvalidReplyError

from .service import DATA, reply

LOAD = CHARGEPOINT.calls["getLoad"]
CALLER = Caller("getLoad", "u", "region na")


@pytest.fixture(autouse=True)
def _nothing_known():
    station_pieces.forget()


def station(number, load="1.5", name="Garage", rest=""):
    return (
        f"<stationData><stationID>1:{number}</stationID><Address>Street</Address>"
        f"<stationLoad>{load}</stationLoad>{rest}<Port><portNumber>1</portNumber>"
        f"<sessionID>{name}</sessionID><portLoad>{load}</portLoad></Port></stationData>"
    )


def content_of(*stations, around="{}"):
    return reply("getLoad", around.format("".join(stations))).encode()


def outcome(read, content, *rows):
    try:
        return read(content, CALLER, LOAD, *rows)
    except ChargePointError as error:
        return str(error)


def both(content):
    """What a reply is read as; in the quick way it is the same."""
    plainly = outcome(parser.page, content, parser.stations)
    assert outcome(station_pieces.page, content) == plainly
    return plainly


def parsed(monkeypatch):
    """The bytes that the XML parser gets from now on."""
    given, parse = [], station_pieces.etree.fromstring

    def note(content, *options):
        given.append(bytes(content))
        return parse(content, *options)

    monkeypatch.setattr(station_pieces.etree, "fromstring", note)
    return given


def test_only_what_stands_around_the_stations_is_parsed_again(monkeypatch):
    first = content_of(*(station(number, "1.5", "R&amp;D") for number in range(200)))
    second = content_of(*(station(number, "2.5", "R&amp;D") for number in range(200)))
    both(first)
    given = parsed(monkeypatch)
    page = station_pieces.page(second, CALLER, LOAD)
    assert [record.values["stationLoad"] for record in page.rows] == [2.5] * 200
    assert page.rows[7].ports[1]["sessionID"] == "R&D"
    assert page.received == 200
    assert [b"1:7" in each for each in given] == [False]


OTHER = {
    "a tag in a value": station(2, "<b/>2"),
    "a tag around a value": station(2, "<b>2</b>"),
    "an open bracket": station(2, "2<"),
    "a bracket": station(2, "2>"),
    "an end of CDATA": station(2, "2]]>"),
    "CDATA": station(2, "<![CDATA[2]]>"),
    "a comment": station(2, "2<!-- 3 -->4"),
    "an instruction": station(2, "2<?x y?>4"),
    "a reference by number": station(2, "&#50;"),
    "a reference to nothing": station(2, "&nbsp;"),
    "an ampersand": station(2, name="A&B"),
    "an escaped reference": station(2, name="&amp;lt;"),
    "a control character": station(2, name="A\x01B"),
    "no character": station(2, name="A￾B"),
    "letters of other scripts": station(2, name="Straße 東京 \U0001f50c"),
    "a tabulator and a line": station(2, name="A\tB\r\nC"),
    "an attribute": station(2).replace("<Port>", "<Port id='1'>"),
    "an element without end": station(2).replace("</Port>", ""),
    "an end too many": station(2).replace("</Port>", "</Port></Port>"),
    "an element within": station(2, rest=station(3)),
    "a second end": station(2).replace("</stationData>", "</stationData></stationData>"),
    "an empty one": "<stationData/>",
    "one with attributes": station(2).replace("<stationData>", "<stationData a='1'>"),
    "one in a comment": f"<!-- {station(2)} -->",
    "one behind a comment": f"<!-- --> {station(2)}<!-- {station(4)}",
    "one in CDATA": f"<x><![CDATA[{station(2)}]]></x>",
    "one in another element": f"<odd>{station(2)}</odd>",
    "text behind": station(2) + "text",
    "a port less": station(2).replace("<portNumber>1</portNumber>", ""),
    "a field twice": station(2, rest="<stationLoad>9</stationLoad>"),
    "a port twice": station(2, rest="<Port><portNumber>1</portNumber></Port>"),
    "an empty field": station(2, ""),
    "a field without text": station(2).replace("<stationLoad>1.5</stationLoad>", "<stationLoad/>"),
    "no id": station(2).replace("stationID", "stationId"),
    "the id of another": station(1, "8"),
    "another prefix": station(2).replace("<Port>", "<q:Port>"),
    "white space": station(2).replace("><", ">\r\n  <") + "\n",
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_station_that_is_not_like_the_others(other, place):
    plain = [station(number) for number in (5, 6, 7)]
    both(content_of(*plain))
    at = {"first": 0, "middle": 2, "last": 3}[place]
    content = content_of(*plain[:at], other, *plain[at:])
    for _ in range(2):
        both(content)
    both(content_of(*plain))


AROUND = {
    "nothing": "{}",
    "an element": "<odd>{}</odd>",
    "a comment": "<!-- {} -->",
    "a comment that ends within": "<!-- {}",
    "CDATA": "<x><![CDATA[{}]]></x>",
    "an attribute": "<x a='{}'/>",
    "a namespace": "<x xmlns='urn:y'>{}</x>",
    "an empty one in front": "<stationData/>{}",
    "an empty one in front of a comment": "<stationData/><!-- {} -->",
    "an empty one behind CDATA": "<x><![CDATA[{}]]></x><stationData a='1'/>",
    "one in a comment in front": "<!--<stationData/>-->{}",
    "one in a comment behind": "{}<!--<stationData/>-->",
    "an end behind": "{}</stationData>",
    "a flag": "{}<moreFlag>1</moreFlag>",
    "a text": "x{}y",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_what_stands_around_the_stations(around):
    stations = [station(number) for number in range(3)]
    both(content_of(*stations))
    both(content_of(*stations, around=around))
    both(content_of(stations[0], around=around))


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "us-ascii", "UTF-8", "cp1252"])
def test_another_encoding(encoding):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>' + content_of(station(1, name="E")).decode()
    )
    both(text.encode(encoding))
    both(text.replace("<sessionID>E", "<sessionID>É").encode("utf-8"))
    both(text.replace("<sessionID>E", "<sessionID>É").encode("iso-8859-1"))


def test_a_code_counts_before_what_is_read():
    content = content_of(station(1)).replace(b">100<", b">102<")
    assert "getLoad" in both(content)


def test_a_damaged_reply_is_read_a_second_time_and_marked():
    page = both(content_of(station(1), station(2, name="A&B"), station(3)))
    assert [record.station_id for record in page.rows] == ["1:1", "1:2", "1:3"]
    assert page.rows[0].values["stationLoad"] == 1.5


def test_what_is_no_reply_says_why():
    with pytest.raises(InvalidReplyError, match="not well-formed XML"):
        station_pieces.page(content_of(station(1, "<b>")), CALLER, LOAD)


def test_stations_that_are_all_different_teach_a_few_shapes_only():
    for page in range(40):
        extra = [f"<x{page}_{number}>1</x{page}_{number}>" for number in range(20)]
        both(content_of(*(station(number, rest=extra[number]) for number in range(20))))
    assert len(station_pieces._shapes["getLoad"]) <= 16


PIECE = st.text(st.sampled_from("ab<>/&;! \n\r\t]][\x00é￾-=\"'1.?"), max_size=12) | st.sampled_from(
    ["<Port>", "</Port>", "<stationData>", "</stationData>", "<!--", "-->", "<![CDATA[", "]]>",
     "&amp;", "&lt;", "<portLoad>2</portLoad>", "<stationID>1:9</stationID>", "<stationData "]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 10_000), PIECE), min_size=1, max_size=4))
def test_damage_anywhere(damage):
    both(content_of(*(station(number) for number in range(4))))
    text = content_of(*(station(number, str(number + 0.5)) for number in range(4))).decode()
    for where, piece in damage:
        at = where % (len(text) + 1)
        text = text[:at] + piece + text[at:]
    both(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("path", sorted(DATA.glob("get*.xml")), ids=lambda path: path.stem)
def test_recorded_replies_of_every_call(path):
    call = CHARGEPOINT.calls[path.stem.partition("-")[0]]
    if call.time_field or call.name == "getStationRights":
        return
    content, caller = path.read_bytes(), Caller(call.name, "u", "region na")
    plainly = parser.page(content, caller, call, parser.stations)
    for _ in range(2):
        assert station_pieces.page(content, caller, call) == plainly
    # Each text another one: read by shape what was learned.
    changed = re.sub(rb">([^<]*[0-9])<(?=/(?!responseCode))", rb">\g<1>7<", content)
    plainly = parser.page(changed, caller, call, parser.stations)
    assert station_pieces.page(changed, caller, call) == plainly
