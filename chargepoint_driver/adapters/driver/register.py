"""A point as the platform driver keeps it: its config row and its register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, computed_field
from volttron.driver.base.config import PointConfig
from volttron.driver.base.interfaces import BaseRegister

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import Kind
from chargepoint_driver.registry import Point
from chargepoint_driver.registry import columns as col
from chargepoint_driver.service import ShedOptions

__all__ = ["ChargePointPointConfig", "ChargePointRegister"]

# The platform driver writes the names of these types into the metadata of each publish. It has
# no word for a time, which is published as text, and writes any other "type" as it is.
_TYPES: dict[Kind, type | str] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.BOOLEAN: bool,
    Kind.DATETIME: str,
    Kind.DICTIONARY: Kind.DICTIONARY.value,
}

# Rows are many and alike: each set of its own would take 700 bytes.
_given: dict[frozenset[str], set[str]] = {}


class ChargePointPointConfig(PointConfig):  # type: ignore[misc]  # the host has no types
    """A registry row as the platform driver holds it.

    The columns have been checked and completed by `prepare_registry_config`. Those that the host
    has no field for stand in the row of `prepared`, which devices with one registry share.
    """

    model_config = ConfigDict(
        validate_assignment=True, populate_by_name=True, arbitrary_types_allowed=True
    )

    # The only field: with one more, the dictionary of each row would be twice as large.
    prepared: Any = Field(None, exclude=True)

    @computed_field(alias=col.ATTRIBUTE)  # type: ignore[prop-decorator]
    @property
    def attribute_name(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.ATTRIBUTE)

    @computed_field(alias=col.REGISTER)  # type: ignore[prop-decorator]
    @property
    def register_name(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.REGISTER)

    @computed_field(alias=col.PORT)  # type: ignore[prop-decorator]
    @property
    def port_number(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.PORT)

    @computed_field(alias=col.TYPE)  # type: ignore[prop-decorator]
    @property
    def type_name(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.TYPE)

    @computed_field(alias=col.STARTING_VALUE)  # type: ignore[prop-decorator]
    @property
    def starting_value(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.STARTING_VALUE)

    @computed_field(alias=col.SCRAPE_INTERVAL)  # type: ignore[prop-decorator]
    @property
    def scrape_interval(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.SCRAPE_INTERVAL)

    @computed_field(alias=col.CURRENCY)  # type: ignore[prop-decorator]
    @property
    def currency(self) -> str:
        """The column, '' where it is empty."""
        return self._cell(col.CURRENCY)

    def _cell(self, column: str) -> str:
        value = None if self.prepared is None else self.prepared.row.get(column)
        return "" if value is None else str(value)

    def share(self) -> None:
        """Share the set of the fields that were given with the rows that have the same.

        A field that is assigned to later counts as given in all of them."""
        given = self.model_fields_set
        shared = _given.setdefault(frozenset(given), given)
        object.__setattr__(self, "__pydantic_fields_set__", shared)


class ChargePointRegister(BaseRegister):  # type: ignore[misc]
    """A register that knows its point and the row that it is of, how its device sheds, which
    device it is of, and what is to happen when that is deleted."""

    def __init__(
        self,
        point: Point,
        row: Mapping[str, Any],
        options: ShedOptions,
        device: Target,
        on_delete: str = "clear",
    ) -> None:
        super().__init__("byte", not point.writable, point.name, point.unit, point.notes)
        self.point = point
        self.row = row
        self.options = options
        self.device = device
        self.on_delete = on_delete
        self.python_type = _TYPES[point.kind]
