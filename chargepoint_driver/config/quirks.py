"""Config keys for models of chargers that need an exception."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MEASURANDS", "Purpose", "Quirks"]

Purpose = Literal["max", "default", "transaction"]
# The best first: where not all can be had, the last ones are left out.
MEASURANDS = (
    "Power.Active.Import",
    "Energy.Active.Import.Register",
    "Current.Import",
    "Voltage",
    "SoC",
    "Current.Offered",
    "Temperature",
)


class Quirks(BaseModel):
    """Settings for one model of charger. None, or the default: the driver finds out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_unit: Literal["A", "W"] | None = Field(
        default=None, description="the only unit of limits that it accepts"
    )
    stack_level: int | None = Field(default=None, ge=0, description="stack level of limits")
    profile_kind: Literal["Absolute", "Relative"] | None = Field(
        default=None, description="the only kind of profile that it accepts"
    )
    skip_purposes: tuple[Purpose, ...] = Field(default=(), description="purposes that it refuses")
    number_phases: bool = Field(default=True, description="false: it does not accept numberPhases")
    composite: bool = Field(default=True, description="false: its GetCompositeSchedule is wrong")
    base_kw: float | None = Field(
        default=None,
        gt=0,
        description="it needs a base limit below every shed: its unlimited power, kW",
    )
    call_timeout_s: float | None = Field(
        default=None, gt=0, description="it answers late: maximum seconds for an answer"
    )
    trigger_boot: bool = Field(
        default=True, description="false: it does not tolerate TriggerMessage"
    )
    measurands: tuple[str, ...] | None = Field(
        default=None,
        description="measurands that it is set to send; an empty list: its settings are not "
        "changed",
    )
    validation: Literal["lenient", "strict"] = Field(
        default="lenient",
        description="strict: refuse messages that break their schema; lenient: use and count them",
    )
    location: Literal["Outlet", "Cable", "Body", "Inlet", "EV"] | None = Field(
        default=None, description="location of its relevant meter values; null: the first of these"
    )
    read_configuration: bool = Field(
        default=True, description="false: it is never asked for all keys"
    )
