"""How a device, or a caller of the caching agent, sheds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargepoint_driver.config.common import explain, keys_of
from chargepoint_driver.errors import BadValue

__all__ = ["ShedSettings"]


class ShedSettings(BaseModel):
    """How a device, or a caller of the caching agent, sheds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    shed_on_write: bool = Field(
        False, description="send each written limit at once, as the classic driver's users expect"
    )
    shed_duration: int = Field(
        60,
        ge=0,
        le=525_600,
        description="minutes after which a shed ends by itself unless it is renewed; 0 = no end",
    )
    shed_confirm_timeout: float = Field(
        10.0,
        gt=0,
        le=1_440,
        description="minutes until a command that is not reported as in force has failed",
    )
    floor_kw: float = Field(
        0.0, ge=0, le=1_000, description="least limit of a port in kW; below it only 0 is taken"
    )
    division: Literal["equal", "load", "rated"] = Field(
        "equal", description="how a station group's total is divided over its stations"
    )

    @field_validator("shed_duration", "floor_kw", "shed_confirm_timeout", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value

    @classmethod
    def from_words(cls, fields: Mapping[str, Any]) -> ShedSettings:
        """The settings of one call. Raises BadValue with every fault."""
        try:
            return cls.model_validate(fields, strict=True)
        except ValidationError as error:
            lines = [explain(fault, keys_of(cls)) for fault in error.errors(include_url=False)]
            raise BadValue("; ".join(lines)) from None
