"""What a real platform publishes with each value: unit, type and time zone of every attribute."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Kind
from chargepoint_driver.registry import columns as col
from examples.demo import garage
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import DRIVER

DEVICE = "campus/garage/station1"
TYPES = {Kind.DATETIME: "string"}
"""What is published as something else than its kind says."""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


def name_of(row: Attribute) -> str:
    return f"{row.register}.{row.name}"


def registry() -> str:
    """A row for every attribute, all polled with the device, without units of its own."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(col.FIELDS), lineterminator="\n")
    writer.writeheader()
    for row in CHARGEPOINT:
        writer.writerow(
            {
                col.POINT_NAME: name_of(row),
                col.ATTRIBUTE: row.name,
                col.REGISTER: row.register,
                col.PORT: "1" if row.scope.value in {"port", "session"} and not row.own else "",
                col.TYPE: row.kind.value,
                col.WRITABLE: str(row.writable).upper(),
                col.SCRAPE_INTERVAL: garage.POLL_S,
            }
        )
    return text.getvalue()


def published(logs: Path) -> dict[str, list[Any]]:
    """The first `/multi` and `/all` that have every point: topic to [values, metadata]."""
    wanted = {name_of(row) for row in CHARGEPOINT}
    found: dict[str, list[Any]] = {}
    with temporary_home() as home, Processes(logs) as processes:
        platform = Platform(home, processes)
        program = Path(sys.executable).with_name("chargepoint-driver")
        lines = garage.launch_simulator(processes, program, child_environment(home), home)
        platform.launch()
        place = garage.introduce(lines)
        platform.connect()
        platform.add_credentials(DRIVER)
        platform.store(DRIVER, "config", {})
        platform.store(DRIVER, garage.REGISTRY.name, registry())
        (config, *_) = place.devices(place.account()).values()
        del config["driver_config"]["portNumber"]
        platform.store(DRIVER, f"devices/{DEVICE}", config)
        platform.link.subscribe(f"devices/{DEVICE}")
        password = {garage.PASSWORD_VARIABLE: place.password}
        platform.start_agent(DRIVER, "platform_driver.agent", env=password)

        def both() -> bool:
            for message in platform.link.messages():
                if set(message["message"][0]) >= wanted:
                    found[message["topic"].rpartition("/")[2]] = message["message"]
            return {"multi", "all"} <= set(found)

        processes.wait_for("A publish of every attribute", both, 90)
    return found


def test_every_publish_says_unit_type_and_time_zone(tmp_path: Path):
    for kind, (values, metadata) in published(tmp_path).items():
        assert set(metadata) == set(values), kind
        for row in CHARGEPOINT:
            assert metadata[name_of(row)] == {
                "units": row.unit,
                "type": TYPES.get(row.kind, row.kind.value),
                "tz": "UTC",
            }, (kind, name_of(row))
