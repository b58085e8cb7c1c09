"""However a reply is put together, and whatever was read before it, it means what a plain walk
over its elements finds."""

from __future__ import annotations

import pytest
import responses
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from chargepoint_driver.backend import Request
from chargepoint_driver.backends.soap import SoapBackend, station_pieces
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.config import AccountConfig

from .service import URL, Service, reply

NAMES = {
    call: {
        row.name: row.path[0]
        for row in CHARGEPOINT.of_call(call)
        if row.kind.value in {"string", "float", "integer"} and row.path[0]
    }
    for call in ("getLoad", "getStationStatus")
}


def text_of(element, name):
    found = element.find(name)
    return None if found is None else (found.text or "").strip() or None


def plainly(content, call):
    """{station: ({name: text}, {port: {name: text}})}, the first of two of one id."""
    answer = etree.fromstring(content.encode()).find(f".//{{*}}{call}Response")
    found = {}
    for station in answer.findall("stationData"):
        station_id = text_of(station, "stationID")
        if station_id is None:
            continue
        ports = {}
        for port in station.findall("Port"):
            number = text_of(port, "portNumber")
            if number in {"1", "2"}:
                values = {
                    name: text_of(port, path[5:])
                    for name, path in NAMES[call].items()
                    if path.startswith("Port/")
                }
                ports.setdefault(int(number), values)
        values = {n: text_of(station, p) for n, p in NAMES[call].items() if "/" not in p}
        found.setdefault(station_id, (values, ports))
    return found


def said(value):
    """A value as its text; numbers of these replies are written so that this is the same."""
    if value is None or isinstance(value, str):
        return value
    return getattr(value, "text", None) or f"{value:g}"


def read(backend, service, content, call):
    service.answers(content)
    records = backend.fetch(Request(call, ("1",))).records
    names = NAMES[call]
    return {
        station_id: (
            {n: said(record.values.get(n)) for n, p in names.items() if "/" not in p},
            {
                number: {n: said(port.get(n)) for n, p in names.items() if p.startswith("Port/")}
                for number, port in record.ports.items()
            },
        )
        for station_id, record in records.items()
    }


@pytest.fixture(scope="module")
def line():
    account = AccountConfig(username="u", password="p", endpoint=URL)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        backend = SoapBackend(account)
        yield backend, Service(mock)
        backend.close()


LEAVES = ["stationID", "stationLoad", "networkStatus", "portNumber", "portLoad", "Status", "odd"]
LEAF = st.tuples(st.sampled_from(LEAVES), st.sampled_from(["", "1", "2", "0.5", "x", " 1 "]))
PORT = st.tuples(
    st.just("Port"),
    st.lists(st.one_of(LEAF, st.tuples(st.just("portNumber"), st.just("1"))), max_size=4),
)
NESTED = st.recursive(
    st.one_of(LEAF, PORT),
    lambda inner: st.tuples(
        st.sampled_from([*LEAVES, "Port", "stationData", "stationData x='1'"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=6,
)
STATION = st.tuples(
    st.sampled_from(["stationData", "stationData", "stationData ", "stationData x='1'"]),
    st.lists(
        st.one_of(st.tuples(st.just("stationID"), st.just("1")), LEAF, PORT, NESTED), max_size=6
    ),
)
STRAY = st.sampled_from(
    ["", "<!-- <stationData> -->", "<![CDATA[<stationData>]]>", "<stationData/>", "<?p x?>"]
)


def xml(tree):
    name, inner = tree
    text = inner if isinstance(inner, str) else "".join(map(xml, inner))
    return f"<{name}>{text}</{name.split()[0]}>"


def load(number, kw):
    return ("Port", [("portNumber", number), ("portLoad", kw)])


FIRST = ("stationData", [("stationID", "1"), load("1", "1")])
SECOND = ("stationData", [("stationID", "2")])
# As many stations as start tags without attributes, and not the same ones.
HIDDEN = [
    ("stationData x='1'", [("stationID", "8")]),
    ("stationData x='1'", [("stationID", "9")]),
    ("odd", [FIRST, SECOND]),
]


@given(
    st.lists(
        st.tuples(st.lists(st.one_of(STATION, NESTED), max_size=3), STRAY), min_size=1, max_size=3
    ),
    st.sampled_from(sorted(NAMES)),
)
@example([(HIDDEN, ""), ([FIRST, SECOND], "")], "getLoad")
@example([([FIRST, ("stationID", "2"), load("1", "5")], "")], "getLoad")
@example([([("stationData", []), ("Port", [])], "")], "getLoad")
@example([([("stationData", [("stationID", "1"), SECOND])], "")], "getLoad")
def test_replies_one_after_another(line, replies, call):
    backend, service = line
    for trees, stray in replies:
        content = reply(call, stray + "".join(map(xml, trees)))
        assert read(backend, service, content, call) == plainly(content, call), content


def test_what_is_remembered_does_not_grow_with_the_number_of_polls(line):
    backend, service = line
    station_pieces._seen["getLoad"].clear()
    for poll in range(50):
        stations = "".join(
            f"<stationData><stationID>1:{n}</stationID><stationLoad>{poll}.{n}</stationLoad>"
            "</stationData>"
            for n in range(20)
        )
        service.answers(reply("getLoad", stations))
        records = backend.fetch(Request("getLoad", ("1:1",))).records
        assert records["1:7"].values["stationLoad"] == float(f"{poll}.7")
    assert len(station_pieces._seen["getLoad"]) == 20
