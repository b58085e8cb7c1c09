"""Registry rows by the columns of the specification."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.registry import Registry, build

COLUMNS = (
    "Volttron Point Name",
    "Attribute Name",
    "Register Name",
    "Port #",
    "Type",
    "Units",
    "Starting Value",
    "Writable",
    "Notes",
    "Scrape Interval",
    "Currency",
)
SHORT = dict(
    zip(
        [
            "name",
            "attribute",
            "register",
            "port",
            "type",
            "units",
            "start",
            "writable",
            "notes",
            "interval",
            "currency",
        ],
        COLUMNS,
        strict=True,
    )
)


def row(
    attribute: str = "portLoad", register: str = "LoadRegister", **cells: Any
) -> dict[str, Any]:
    """A row; cells by their short names, port 1 where none is given."""
    given = {"name": attribute, "attribute": attribute, "register": register, "port": "1", **cells}
    return {SHORT[key]: value for key, value in given.items()}


def of(*rows: dict[str, Any], station: str = "1:34003", **options: Any) -> Registry:
    """The registry of these rows, the first one in line 2."""
    return build(enumerate(rows, 2), "device.csv", station, **options)
