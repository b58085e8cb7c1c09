"""Tags for VOLTTRON's tagging service: only such as it knows, of the right kind, and whole."""

from __future__ import annotations

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Catalogue
from chargepoint_driver.examples.tags.__main__ import Tags, tags_of
from chargepoint_driver.registry import build
from chargepoint_driver.registry import columns as col

# As tags.csv of volttron-lib-tagging 0.1.1a5 has them. Markers are true, the others text.
MARKERS = {
    "campus", "cmd", "current", "elec", "energy", "equip", "his", "point", "power", "sensor",
    "site", "sp", "volt", "writable",
}  # fmt: skip
TEXTS = {"dis", "enum", "kind", "tz", "unit", "volttronPointName"}
REFS = {"campusRef", "equipRef", "siteRef"}
UNITS = {"kW", "kWh", "V", "A", "%"}
DEVICE = "county/garage/station1/port1"


def made(table: Catalogue, topic: str = DEVICE, port: int | None = 1) -> dict[str, Tags]:
    rows = [
        {
            col.POINT_NAME: f"{row.register}.{row.name}",
            col.ATTRIBUTE: row.name,
            col.REGISTER: row.register,
            col.WRITABLE: str(row.writable).upper(),
            col.PORT: "" if row.scope.value == "station" else 1,
        }
        for row in table
    ]
    registry = build(enumerate(rows, start=2), "rows", "1:1", port, catalogue=table)
    registry.raise_faults()
    return tags_of(topic, port is not None, registry.points)


def test_every_tag_is_one_of_the_service_and_of_its_kind():
    for table in (CHARGEPOINT, OCPP):
        for topic, tags in made(table).items():
            assert set(tags) <= MARKERS | TEXTS | REFS, topic
            assert {tags[name] for name in set(tags) & MARKERS} <= {True}
            assert all(isinstance(tags[name], str) for name in set(tags) - MARKERS)
            assert tags.get("unit", "kW") in UNITS


def test_every_ref_points_at_something_that_is_tagged_as_such():
    found = made(CHARGEPOINT)
    for tags in found.values():
        for ref in REFS & set(tags):
            assert found[str(tags[ref])][ref.removesuffix("Ref")] is True


def test_a_port_is_equipment_of_its_station_at_a_site_of_a_campus():
    found = made(CHARGEPOINT)
    assert [name for name in found if name.count("/") < 4] == [
        "county",
        "county/garage",
        "county/garage/station1",
        DEVICE,
    ]
    assert found[DEVICE]["equipRef"] == "county/garage/station1"
    load = found[f"{DEVICE}/LoadRegister.portLoad"]
    assert load.items() >= {"sensor": True, "power": True, "unit": "kW", "kind": "Number"}.items()
    assert found[f"{DEVICE}/LoadRegister.allowedLoad"].keys() >= {"sp", "writable"}
    assert found[f"{DEVICE}/LoadRegister.shedState"].keys() >= {"cmd", "enum"}


def test_a_device_that_is_a_station_in_a_site_without_a_campus():
    found = made(CHARGEPOINT, "garage/station1", None)
    assert found["garage"]["site"] is True
    assert found["garage/station1"] == {
        "equip": True,
        "elec": True,
        "dis": "station1",
        "siteRef": "garage",
    }
