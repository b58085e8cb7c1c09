"""Devices of one account share one interface, so that a poll is a handful of calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from chargepoint_driver.simulator import Simulator

from .conftest import Driver, Time
from .devices import classic_rows, device, row


def garage(sim: Simulator, **options: object) -> dict[str, dict]:
    return {
        f"garage/s{number:03}": device(sim, station.station_id, classic_rows(), **options)
        for number, station in enumerate(sim.world.stations)
    }


def test_a_hundred_devices_one_interface_ten_calls(
    driver: Driver, make_sim: Callable[..., Simulator], clock: Time
) -> None:
    sim = make_sim(stations=100)
    driver.start(garage(sim))
    assert len(driver.devices) == 100
    assert len(driver.remotes) == 1
    assert sim.calls.total == 0  # setting up asks for nothing

    values, errors = driver.poll()
    assert not errors
    assert len(values) == len(driver.topics()) > 5_000
    assert sim.calls.total <= 10, sim.calls.counts()

    # Nothing is due.
    sim.calls.reset()
    assert driver.poll() == (values, {})
    assert sim.calls.total == 0

    # Live rows are due: one status of a hundred stations, one load of their group.
    clock.pass_(60.0)
    driver.poll()
    assert sim.calls.counts() == {"getStationStatus": 1, "getLoad": 1}


def test_the_host_s_own_first_polls_cost_no_more(
    driver: Driver, make_sim: Callable[..., Simulator]
) -> None:
    sim = make_sim(stations=30)
    devices = garage(sim)
    for content in devices.values():
        content["interval"] = 1
    driver.start(devices)
    complete = {f"devices/{topic}/multi" for topic in devices}
    names = {topic.rsplit("/", 1)[-1] for topic in driver.topics()}

    def everything_has_been_published() -> bool:
        seen: dict[str, set[str]] = {}
        for topic, _, message in driver.agent.vip.published:
            seen.setdefault(topic, set()).update(message[0])
        return all(seen.get(topic, set()) >= names for topic in complete)

    driver.wait_for(everything_has_been_published)
    assert sim.calls.total <= 10, sim.calls.counts()


def test_what_makes_an_account(driver: Driver, make_sim: Callable[..., Simulator]) -> None:
    first, second = make_sim(), make_sim()
    first.accounts.add("another", "its password")
    driver.start(
        {
            "a/one": device(first, "1:34001"),
            "a/two": device(first, "1:34002", timeout=7),
            "b/one": device(first, "1:34001", username="another", password="its password"),
            "c/one": device(second, "1:34001"),
            "d/one": device(first, "1:34001", endpoint=first.soap_url_5_1),
        }
    )
    assert len(driver.remotes) == 4
    for remote in driver.remotes:
        topics = list(remote.interface.point_map)
        values, errors = remote.get_multiple_points(topics)
        assert (set(values), errors) == (set(topics), {})


def test_regions_are_accounts_of_their_own(driver: Driver, sim: Simulator) -> None:
    def in_region(region: str) -> dict:
        content = device(sim, "1:34001", region=region)
        del content["driver_config"]["endpoint"]
        return content

    driver.start({"a/na": in_region("na"), "a/na2": in_region("na"), "a/eu": in_region("eu")})
    assert len(driver.remotes) == 2
    assert sim.calls.total == 0


class TestPortNumber:
    ROWS: ClassVar = [
        row(Volttron_Point_Name="load", Port="", Currency="0"),
        row(
            Volttron_Point_Name="limit",
            Attribute_Name="allowedLoad",
            Port="",
            Writable="TRUE",
            Currency="0",
        ),
        row(
            Volttron_Point_Name="shed",
            Attribute_Name="shedState",
            Port="",
            Type="int",
            Writable="TRUE",
            Currency="0",
        ),
        row(
            Volttron_Point_Name="model",
            Attribute_Name="stationModel",
            Register_Name="StationRegister",
            Port="",
            Type="string",
        ),
    ]

    def start(self, driver: Driver, sim: Simulator) -> None:
        driver.start(
            {
                f"garage/p{port}": device(sim, "1:34001", self.ROWS, portNumber=port)
                for port in (1, 2)
            }
        )

    def test_rows_need_no_port(self, driver: Driver, sim: Simulator) -> None:
        self.start(driver, sim)
        first, second = (driver.get(f"garage/p{port}", "load", "model") for port in (1, 2))
        assert first["load"] != second["load"]
        assert first["model"] == second["model"]
        assert sim.calls.counts() == {"getLoad": 2, "getStations": 1}

    def test_writes_act_on_the_port_alone(self, driver: Driver, sim: Simulator) -> None:
        self.start(driver, sim)
        for port in (1, 2):
            driver.set(f"garage/p{port}", "limit", float(port))
            assert driver.set(f"garage/p{port}", "shed", 1) == 1
        assert driver.set("garage/p1", "shed", 0) == 0
        assert driver.get("garage/p2", "load", "shed") == {"load": 2.0, "shed": 1}
        ports = [command.arguments["ports"] for command in sim.world.commands]
        assert ports[-1] == [1]
