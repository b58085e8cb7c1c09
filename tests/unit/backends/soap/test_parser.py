"""Replies are read by element name, leniently; what cannot be read never becomes a value."""

from __future__ import annotations

import random
import time

import pytest
from lxml import etree

from chargepoint_driver.backend import Request
from chargepoint_driver.errors import InvalidReplyError, NotFoundError
from chargepoint_driver.registry import build

from .service import recorded, reply


@pytest.fixture
def read(backend, service):
    """Value of one row in a getLoad reply that holds these elements for station 1:1."""

    def read(inner, attribute, port="", kind="", register="LoadRegister", call="getLoad"):
        record = "stationData"
        service.answers(
            reply(call, f"<{record}><stationID>1:1</stationID>{inner}</{record}>"),
        )
        rows = {"Attribute Name": attribute, "Register Name": register, "Type": kind}
        registry = build([(2, {**rows, "Port #": port})], "rows", "1:1")
        assert registry.faults == []
        stations = () if call == "getStations" else ("1:1",)
        record = backend.fetch(Request(call, stations)).records["1:1"]
        return registry.points[attribute].value_of(record)

    return read


def port(number, inner):
    return f"<Port><portNumber>{number}</portNumber>{inner}</Port>"


@pytest.mark.parametrize("name", ["getLoad-5.1", "getStations-5.0", "getStationStatus-5.1"])
def test_the_order_of_elements_does_not_matter(name, backend, service):
    call = name.split("-", maxsplit=1)[0]
    request = Request(call, () if call == "getStations" else ("1:33923",))
    service.answers(recorded(name))
    wanted = backend.fetch(request).records
    shuffled = random.Random(5)
    for _ in range(5):
        root = etree.fromstring(recorded(name))
        for element in root.iter("stationData", "Port", "Geo", f"{{*}}{call}Response"):
            # Two price lists may both be there, and the first one counts.
            prices = element.findall("Pricing")
            children = list(element)
            shuffled.shuffle(children)
            in_order = iter(prices)
            element[:] = [next(in_order) if child in prices else child for child in children]
        service.answers(etree.tostring(root))
        assert backend.fetch(request).records == wanted


def test_unknown_elements_are_ignored_even_with_known_names_inside(read):
    inner = (
        "<!-- a comment --><?pi x?><Extra><portLoad>9</portLoad><stationLoad>8</stationLoad>"
        "</Extra><stationLoad>3</stationLoad>"
        + port(1, "<New><portLoad>7</portLoad></New><portLoad>1.5</portLoad><x/>")
        + f"<Wrapper>{port(1, '<portLoad>6</portLoad>')}</Wrapper>"
    )
    assert read(inner, "portLoad", 1) == 1.5
    assert read(inner, "stationLoad") == 3.0


def test_a_known_name_only_inside_an_unknown_element_is_not_reported(read):
    inner = port(1, "<New><portLoad>7</portLoad></New>") + "<New><stationLoad>8</stationLoad></New>"
    assert read(inner, "portLoad", 1) is None
    assert read(inner, "stationLoad") is None


def test_of_an_element_that_repeats_the_first_counts(read):
    twice = "<stationLoad>1</stationLoad><stationLoad>2</stationLoad>"
    inner = twice + port(1, "<portLoad>3</portLoad>") + port(1, "<portLoad>4</portLoad>")
    assert read(inner, "stationLoad") == 1.0
    assert read(inner, "portLoad", 1) == 3.0


def test_missing_coordinates_cost_only_themselves(read):
    inner = port(1, "<Level>L2</Level>") + port(2, "<Geo><Lat>37.5</Lat></Geo><Level>L1</Level>")
    where = {"register": "StationRegister", "call": "getStations"}
    assert read(inner, "Lat", 1, **where) is None
    assert read(inner, "Lat", 2, **where) == 37.5
    assert read(inner, "Long", 2, **where) is None
    assert read(inner, "Level", 1, **where) == "L2"


@pytest.mark.parametrize("number", ["", "<portNumber/>", "<portNumber>A</portNumber>"])
def test_a_port_without_number_is_nobodys(number, read):
    inner = f"<Port>{number}<portLoad>5</portLoad></Port>" + port(2, "<portLoad>1</portLoad>")
    assert read(inner, "portLoad", 2) == 1.0
    with pytest.raises(NotFoundError, match=r"station 1:1 has no port 1 .*there: 2.*Port #"):
        read(inner, "portLoad", 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), (" \n ", None), ("0", 0.0), ("0.000", 0.0), (" 3.314 ", 3.314), ("-1e-1", -0.1)],
)
def test_an_empty_text_is_not_zero(text, value, read):
    assert read(port(1, f"<portLoad>{text}</portLoad>"), "portLoad", 1) == value
    assert read(port(1, f"<portLoad>{text}</portLoad>"), "portLoad", 1) is not False


def test_a_station_without_ports_has_its_own_values(read):
    assert read("<stationLoad>0</stationLoad>", "stationLoad") == 0.0
    assert read("", "shedState") is None
    with pytest.raises(NotFoundError, match="there: none"):
        read("", "portLoad", 1)


