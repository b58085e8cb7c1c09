"""Shed settings of a device, or of a caller of the caching agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargepoint_driver.config.common import explain, keys_of
from chargepoint_driver.errors import InvalidValueError

__all__ = ["ShedSettings"]


class ShedSettings(BaseModel):
    """Shed settings of a device, or of a caller of the caching agent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    shed_on_write: bool = Field(
        False, description="send each written limit at once, as the classic driver did"
    )
    shed_duration: int = Field(
        60,
        ge=0,
        le=525_600,
        description="minutes until a shed expires unless it is renewed; 0: never",
    )
    shed_confirm_timeout: float = Field(
        10.0,
        gt=0,
        le=1_440,
        description="minutes until a command that is not reported as in force counts as failed",
    )
    floor_kw: float = Field(
        0.0,
        ge=0,
        le=1_000,
        description="minimum limit of a port in kW; below it only 0 is accepted",
    )
    division: Literal["equal", "load", "rated"] = Field(
        "equal", description="rule that divides a station group's total among its stations"
    )

    # A vehicle that draws a whole number of amperes at 10 % above the nominal voltage (EN 50160
    # allows that) exceeds a limit in kW by 10 %; meters round, and chargers supply themselves.
    shed_tolerance_kw: float = Field(
        0.5, ge=0, le=1_000, description="tolerance above a limit in kW"
    )
    shed_tolerance_percent: float = Field(
        10.0, ge=0, le=100, description="tolerance in percent of the limit; the larger one counts"
    )
    command_lease: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="seconds until a limit is reverted unless its writer writes again; 0: no lease",
    )
    zero_limit: Literal["stop", "release", "refuse"] = Field(
        "stop",
        description="0 written to allowedLoad stops charging, releases the limit, or is refused",
    )
    staged_alert_minutes: float = Field(
        15.0,
        ge=0,
        le=10_080,
        description="minutes until a written limit that was not sent raises an alert; 0: never",
    )
    on_delete: Literal["clear", "lapse"] = Field(
        "clear",
        description="effect on a limit in force when the device is deleted: clear it, or let it "
        "expire",
    )

    @field_validator(
        "shed_duration",
        "floor_kw",
        "shed_confirm_timeout",
        "shed_tolerance_kw",
        "shed_tolerance_percent",
        "command_lease",
        "staged_alert_minutes",
        mode="before",
    )
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value

    @classmethod
    def from_words(cls, fields: Mapping[str, Any]) -> ShedSettings:
        """Return the settings of one call. Raises InvalidValueError with every fault."""
        try:
            return cls.model_validate(fields, strict=True)
        except ValidationError as error:
            lines = [explain(fault, keys_of(cls)) for fault in error.errors(include_url=False)]
            raise InvalidValueError("; ".join(lines)) from None
