"""The registry of the classic driver loads as it is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Kind
from chargepoint_driver.registry import build, read_csv

ROOT = Path(__file__).parents[3]
CLASSIC = ROOT / "tests" / "data" / "classic-registry.csv"


@pytest.fixture
def registry():
    return build(read_csv(CLASSIC), "chargepoint.csv", "1:34003")


def test_no_row_is_refused_and_no_name_is_lost(registry):
    assert registry.faults == []
    with CLASSIC.open(newline="", encoding="utf-8") as file:
        names = [row["Volttron Point Name"] for row in csv.DictReader(file)]
    assert set(registry.points) == set(names)
    repeated = {name for name in names if names.count(name) > 1}
    assert repeated == {"startTime", "endTime"}


def test_of_a_name_used_twice_the_later_row_counts_and_a_warning_names_both(registry):
    found = [str(warning) for warning in registry.warnings if "is used by row" in warning.problem]
    assert found == [
        "chargepoint.csv: row 53: Volttron Point Name: 'startTime' is used by row 24 too and now "
        "means ChargingSessionRegister.startTime; give one of the two rows another name",
        "chargepoint.csv: row 54: Volttron Point Name: 'endTime' is used by row 25 too and now "
        "means ChargingSessionRegister.endTime; give one of the two rows another name",
    ]
    for name in ("startTime", "endTime"):
        assert registry.points[name].attribute.register == "ChargingSessionRegister"


def test_types_that_cannot_hold_the_attribute_are_warned_of(registry):
    with CLASSIC.open(newline="", encoding="utf-8") as file:
        lines = {n: row["Attribute Name"] for n, row in enumerate(csv.DictReader(file), 2)}
    retyped = [w for w in registry.warnings if w.column == "Type"]
    assert {lines[w.row] for w in retyped} == {"Type", "startTime", "endTime", "sessionTime"}
    assert len(retyped) + 2 == len(registry.warnings)
    for warning in retyped:
        assert warning.source == "chargepoint.csv"
        assert warning.cure == "write string"
    assert registry.points["Type"].kind is Kind.STRING


def test_what_may_be_written(registry):
    writable = {name for name, point in registry.points.items() if point.writable}
    assert writable == {"shedState", "allowedLoad", "percentShed", "clearAlarms"}


def test_every_call_of_the_specification_is_used(registry):
    assert {point.attribute.call for point in registry.points.values()} == {
        "getStations",
        "getStationStatus",
        "getLoad",
        "getAlarms",
        "getStationRights",
        "getChargingSessionData",
    }


def test_a_point_with_its_own_name(registry):
    point = registry.points["Status.TimeStamp"]
    assert (point.attribute.name, point.port, point.kind) == ("TimeStamp", 1, Kind.DATETIME)
    assert registry.lines["Status.TimeStamp"] == 42


@pytest.mark.parametrize("path", sorted((ROOT / "registry_configs").glob("*.csv")), ids=str)
def test_every_shipped_registry_is_good(path):
    port = None if path.stem == "chargepoint" else 2
    table = OCPP if path.stem == "ocpp" else CHARGEPOINT
    built = build(read_csv(path), path.name, "1:34003", port, catalogue=table)
    assert built.faults == []
    assert built.points
