"""What a real platform publishes, and the sample historian stores, with each value: unit, type
and time zone of every attribute."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Kind
from chargepoint_driver.registry import columns as col
from examples.demo import garage
from examples.demo.platform import ROOT, Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import DRIVER, HISTORIAN

SAMPLE = ROOT / "chargepoint_driver" / "examples" / "historians" / "sqlite.config"
DEVICE = "campus/garage/station1"
TYPES = {Kind.DATETIME: "string"}
"""Return what is published as another type than its kind."""

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


def stored(database: Path) -> dict[str, Any]:
    """Point to the metadata that the historian has of it; none while it has no tables."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT topic_name, metadata FROM topics").fetchall()
    except sqlite3.OperationalError:
        return {}
    return {topic.removeprefix(f"{DEVICE}/"): json.loads(metadata) for topic, metadata in rows}


def reported(logs: Path) -> dict[str, dict[str, Any]]:
    """Metadata by point, of the first `/multi` and `/all` that have every point, and of what is
    stored by a historian with the config of the examples."""
    wanted = {name_of(row) for row in CHARGEPOINT}
    found: dict[str, dict[str, Any]] = {}
    with temporary_home() as home, Processes(logs) as processes:
        platform = Platform(home, processes)
        program = Path(sys.executable).with_name("chargepoint-driver")
        lines = garage.launch_simulator(processes, program, child_environment(home), home)
        platform.launch()
        place = garage.introduce(lines)
        platform.connect()
        for identity in (DRIVER, HISTORIAN):
            platform.add_credentials(identity)
        platform.start_agent(
            HISTORIAN, "historian.sql.historian", json.loads(SAMPLE.read_text(encoding="utf-8"))
        )
        platform.store(DRIVER, "config", {})
        platform.store(DRIVER, garage.REGISTRY.name, registry())
        (config, *_) = place.devices(place.account()).values()
        del config["driver_config"]["portNumber"]
        platform.store(DRIVER, f"devices/{DEVICE}", config)
        platform.link.subscribe(f"devices/{DEVICE}")
        password = {garage.PASSWORD_VARIABLE: place.password}
        platform.start_agent(DRIVER, "platform_driver.agent", env=password)

        def all_three() -> bool:
            for message in platform.link.messages():
                values, metadata = message["message"]
                if set(values) >= wanted:
                    assert set(metadata) == set(values)
                    found[message["topic"].rpartition("/")[2]] = metadata
            if set(kept := stored(home / "historian.sqlite")) >= wanted:
                found["historian"] = kept
            return set(found) == {"multi", "all", "historian"}

        processes.wait_for("Every attribute, published and stored", all_three, 100)
    return found


def test_every_value_comes_with_unit_type_and_time_zone(tmp_path: Path):
    for where, metadata in reported(tmp_path).items():
        for row in CHARGEPOINT:
            assert metadata[name_of(row)] == {
                "units": row.unit,
                "type": TYPES.get(row.kind, row.kind.value),
                "tz": "UTC",
            }, (where, name_of(row))
