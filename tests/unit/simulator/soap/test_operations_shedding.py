"""shedLoad, clearShedState and getLoad over the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import Client

STATION = "1:34001"
GROUP = 39491
PORT_1, PORT_2 = (STATION, "1"), (STATION, "2")


def station_shed(limit: str, ports: str = "", station: str = STATION) -> str:
    return f"<shedStation><stationID>{station}</stationID>{limit}{ports}</shedStation>"


def port_limit(number: int | str, limit: str) -> str:
    return f"<Ports><Port><portNumber>{number}</portNumber>{limit}</Port></Ports>"


def clear(client: Client, inner: str) -> str | None:
    return client.call("clearShedState", f"<shedQuery>{inner}</shedQuery>").code


def test_port_shed_is_an_absolute_ceiling(client: Client) -> None:
    before = client.loads(stationID=STATION)
    reply = client.shed(
        station_shed("", port_limit(1, "<allowedLoadPerPort>3.0</allowedLoadPerPort>"))
    )
    assert (reply.code, reply.texts("Success")) == ("100", ["1"])
    assert reply.texts("Ports/Port/allowedLoadPerPort") == ["3.000"]
    after = client.loads(stationID=STATION)
    assert after[PORT_1]["portLoad"] == "3.000"
    assert after[PORT_1]["shedState"] == "1"
    assert after[PORT_1]["allowedLoad"] == "3.000"
    assert after[PORT_1]["percentShed"] == "0"
    assert after[PORT_2] == before[PORT_2]


def test_station_limit_is_never_exceeded_by_its_ports(client: Client) -> None:
    limit = "<allowedLoadPerStation>7.001</allowedLoadPerStation>"
    assert client.shed(station_shed(limit)).code == "100"
    ports = client.loads(stationID=STATION)
    assert sum(float(port["allowedLoad"]) for port in ports.values()) <= 7.001
    assert sum(float(port["portLoad"]) for port in ports.values()) == pytest.approx(7.0)


def test_percent_is_of_what_flows_now(client: Client, clock: ManualClock) -> None:
    client.simulator.world.shed(
        [client.simulator.world.stations[0]], limit=Limit(allowed_kw=10.0), interval_min=0
    )
    before = client.loads(stationID=STATION)
    limit = "<percentShedPerStation>60</percentShedPerStation>"
    assert client.shed(station_shed(limit)).code == "100"
    after = client.loads(stationID=STATION)
    for key, port in after.items():
        assert float(port["portLoad"]) == pytest.approx(0.4 * float(before[key]["portLoad"]))
        assert (port["allowedLoad"], port["percentShed"]) == ("0.000", "60")


def test_group_limit_applies_to_each_station(client: Client) -> None:
    target = (
        f"<shedGroup><sgID>{GROUP}</sgID>"
        "<allowedLoadPerStation>4</allowedLoadPerStation></shedGroup>"
    )
    reply = client.shed(target)
    assert (reply.code, reply.texts("sgID")) == ("100", [str(GROUP)])
    reply = client.search("getLoad", sgID=GROUP)
    stations = reply.rows("stationData")
    assert len(stations) == 4
    assert all(float(row.findtext("stationLoad", "")) <= 4 for row in stations)
    assert float(reply.texts("sgLoad")[0] or "") == pytest.approx(
        sum(float(row.findtext("stationLoad", "")) for row in stations)
    )


def test_clearing_one_port_leaves_the_other(client: Client) -> None:
    before = client.loads(stationID=STATION)
    limit = "<allowedLoadPerStation>4</allowedLoadPerStation>"
    assert client.shed(station_shed(limit)).code == "100"
    ports = "<Ports><Port><portNumber>1</portNumber></Port></Ports>"
    assert clear(client, station_shed("", ports)) == "100"
    after = client.loads(stationID=STATION)
    assert after[PORT_1] == before[PORT_1]
    assert after[PORT_2]["portLoad"] == "2.000"
    assert clear(client, station_shed("")) == "100"
    assert client.loads(stationID=STATION) == before


def test_group_clear_clears_all(client: Client) -> None:
    before = client.loads(sgID=GROUP)
    for station in ("1:34001", "1:34002"):
        limit = "<allowedLoadPerStation>0</allowedLoadPerStation>"
        assert client.shed(station_shed(limit, station=station)).code == "100"
    assert client.loads(stationID=STATION)[PORT_1]["portLoad"] == "0.000"
    assert clear(client, f"<shedGroup><sgID>{GROUP}</sgID></shedGroup>") == "100"
    assert client.loads(sgID=GROUP) == before


def test_interval_ends_by_itself(client: Client, clock: ManualClock) -> None:
    limit = "<allowedLoadPerStation>2</allowedLoadPerStation>"
    assert client.shed(station_shed(limit), "<timeInterval>5</timeInterval>").code == "100"
    clock.advance(299)
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "1"
    clock.advance(1)
    after = client.loads(stationID=STATION)[PORT_1]
    assert (after["shedState"], after["allowedLoad"]) == ("0", "0.000")
    assert float(after["portLoad"]) > 2


def test_delays(start: Callable[..., Client], clock: ManualClock) -> None:
    client = start(shed_delay_s=300, clear_delay_s=600)
    limit = "<allowedLoadPerStation>2</allowedLoadPerStation>"
    client.shed(station_shed(limit))
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "0"
    clock.advance(300)
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "1"
    clear(client, station_shed(""))
    clock.advance(599)
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "1"
    clock.advance(1)
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "0"


FIVE = "<allowedLoadPerStation>5</allowedLoadPerStation>"
TEN_PERCENT = "<percentShedPerStation>10</percentShedPerStation>"
NO_END = "<timeInterval>0</timeInterval>"


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (station_shed(FIVE) + "<shedGroup/>" + NO_END, "187"),
        (station_shed(FIVE, "<Ports/>") + NO_END, "187"),
        (NO_END, "171"),
        (station_shed(FIVE), "171"),
        (station_shed(FIVE) + "<timeInterval/>", "171"),
        (station_shed(FIVE) + "<timeInterval>-1</timeInterval>", "171"),
        (station_shed(FIVE + TEN_PERCENT) + NO_END, "171"),
        (station_shed(FIVE + "<percentShedPerStation/>") + NO_END, "171"),
        (station_shed("") + NO_END, "171"),
        (station_shed(FIVE.replace("5", "-1")) + NO_END, "171"),
        (station_shed(FIVE.replace("5", "NaN")) + NO_END, "171"),
        (station_shed(FIVE.replace("5", "much")) + NO_END, "171"),
        (station_shed(TEN_PERCENT.replace("10", "101")) + NO_END, "171"),
        (station_shed(TEN_PERCENT.replace("10", "-1")) + NO_END, "171"),
        (station_shed(FIVE, station="1:99999") + NO_END, "119"),
        (station_shed("", "<Ports/>") + NO_END, "171"),
        (station_shed("", port_limit(9, FIVE.replace("Station", "Port"))) + NO_END, "171"),
        (station_shed("", port_limit("one", FIVE.replace("Station", "Port"))) + NO_END, "171"),
        (station_shed("", port_limit(1, "")) + NO_END, "171"),
        (f"<shedGroup><sgID>1</sgID>{FIVE}</shedGroup>{NO_END}", "102"),
    ],
)
def test_refused_sheds_change_nothing(client: Client, inner: str, code: str) -> None:
    before = client.loads(sgID=GROUP)
    assert client.call("shedLoad", f"<shedQuery>{inner}</shedQuery>").code == code
    assert client.loads(sgID=GROUP) == before
    assert client.simulator.world.commands[-1].response_code == code


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "171"),
        (station_shed("") + "<shedGroup/>", "187"),
        (station_shed("", station="1:99999"), "119"),
        (station_shed("", "<Ports/>"), "171"),
        (station_shed("", "<Ports><Port><portNumber>7</portNumber></Port></Ports>"), "171"),
        ("<shedGroup><sgID>1</sgID></shedGroup>", "102"),
    ],
)
def test_refused_clears(client: Client, inner: str, code: str) -> None:
    assert clear(client, inner) == code


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "187"),
        (f"<sgID>{GROUP}</sgID><stationID/>", "187"),
        (f"<sgID>{GROUP}</sgID><stationID>{STATION}</stationID>", "187"),
        ("<stationID>1:99999</stationID>", "102"),
        ("<stationID/>", "102"),
        ("<sgID>1</sgID>", "102"),
        ("<sgID/>", "102"),
    ],
)
def test_get_load_wants_exactly_one(client: Client, inner: str, code: str) -> None:
    assert client.call("getLoad", f"<searchQuery>{inner}</searchQuery>").code == code


def test_commands_are_recorded_as_they_were_read(client: Client, clock: ManualClock) -> None:
    ports = port_limit(1, "<percentShedPerPort>25</percentShedPerPort>")
    client.shed(station_shed("", ports), "<timeInterval>15</timeInterval>")
    clock.advance(60)
    clear(client, station_shed(""))
    client.search("clearAlarms", stationID=STATION)
    first, second, third = client.simulator.world.commands
    assert first.operation == "shedLoad"
    assert first.arguments == {
        "stationID": STATION,
        "ports": [{"portNumber": 1, "percentShedPerPort": 25}],
        "timeInterval": 15,
    }
    assert second.operation == "clearShedState"
    assert second.time_s - first.time_s == 60
    assert (third.operation, third.arguments) == ("clearAlarms", {"stationID": STATION})
    assert {first.response_code, second.response_code, third.response_code} == {"100"}


def test_events_over_the_wire(client: Client, clock: ManualClock) -> None:
    event = (
        "<shedEvent><stationID>{}</stationID><eventStartTime>2026-03-03T18:10:00Z"
        "</eventStartTime><eventDuration>10</eventDuration>"
        "<allowedLoadPerPort>1.5</allowedLoadPerPort></shedEvent>"
    )
    reply = client.call("createLoadShedEvent", event.format(STATION))
    assert (reply.code, reply.texts("eventId")) == ("100", ["1"])
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "0"
    clock.advance(600)
    assert client.loads(stationID=STATION)[PORT_1]["portLoad"] == "1.500"
    assert client.call("removeLoadShedEvent", "<eventId>1</eventId>").code == "100"
    assert client.loads(stationID=STATION)[PORT_1]["shedState"] == "0"
    assert client.call("removeLoadShedEvent", "<eventId>1</eventId>").code == "127"
    assert client.call("createLoadShedEvent", event.format("1:1")).code == "119"
    both = event.format(STATION).replace("<eventStart", "<sgID/><eventStart")
    assert client.call("createLoadShedEvent", both).code == "187"
    without_limit = event.format(STATION).replace("allowedLoadPerPort", "allowOptOut")
    assert client.call("createLoadShedEvent", without_limit.replace("1.5", "0")).code == "171"


def test_a_station_that_accepts_and_shows_a_shed_and_does_not_obey(
    client: Client, clock: ManualClock
) -> None:
    client.simulator.faults.set("shedLoad", "ignores_shed", station=STATION, times=1)
    before = client.loads(stationID=STATION)
    limit = station_shed("", port_limit(1, "<allowedLoadPerPort>3.0</allowedLoadPerPort>"))
    reply = client.shed(limit)
    assert (reply.code, reply.texts("Ports/Port/allowedLoadPerPort")) == ("100", ["3.000"])
    after = client.loads(stationID=STATION)
    assert (after[PORT_1]["shedState"], after[PORT_1]["allowedLoad"]) == ("1", "3.000")
    assert after[PORT_1]["portLoad"] == before[PORT_1]["portLoad"]
    assert float(after[PORT_1]["portLoad"]) > 3
    clock.advance(60)
    assert float(client.loads(stationID=STATION)[PORT_1]["portLoad"]) > 3
    # The next command is obeyed.
    client.shed(limit)
    assert client.loads(stationID=STATION)[PORT_1]["portLoad"] == "3.000"


def test_a_station_that_obeys_a_shed_only_later(client: Client, clock: ManualClock) -> None:
    client.simulator.faults.set("shedLoad", "ignores_shed", obeys_after_s=90)
    client.shed(station_shed("", port_limit(1, "<allowedLoadPerPort>3.0</allowedLoadPerPort>")))
    for seconds, load_is_held in ((0, False), (89, False), (1, True)):
        clock.advance(seconds)
        port = client.loads(stationID=STATION)[PORT_1]
        assert port["shedState"] == "1"
        assert (port["portLoad"] == "3.000") == load_is_held


def test_one_station_of_a_group_that_does_not_obey(client: Client) -> None:
    client.simulator.faults.set("shedLoad", "ignores_shed", station=STATION)
    limit = "<allowedLoadPerStation>4.0</allowedLoadPerStation>"
    assert client.shed(f"<shedGroup><sgID>{GROUP}</sgID>{limit}</shedGroup>").code == "100"
    loads = client.loads(sgID=GROUP)
    assert {port["shedState"] for port in loads.values()} == {"1"}
    of_station: dict[str, float] = {}
    for (station, _), port in loads.items():
        of_station[station] = of_station.get(station, 0.0) + float(port["portLoad"])
    assert of_station.pop(STATION) > 4.0
    assert all(load <= 4.0 for load in of_station.values())
