"""The columns of a registry CSV, by the names of the specification.

The platform driver stores rows under its own field names once a point has been enabled or
disabled by RPC; both spellings are the same column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POINT_NAME = "Volttron Point Name"
ATTRIBUTE = "Attribute Name"
REGISTER = "Register Name"
PORT = "Port #"
TYPE = "Type"
UNITS = "Units"
STARTING_VALUE = "Starting Value"
WRITABLE = "Writable"
NOTES = "Notes"
SCRAPE_INTERVAL = "Scrape Interval"
CURRENCY = "Currency"

FIELDS = {
    POINT_NAME: "volttron_point_name",
    ATTRIBUTE: "attribute_name",
    REGISTER: "register_name",
    PORT: "port_number",
    TYPE: "type_name",
    UNITS: "units",
    STARTING_VALUE: "starting_value",
    WRITABLE: "writable",
    NOTES: "notes",
    SCRAPE_INTERVAL: "scrape_interval",
    CURRENCY: "currency",
}
"""Column to the field name of the interface's point config."""

_FOLDED = {name.lower(): name for name in FIELDS} | {field: name for name, field in FIELDS.items()}


def normal(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row with the columns above under their own names, texts stripped; other columns
    (the host's own, such as `group`) as they are."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = str(key).strip().lstrip("\ufeff")
        found[_FOLDED.get(name.lower(), name)] = value.strip() if isinstance(value, str) else value
    return found
