"""Bad configuration costs only its own device, and one warning names all that is wrong."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from volttron.driver.base.config import PointConfig
from volttron.driver.base.driver import DriverAgent
from volttron.driver.base.interfaces import DriverInterfaceError

from chargepoint_driver.registry.columns import FIELDS
from chargepoint_driver.simulator import Simulator

from .conftest import Driver, writes
from .devices import CLASSIC, POINTS, classic_rows, device, row, rows


def skipped(caplog: pytest.LogCaptureFixture) -> str:
    """The host's one warning about a device it left out."""
    (record,) = (r for r in caplog.records if "Skipping configuration" in r.getMessage())
    assert record.levelno == logging.WARNING
    return record.getMessage()


BAD_ROWS = [
    row(Volttron_Point_Name="fine"),
    row(Volttron_Point_Name="typo", Attribute_Name="portLod"),
    row(Volttron_Point_Name="elsewhere", Register_Name="AlarmRegister"),
    row(Volttron_Point_Name="port", Port="one"),
    row(Volttron_Point_Name="write", Writable="TRUE"),
    row(Volttron_Point_Name="type", Type="complex"),
    row(Volttron_Point_Name="pace", Scrape_Interval="often"),
    row(Volttron_Point_Name="age", Currency="-1"),
    row(Volttron_Point_Name="a/b"),
]
# Row of a CSV file (the first data row is its row 2), column, and words of problem and cure.
BAD_PLACES = [
    ("row 3", "Attribute Name", "'portLoad'"),
    ("row 4", "Register Name", "LoadRegister"),
    ("row 5", "Port #", "'one'"),
    ("row 6", "Writable", "FALSE"),
    ("row 7", "Type", "float"),
    ("row 8", "Scrape Interval", "whole seconds"),
    ("row 9", "Currency", "0 or more"),
    ("row 10", "Volttron Point Name", "slash"),
]


