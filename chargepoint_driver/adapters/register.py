"""What the platform driver keeps of a point: its config row and its register."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
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

_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]


class ChargePointPointConfig(PointConfig):  # type: ignore[misc]  # the host has no types
    """A registry row as the platform driver holds it. The columns have been checked and
    completed by `prepare_registry_config`, whose point stands in `point`."""

    model_config = ConfigDict(
        validate_assignment=True, populate_by_name=True, arbitrary_types_allowed=True
    )

    attribute_name: _Text = Field("", alias=col.ATTRIBUTE)
    register_name: _Text = Field("", alias=col.REGISTER)
    port_number: _Text = Field("", alias=col.PORT)
    type_name: _Text = Field("", alias=col.TYPE)
    starting_value: _Text = Field("", alias=col.STARTING_VALUE)
    scrape_interval: _Text = Field("", alias=col.SCRAPE_INTERVAL)
    currency: _Text = Field("", alias=col.CURRENCY)
    point: Any = Field(None, exclude=True)
    options: Any = Field(None, exclude=True)
    device: Any = Field(None, exclude=True)
    on_delete: Any = Field("clear", exclude=True)


class ChargePointRegister(BaseRegister):  # type: ignore[misc]
    """A register that knows its point, how its device sheds, which device it is of, and what is
    to happen when that is deleted."""

    def __init__(
        self, point: Point, options: ShedOptions, device: Target, on_delete: str = "clear"
    ) -> None:
        super().__init__("byte", not point.writable, point.name, point.unit, point.notes)
        self.point = point
        self.options = options
        self.device = device
        self.on_delete = on_delete
        self.python_type = _TYPES[point.kind]
