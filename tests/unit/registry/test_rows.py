"""What good rows become."""

from __future__ import annotations

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Kind
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import build, columns

from .rows import of, row

STATION = "StationRegister"


def point(*args, **kwargs):
    options = {
        key: kwargs.pop(key) for key in ("port_number", "cache_expiration_s") if key in kwargs
    }
    registry = of(row(*args, **kwargs), **options)
    assert registry.faults == []
    (found,) = registry.points.values()
    return found


@pytest.mark.parametrize("attribute", list(CHARGEPOINT), ids=lambda a: f"{a.register}.{a.name}")
def test_every_attribute_can_be_a_row(attribute):
    scope = attribute.scope.value
    found = point(attribute.name, attribute.register, port="" if scope == "station" else "2")
    assert found.attribute is attribute
    assert found.port == (None if scope == "station" else 2)
    assert (found.kind, found.unit) == (attribute.kind, attribute.unit)
    assert found.scrape_interval_s == attribute.scrape_interval_s
    assert found.currency_s == attribute.currency_s
    assert not found.writable


@pytest.mark.parametrize(
    "attribute", [row for row in CHARGEPOINT if row.writable], ids=lambda row: row.name
)
@pytest.mark.parametrize("text", ["TRUE", "true", "1", "Yes", True, 1])
def test_writable(text, attribute):
    assert point(attribute.name, attribute.register, port="", writable=text).writable


@pytest.mark.parametrize("text", ["FALSE", "0", "no", "", None, False])
def test_not_writable(text):
    assert not point("shedState", writable=text).writable


def test_a_device_that_is_a_port_needs_no_port_in_its_rows():
    found = point(port="", port_number=2)
    assert (found.port, found.target) == (2, Target("1:34003", 2))
    assert point(port="2", port_number=2).port == 2
    assert point("orgID", STATION, port="", port_number=2).port is None


@pytest.mark.parametrize("text", ["1", " 1 ", 1, 1.0, "1.0"])
def test_port_numbers(text):
    assert point(port=text).port == 1


@pytest.mark.parametrize("name", ["shedState", "allowedLoad", "percentShed"])
def test_a_limit_without_port_is_the_stations(name):
    assert point(name, port="").target == Target("1:34003")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("integer", Kind.INTEGER), ("INT", Kind.INTEGER), ("bool", Kind.BOOLEAN),
     ("Boolean", Kind.BOOLEAN), ("str", Kind.STRING), ("float", Kind.FLOAT), ("", Kind.INTEGER)],
)  # fmt: skip
def test_types(text, kind):
    found = of(row("shedState", type=text))
    assert found.points["shedState"].kind is kind
    assert found.warnings == []


@pytest.mark.parametrize(
    ("name", "register", "text"),
    [
        ("percentShed", "LoadRegister", "bool"),
        ("numPorts", STATION, "bool"),
        ("portLoad", "LoadRegister", "int"),
        ("portLoad", "LoadRegister", "bool"),
        ("orgID", STATION, "datetime"),
        ("stationRightsProfile", "StationRightsRegister", "string"),
    ],
)
def test_a_type_that_cannot_hold_the_values_is_warned_of(name, register, text):
    attribute = CHARGEPOINT.find(register, name)
    registry = of(row(name, register, type=text, port="1" if name.startswith("p") else ""))
    (warning,) = registry.warnings
    assert warning.column == "Type"
    assert warning.cure == f"write {attribute.kind.value}"
    assert registry.points[name].kind is attribute.kind


def test_intervals_and_currency():
    found = point(interval="900", currency="0")
    assert (found.scrape_interval_s, found.currency_s) == (900, 0.0)
    assert point(cache_expiration_s=40.0).currency_s == 40.0
    assert point(currency="12.5", cache_expiration_s=40.0).currency_s == 12.5
    assert point("orgID", STATION, port="").scrape_interval_s == 86_400


def test_an_empty_name_is_the_attributes():
    assert point(name="").name == "portLoad"


