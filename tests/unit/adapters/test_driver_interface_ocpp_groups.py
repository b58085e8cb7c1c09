"""A group of chargers that connect directly, held to one total: the same words, real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.config import read_device
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service, ShedOptions

from .twins import Twins, free_port

CAR = {"battery_kwh": 60, "soc_percent": 20, "max_ac_kw": 11}
GROUP = {"yard": ["CP0001", "CP0002"]}
LIMIT_S = 60.0


class Yard:
    """Two twins that charge with 11 kW each, and the service of their central system."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.device = read_device(
            {
                "backend": "ocpp",
                "stationGroup": "yard",
                "station_groups": GROUP,
                "listen": f"127.0.0.1:{self.port}",
                "database": str(folder / "ocpp.db"),
                "phases": 3,
                "voltage": 230,
                "configuration_delay_s": None,
            }
        )
        self.service = Service.of_account(self.device.account, folder / "commands.sqlite")
        self.twins = Twins(self.port, 2)
        self.until("siteLoad", lambda value: value is not None)
        for twin in self.twins.ids:
            self.charge(twin)
        self.until("siteLoad", lambda value: value == pytest.approx(22, abs=0.5))

    def charge(self, twin: str) -> None:
        self.twins.act("start", twin, vehicle=CAR)
        self.twins.act("sample", twin, connector=1)

    def close(self) -> None:
        self.twins.close()
        self.service.close()

    def point(self, name: str) -> Any:
        row = {
            "Volttron Point Name": name,
            "Attribute Name": name,
            "Register Name": "LoadRegister",
            "Writable": "TRUE" if name in ("allowedLoad", "percentShed", "shedState") else "",
        }
        registry = build([(2, row)], "test", "", catalogue=OCPP, group="yard")
        registry.raise_faults()
        return registry.points[name]

    def write(self, name: str, value: Any, **options: Any) -> Any:
        return self.service.write(self.point(name), value, ShedOptions(on_write=True, **options))

    def read(self, name: str) -> Any:
        reading = self.service.read({name: self.point(name)})
        assert not reading.errors
        return reading.values[name]

    def until(self, name: str, wanted: Callable[[Any], bool]) -> Any:
        ends = time.monotonic() + LIMIT_S
        while True:
            reading = self.service.read({name: self.point(name)})
            value = reading.values.get(name)
            if not reading.errors and wanted(value):
                return value
            assert time.monotonic() < ends, (name, value, reading.errors, self.read("shedReason"))
            time.sleep(0.05)  # the twins' frames come when they come

    def loads_kw(self) -> list[float]:
        """What really flows at each twin."""
        return [
            sum(each["power_kw"] for each in self.twins.state(twin)["connectors"])
            for twin in self.twins.ids
        ]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    made.close()


def test_a_total_is_divided_confirmed_raised_and_released(yard: Yard) -> None:
    yard.write("allowedLoad", 14.0)
    yard.until("shedStatus", lambda value: value == "in force")
    assert (yard.read("allowedLoad"), yard.read("commandedLoad")) == (14.0, 14.0)
    assert yard.read("shedState") == 1
    assert all(kw <= 7.0 for kw in yard.loads_kw())
    assert min(yard.loads_kw()) > 6.0
    yard.service.control.supervisor.run_due()
    # Raised as soon as both are known to be held: nothing has to be lowered first.
    yard.write("allowedLoad", 18.0)
    yard.until("allowedLoad", lambda value: value == 18.0)
    yard.write("shedState", 0)
    yard.until("shedStatus", lambda value: value == "released")
    assert sum(yard.loads_kw()) == pytest.approx(22, abs=0.5)


def test_a_revert_lets_all_go(yard: Yard) -> None:
    yard.write("percentShed", 50)
    yard.until("shedStatus", lambda value: value == "in force")
    assert sum(yard.loads_kw()) == pytest.approx(11, abs=0.7)
    assert yard.service.revert(yard.point("allowedLoad"))
    yard.until("shedStatus", lambda value: value == "released")
    assert sum(yard.loads_kw()) == pytest.approx(22, abs=0.5)


def test_one_that_cannot_be_reached_is_said(yard: Yard) -> None:
    yard.twins.act("offline", "CP0002")
    yard.until("siteLoad", lambda value: value is None)
    with pytest.raises(ChargePointError, match="1 of 2 stations hold their share"):
        yard.write("allowedLoad", 14.0)
    assert yard.loads_kw()[0] <= 7.0
    yard.twins.act("online", "CP0002")
    yard.until("siteLoad", lambda value: value is not None)
    yard.service.control.supervisor.run_due()
    yard.until("shedStatus", lambda value: value == "in force")
    assert all(kw <= 7.0 for kw in yard.loads_kw())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stationGroup": "lot"}, "stationGroup: 'lot' is not in station_groups \\(yard\\)"),
        ({"chargePointID": "CP0001"}, "exactly one of chargePointID and stationGroup"),
        ({"connectorId": 1}, "a station group has no connector"),
        ({"station_groups": {"yard": []}}, "must list charge point ids"),
        ({"station_groups": {"a,b": ["CP0001"]}}, "without commas"),
        ({"charge_points": {"CP0001": {}}}, "CP0002 may not connect"),
    ],
)
def test_configuration_faults(changes: dict[str, Any], said: str) -> None:
    given = {
        "backend": "ocpp",
        "stationGroup": "yard",
        "station_groups": GROUP,
        "listen": "127.0.0.1:0",
        "database": "ocpp.db",
    }
    with pytest.raises(ConfigurationError, match=said):
        read_device({**given, **changes})