@pytest.mark.parametrize("text", ["n/a", "NaN", "inf", "1e999", "1_0", "٣", "0x10", "3,5"])
def test_what_is_no_number_is_an_error_and_its_text_can_be_read(text, read):
    inner = port(1, f"<portLoad>{text}</portLoad>")
    with pytest.raises(
        InvalidReplyError, match=r"portLoad of 1:1 port 1 is '.*', which is not of type float"
    ):
        read(inner, "portLoad", 1)
    assert read(inner, "portLoad", 1, "string") == text


@pytest.mark.parametrize("text", ["1.5", "one", "1e999"])
def test_what_is_no_integer_is_an_error(text, read):
    with pytest.raises(InvalidReplyError, match="which is not of type integer"):
        read(port(1, f"<percentShed>{text}</percentShed>"), "percentShed", 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2016-11-07T19:19:19Z", "2016-11-07T19:19:19+00:00"),
        ("2016-11-07T19:19:19", "2016-11-07T19:19:19+00:00"),
        ("2016-11-07T11:19:19-08:00", "2016-11-07T19:19:19+00:00"),
        ("2016-11-07T19:19:19.5Z", "2016-11-07T19:19:19.500000+00:00"),
        ("2016-11-07T19:19:19.123456789Z", "2016-11-07T19:19:19.123456+00:00"),
    ],
)
def test_times_become_utc(text, value, read):
    inner = port(1, f"<TimeStamp>{text}</TimeStamp>")
    where = {"register": "StationStatusRegister", "call": "getStationStatus"}
    assert read(inner, "TimeStamp", 1, **where) == value


def test_a_time_without_zone_is_utc_wherever_this_runs(read, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        inner = port(1, "<TimeStamp>2017-01-02T03:04:05</TimeStamp>")
        where = {"register": "StationStatusRegister", "call": "getStationStatus"}
        assert read(inner, "TimeStamp", 1, **where) == "2017-01-02T03:04:05+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["yesterday", "2016-13-07T00:00:00Z", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_an_error(text, read):
    inner = port(1, f"<TimeStamp>{text}</TimeStamp>")
    with pytest.raises(InvalidReplyError, match="which is not of type datetime"):
        read(inner, "TimeStamp", 1, register="StationStatusRegister", call="getStationStatus")


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("0", False), ("true", True), ("FALSE", False), ("", None)]
)
def test_truth_values(text, value, read):
    inner = port(1, f"<Reservable>{text}</Reservable>")
    where = {"register": "StationRegister", "call": "getStations"}
    assert read(inner, "Reservable", 1, **where) is value


def test_declared_types(read):
    inner = port(1, "<shedState>1</shedState><portLoad>3.50</portLoad>")
    assert read(inner, "shedState", 1, "bool") is True
    assert read(inner, "shedState", 1, "string") == "1"
    shed = read(inner, "shedState", 1, "float")
    assert shed == 1.0
    assert type(shed) is float
    assert read(inner, "portLoad", 1, "string") == "3.5"


@pytest.mark.parametrize(("kind", "value"), [("", 0), ("bool", False), ("string", "0")])
def test_a_command_reads_as_nothing_of_its_declared_type(kind, value, read):
    found = read(
        "", "clearAlarms", kind=kind, register="AlarmRegister", call="getLoad"
    )  # whatever the record holds
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("states", "value"),
    [("00", 0), ("01", 1), ("11", 1), (" 1", 1), ("x1", 1), ("0 ", None), ("  ", None)],
)
def test_shed_state_of_a_whole_station(states, value, read):
    inner = "".join(port(n, f"<shedState>{s}</shedState>") for n, s in enumerate(states, 1))
    assert read(inner, "shedState") == value


@pytest.mark.parametrize("states", ["x0", "0x", "xy", "yx", "x "])
def test_an_unreadable_port_is_an_error_of_the_whole_station(states, read):
    inner = "".join(port(n, f"<shedState>{s}</shedState>") for n, s in enumerate(states, 1))
    with pytest.raises(InvalidReplyError, match=r"shedState of 1:1 is '[xy]'"):
        read(inner, "shedState")


@pytest.mark.parametrize(("loads", "value"), [("77", 7.0), ("70", None), ("7 ", None)])
def test_a_limit_of_a_whole_station_is_the_one_that_ports_share(loads, value, read):
    inner = "".join(port(n, f"<allowedLoad>{kw}</allowedLoad>") for n, kw in enumerate(loads, 1))
    assert read(inner, "allowedLoad") == value


def test_names_per_port_and_per_station(read):
    where = {"register": "StationRegister", "call": "getStations"}
    of_port = port(1, "<stationName>a</stationName>") + port(2, "<stationName>b</stationName>")
    assert read(of_port, "stationName", 2, **where) == "b"
    assert read(of_port, "stationName", **where) is None
    assert read(port(1, "") + "<stationName>c</stationName>", "stationName", 1, **where) == "c"
    assert read(port(1, "") + "<stationName>c</stationName>", "stationName", **where) == "c"


def test_a_station_without_id_is_nobodys(backend, service):
    load = "<stationLoad>1</stationLoad>"
    named = f"<stationData>{load}<stationID>1:2</stationID></stationData>"
    service.answers(reply("getLoad", f"<stationData>{load}</stationData>{named}"))
    assert list(backend.fetch(Request("getLoad", ("1:2",))).records) == ["1:2"]