def test_a_register_that_goes_without_saying_may_be_left_out():
    assert point("portLoad", "").attribute.register == "LoadRegister"


def test_the_hosts_names_of_the_columns_are_the_same_columns():
    given = row("shedState", type="bool", writable="TRUE", units="on", interval="60", currency="5")
    (wanted,) = of(given).points.values()
    assert set(given) < set(columns.FIELDS)
    spelt = {columns.FIELDS[name]: value for name, value in given.items()}
    (found,) = of(spelt).points.values()
    assert found == wanted
    (found,) = of({name.upper(): value for name, value in given.items()}).points.values()
    assert found == wanted
    (found,) = of({f" {name} ": f" {value} " for name, value in given.items()}).points.values()
    assert found == wanted


def test_columns_of_the_host_are_kept_with_the_row():
    registry = of({**row(), "group": "fast", "Reference Point Name": "x"})
    assert registry.rows["portLoad"]["group"] == "fast"
    assert registry.rows["portLoad"]["Reference Point Name"] == "x"


def test_of_a_name_used_twice_the_later_row_counts():
    registry = of(row(name="x"), row("shedState", name="x"))
    assert registry.points["x"].attribute.name == "shedState"
    (warning,) = registry.warnings
    assert str(warning).startswith("device.csv: row 3: Volttron Point Name: 'x' is used by row 2")


@pytest.mark.parametrize("register", ["", "StationStatusRegister"])
def test_a_former_name_is_the_attribute_with_a_warning_that_names_the_new_one(register):
    registry = of(row("composite_status", register, port="1"), catalogue=OCPP)
    assert registry.faults == []
    assert [found.attribute.name for found in registry.points.values()] == ["compositeStatus"]
    (warning,) = map(str, registry.warnings)
    assert "row 2: Attribute Name: 'composite_status' is the former name" in warning
    assert warning.endswith("write compositeStatus")


@pytest.mark.parametrize("device_port", [None, 1, 2])
def test_an_attribute_of_the_station_is_the_same_for_all_ports(device_port):
    registry = of(row("orgID", STATION, port="1"), port_number=device_port)
    assert registry.faults == []
    (found,) = registry.points.values()
    assert found.port is None
    (warning,) = registry.warnings
    assert (warning.column, warning.cure) == ("Port #", "leave it empty")
    assert "is the same for all ports" in warning.problem
    assert found.value_of(StationRecord("1:34003", {"orgID": "1:ORG1"})) == "1:ORG1"


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5"])
def test_what_is_no_port_is_a_fault_of_any_attribute(text):
    (fault,) = of(row("orgID", STATION, port=text)).faults
    assert "is not a port number" in fault.problem


def test_devices_that_share_a_registry_share_no_station_or_source():
    rows = [
        (2, row(port="", type="int", notes="as it was")),
        (3, row("Status", "StationStatusRegister", port="")),
    ]
    one = build(rows, "one.csv", "1:1", 1)
    two = build(rows, "two.csv", "1:2", 2)
    again = build(rows, "again.csv", "1:3", 1)
    assert {point.target for point in one.points.values()} == {Target("1:1", 1)}
    assert {point.target for point in two.points.values()} == {Target("1:2", 2)}
    assert {point.target for point in again.points.values()} == {Target("1:3", 1)}
    assert {warning.source for warning in again.warnings} == {"again.csv"}
    assert {warning.source for warning in one.warnings} == {"one.csv"}
    # Their rows are shared, so that thousands of devices cost little memory.
    assert again.rows["portLoad"] is one.rows["portLoad"]
    with pytest.raises(TypeError):
        again.rows["portLoad"]["Notes"] = "changed"


@pytest.mark.parametrize("value", [1, 1.0, "1", True])
def test_cells_of_different_types_are_not_taken_for_each_other(value):
    found = of(row(port="1", start=value))
    assert found.rows["portLoad"]["Starting Value"] is value
