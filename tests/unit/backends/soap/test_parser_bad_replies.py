"""Whatever arrives, only errors of the tree come out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.errors import ChargePointError, InvalidReplyError, OutcomeUnknownError

from .service import DATA, ENVELOPE_NS, envelope, recorded, reply

LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
GOOD = recorded("getLoad-5.0")
BAD = {
    "empty": b"",
    "blank": b" \n",
    "text": b"Service Unavailable",
    "html": b"<html><head></head><body>Maintenance</body></html>",
    "json": b'{"error": 1}',
    "truncated": GOOD[:-60],
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "two documents": GOOD + GOOD,
    "no body": f'<s:Envelope xmlns:s="{ENVELOPE_NS}"/>'.encode(),
    "empty body": envelope("").encode(),
    "text in the body": envelope("hello").encode(),
    "comment in the body": envelope("<!-- x --><?pi x?>").encode(),
    "other operation": recorded("getStations-5.0"),
    "no namespace": reply("getLoad").replace("n:getLoad", "getLoad").encode(),
    "wrong namespace": reply("getLoad").replace("com.chargepoint", "com.other").encode(),
    "wrong envelope": reply("getLoad").replace("/soap/envelope/", "/other/").encode(),
    "wrong encoding": '<?xml version="1.0" encoding="utf-8"?><x>é</x>'.encode("latin-1"),
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><x/>',
    "wrongly declared utf-16": b'<?xml version="1.0" encoding="utf-16"?><x/>',
    "control character": reply("getLoad", "\x01").encode(),
    "doctype": f"<!DOCTYPE x>{reply('getLoad')}".encode(),
    "external doctype": f'<!DOCTYPE x SYSTEM "http://e.test/x.dtd">{reply("getLoad")}'.encode(),
    "entities": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>{reply("getLoad", "&l9;")}'.encode(),
    "file entity": (
        f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>{reply("getLoad", "&f;")}'
    ).encode(),
    "deep": reply("getLoad", "<a>" * 5000 + "</a>" * 5000).encode(),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_reply_is_a_bad_reply(content, backend, service):
    service.answers(content)
    with pytest.raises(InvalidReplyError, match="getLoad") as caught:
        backend.fetch(Request("getLoad", ("1:1",)))
    assert len(str(caught.value)) < 600
    assert len(service.requests) == 1


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_write_answered_so_may_be_in_force_and_is_sent_once(content, backend, service):
    service.answers(content.replace(b"getLoad", b"shedLoad"))
    with pytest.raises(OutcomeUnknownError, match=r"shedLoad.*may be in force; read the point"):
        backend.shed(Target("1:1"), Limit(allowed_load_kw=2.0), 60)
    assert len(service.requests) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_reply_in_another_encoding_is_read(encoding, backend, service):
    text = reply("getLoad", "<stationData><stationID>1:é</stationID></stationData>")
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
    service.answers(declared.encode(encoding))
    assert list(backend.fetch(Request("getLoad", ("1:é",))).records) == ["1:é"]


CALLS = st.sampled_from(list(CHARGEPOINT.calls.values()))
READERS = {"getStationRights": parser.rights}


def read(content, call):
    caller = Caller(call.name, "u", "region na")
    with contextlib.suppress(ChargePointError):
        answer, _ = parser.payload(content, caller)
        parser.has_more_pages(answer)
        READERS.get(call.name, parser.events if call.time_field else parser.stations)(answer, call)


def test_what_the_xml_library_says_stands_on_one_line(monkeypatch):
    def two_lines(*_):
        raise ValueError("not\n  at once")

    monkeypatch.setattr(parser.etree, "fromstring", two_lines)
    with pytest.raises(InvalidReplyError, match=r"well-formed XML \(not at once\)"):
        parser.payload(b"<x/>", Caller("getLoad", "u", "region na"))


@given(st.binary(max_size=300), CALLS)
def test_random_bytes(content, call):
    read(content, call)


RECORDED = sorted(path.stem for path in DATA.glob("get*.xml"))


@given(st.data())
def test_recorded_replies_with_random_damage(data):
    name = data.draw(st.sampled_from(RECORDED))
    content = bytearray(recorded(name))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = data.draw(st.integers(start, min(start + 60, len(content))))
        content[start:end] = data.draw(
            st.one_of(st.binary(max_size=8), st.just(b""), st.just(bytes(content[start:end] * 2)))
        )
        if not content:
            return
    read(bytes(content), CHARGEPOINT.calls[name.split("-", maxsplit=1)[0]])


NAMES = sorted(
    {part for row in CHARGEPOINT for path in row.path for part in path.split("/") if part}
)
TREES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&>￾￿"), max_size=8),
    lambda inner: st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=5),
    max_leaves=25,
)


def xml(tree):
    if isinstance(tree, str):
        return tree
    return "".join(f"<{name}>{xml(inner)}</{name}>" for name, inner in tree)


@given(CALLS, st.lists(st.lists(st.tuples(st.sampled_from(NAMES), TREES), max_size=6), max_size=3))
def test_known_names_in_any_place(call, rows):
    inner = "".join(f"<{call.record}>{xml(row)}</{call.record}>" for row in rows)
    content = reply(call.name, inner).encode()
    answer, _ = parser.payload(content, Caller(call.name, "u", "region na"))
    READERS.get(call.name, parser.events if call.time_field else parser.stations)(answer, call)