def test_bad_rows_cost_their_device_alone_and_are_told_all_at_once(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start(
        {
            "a/good": device(sim, "1:34001"),
            "a/bad": device(sim, "1:34002", BAD_ROWS),
            "a/late": device(sim, "1:34004"),
        }
    )
    assert driver.devices == {"a/good", "a/late"}
    lines = skipped(caplog).splitlines()
    assert "devices/a/bad" in lines[0]
    for place, column, word in BAD_PLACES:
        (line,) = (line for line in lines if f"{place}:" in line)
        assert column in line
        assert word in line
        assert "1:34002" in line
    assert not any("row 2:" in line for line in lines)
    values, errors = driver.poll()
    assert len(values) == 2 * len(POINTS)
    assert not errors
    assert not [topic for topic in driver.topics() if "a/bad" in topic]  # not half set up


def test_a_bad_first_device_does_not_stop_the_others(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({"a/bad": device(sim, "1:34002", BAD_ROWS), "a/good": device(sim, "1:34001")})
    assert driver.devices == {"a/good"}
    assert skipped(caplog)
    assert len(driver.poll()[0]) == len(POINTS)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"portNumber": 0}, ["portNumber"]),
        ({"portNumber": "two"}, ["portNumber"]),
        ({"stationID": ""}, ["stationID"]),
        ({"timeout": -1}, ["timeout"]),
        ({"timeout": 0}, ["timeout"]),
        ({"cacheExpiration": -1}, ["cacheExpiration"]),
        ({"cacheExpiration": "x"}, ["cacheExpiration"]),
        ({"region": "mars"}, ["region"]),
        ({"endpoint": "not a url"}, ["endpoint", "https://"]),
        ({"api_version": "4.1"}, ["api_version"]),
        ({"shed_duration": -5}, ["shed_duration"]),
        ({"shed_on_write": "perhaps"}, ["shed_on_write"]),
        ({"stationId": "1:2"}, ["stationId", "did you mean 'stationID'"]),
        ({"username": ""}, ["username"]),
        ({"password_env": "SOMETHING"}, ["password", "exactly one"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_bad_driver_config_costs_its_device_alone(
    driver: Driver,
    sim: Simulator,
    caplog: pytest.LogCaptureFixture,
    config: dict[str, Any],
    words: list[str],
) -> None:
    driver.start({"a/bad": device(sim, "1:34002", **config), "a/good": device(sim, "1:34001")})
    assert driver.devices == {"a/good"}
    message = skipped(caplog)
    assert "devices/a/bad" in message
    for word in words:
        assert word in message
    assert len(driver.poll()[0]) == len(POINTS)


def test_all_faults_of_a_driver_config_at_once(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    content = device(sim, "1:34002", region="mars", timeout=-1, colour="red")
    del content["driver_config"]["stationID"]
    driver.start({"a/bad": content})
    message = skipped(caplog)
    for word in ("'stationID' is missing", "region", "timeout", "colour"):
        assert word in message
    assert driver.devices == set()


def test_a_missing_password(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    content = device(sim, "1:34002")
    del content["driver_config"]["password"]
    driver.start({"a/bad": content})
    assert "exactly one of password" in skipped(caplog)


def test_a_device_without_rows(driver: Driver, sim: Simulator) -> None:
    driver.start({"a/bare": device(sim, "1:34001", [])})
    assert driver.poll() == ({}, {})


def test_a_bad_device_at_run_time(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({"a/good": device(sim, "1:34001")})
    assert driver.add("a/bad", device(sim, "1:34002", BAD_ROWS)) is False
    assert skipped(caplog)
    assert driver.devices == {"a/good"}
    assert len(driver.poll()[0]) == len(POINTS)


class TestClassicRegistry:
    def test_it_loads_whole(
        self, driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert CLASSIC.is_file()
        driver.start({"a/one": device(sim, "1:34001", classic_rows(), cacheExpiration=40)})
        values, errors = driver.poll()
        assert not errors
        # Two names are used twice: nothing is lost without a word.
        names = [row["Volttron Point Name"].strip() for row in classic_rows()]
        twice = {name for name in names if names.count(name) > 1}
        assert {topic.rsplit("/", 1)[-1] for topic in values} == set(names)
        warned = [r.getMessage() for r in caplog.records if "is used by row" in r.getMessage()]
        assert len(warned) == len(names) - len(set(names))
        for name in twice:
            assert any(repr(name) in text and "another name" in text for text in warned)


class TestHeartBeat:
    @pytest.mark.parametrize("name", ["Heartbeat", "devices/a/one/Heartbeat"])
    def test_it_is_answered_here(self, driver: Driver, sim: Simulator, name: str) -> None:
        driver.start({"a/one": device(sim, "1:34001", host={"heart_beat_point": name})})
        (remote,) = driver.remotes
        for _ in range(3):
            before = remote.heart_beat_value
            remote.heart_beat()
            assert remote.get_point(name) == 1 - before
            assert remote.get_multiple_points([name]) == ({name: 1 - before}, {})
        remote.revert_point(name)
        assert sim.calls.total == 0

    def test_each_device_of_an_account_may_name_one(self, driver: Driver, sim: Simulator) -> None:
        driver.start(
            {
                "a/one": device(sim, "1:34001", host={"heart_beat_point": "devices/a/one/Alive"}),
                "a/two": device(sim, "1:34002", host={"heart_beat_point": "Pulse"}),
            }
        )
        assert driver.poll(["devices/a/one/Alive", "Pulse", "devices/a/two/Pulse"])[1] == {}
        assert sim.calls.total == 0

    def test_a_bare_name_is_warned_of(
        self, driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        driver.start({"a/one": device(sim, "1:34001", host={"heart_beat_point": "Heartbeat"})})
        (text,) = (r.getMessage() for r in caplog.records if "heart_beat_point" in r.getMessage())
        assert "'Heartbeat' is a bare name" in text
        assert "full topic" in text

    @pytest.mark.parametrize("name", ["shedState", "devices/a/bad/shedState"])
    def test_it_must_not_be_a_point_of_the_station(
        self, driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        driver.start(
            {
                "a/bad": device(sim, "1:34002", host={"heart_beat_point": name}),
                "a/good": device(sim, "1:34001"),
            }
        )
        assert driver.devices == {"a/good"}
        assert "heart_beat_point" in skipped(caplog)

    @pytest.mark.parametrize("registry", [rows(), [row()]], ids=["refused", "not its own"])
    def test_a_beat_never_becomes_a_write_to_another_device(
        self, driver: Driver, sim: Simulator, registry: list[dict[str, str]]
    ) -> None:
        """The host beats the point that the account's first device names, also when that
        device itself was refused."""
        beat = {"heart_beat_point": "devices/a/two/shedState"}
        driver.start(
            {
                "a/one": device(sim, "1:34001", registry, host=beat),
                "a/two": device(sim, "1:34002"),
            }
        )
        (remote,) = driver.remotes
        driver.set("a/two", "allowedLoad", 2.0)
        for _ in range(4):
            with contextlib.suppress(DriverInterfaceError):
                remote.heart_beat()
        assert writes(sim) == 0

    def test_the_host_s_own_beats_cost_nothing(self, driver: Driver, sim: Simulator) -> None:
        content = device(sim, "1:34001", host={"heart_beat_point": "devices/a/one/Heartbeat"})
        driver.start({"a/one": content}, remote_heartbeat_interval=0.02)
        driver.wait_for(lambda: driver.remotes[0].heart_beat_value == 1)
        driver.wait_for(lambda: driver.remotes[0].heart_beat_value == 0)
        assert sim.calls.total == 0

    def test_a_point_of_another_device_with_that_name_is_still_a_point(
        self, driver: Driver, sim: Simulator
    ) -> None:
        driver.start(
            {
                "a/one": device(sim, "1:34001", host={"heart_beat_point": "load"}),
                "a/two": device(sim, "1:34001", [row(Volttron_Point_Name="load")]),
            }
        )
        (remote,) = driver.remotes
        remote.heart_beat()
        values, _ = driver.poll(["devices/a/two/load"])
        assert values["devices/a/two/load"] > 5.0


def test_stored_again_with_other_rows(driver: Driver, sim: Simulator) -> None:
    driver.start({"a/one": device(sim, "1:34001")})
    more = [*rows(), row(Volttron_Point_Name="second", Port="2", Currency="0")]
    driver.update("a/one", device(sim, "1:34001", more))
    values, errors = driver.poll()
    assert not errors
    assert "devices/a/one/second" in values


def test_a_registry_row_edited_by_the_host_is_still_a_row(driver: Driver, sim: Simulator) -> None:
    """The host stores rows under its own field names once a point has been enabled by RPC."""
    driver.start({"a/one": device(sim, "1:34001")})
    tree = driver.agent.equipment_tree
    stored = [
        tree.get_node(topic).config.model_dump(mode="json") for topic in driver.topics("a/one")
    ]
    assert driver.add("a/again", device(sim, "1:34001", stored))
    values, errors = driver.poll(driver.topics("a/again"))
    assert len(values) == len(POINTS)
    assert not errors


def test_a_row_that_the_host_stores_has_every_column(driver: Driver, sim: Simulator) -> None:
    given = row(Scrape_Interval="60", Currency="5", Starting_Value="x", Units="kW", Notes="n")
    driver.start({"a/one": device(sim, "1:34001", [given])})
    config = driver.agent.equipment_tree.get_node("devices/a/one/load").config
    stored = config.model_dump(mode="json")
    assert {column: str(stored[field]).upper() for column, field in FIELDS.items()} == {
        column: given[column].upper() for column in FIELDS
    }


def test_devices_with_one_registry_share_what_their_rows_have_in_common(
    driver: Driver, sim: Simulator
) -> None:
    """A site has tens of thousands of rows."""
    driver.start({f"a/s{number}": device(sim, f"1:3400{number}") for number in (1, 2)})
    nodes = [driver.agent.equipment_tree.get_node(topic) for topic in driver.topics()]
    configs = [node.config for node in nodes]
    made = [config.prepared for config in configs]
    assert len({id(register.row) for register in made}) == len(POINTS)
    assert len({id(register.options) for register in made}) == 2
    assert len({id(register.device) for register in made}) == 2
    assert len({id(config.model_fields_set) for config in configs}) < len(POINTS)
    # The host's fields and one: with another one CPython's dictionary would be twice as large.
    assert len(vars(configs[0])) == len(PointConfig.model_fields) + 1


def test_a_field_that_is_assigned_changes_one_row(driver: Driver, sim: Simulator) -> None:
    driver.start({"a/one": device(sim, "1:34001")})
    tree = driver.agent.equipment_tree
    load = tree.get_node("devices/a/one/portLoad").config
    status = tree.get_node("devices/a/one/status").config
    load.active = False
    assert (load.active, status.active) == (False, None)


def test_the_host_describes_each_point_once(
    driver: Driver, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []
    original = DriverAgent.update_metadata

    def update(self: Any, topic: str) -> None:
        described.append(topic)
        original(self, topic)

    monkeypatch.setattr(DriverAgent, "update_metadata", update)
    devices = {f"a/s{number}": device(sim, f"1:3400{number}") for number in (1, 2, 3)}
    driver.start(devices)
    assert sorted(described) == sorted(driver.topics())
    assert len(described) == len(set(described))
    tree = driver.agent.equipment_tree
    assert all(tree.get_node(topic).meta_data["type"] for topic in driver.topics())
