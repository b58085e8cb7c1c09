"""What a model of charger may need done differently, as keys."""

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
    """Ways of one model. None, or the default, leaves it to the rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_unit: Literal["A", "W"] | None = Field(
        default=None, description="the only unit it accepts"
    )
    stack_level: int | None = Field(default=None, ge=0, description="the level of its limits")
    profile_kind: Literal["Absolute", "Relative"] | None = Field(
        default=None, description="the only kind of profile it accepts"
    )
    skip_purposes: tuple[Purpose, ...] = Field(default=(), description="purposes that it refuses")
    number_phases: bool = Field(default=True, description="whether it stands numberPhases")
    composite: bool = Field(
        default=True, description="whether GetCompositeSchedule tells the truth"
    )
    base_kw: float | None = Field(
        default=None,
        gt=0,
        description="needs a base limit below every shed: its unlimited power, kW",
    )
    call_timeout_s: float | None = Field(default=None, gt=0, description="answers later than usual")
    trigger_boot: bool = Field(default=True, description="whether TriggerMessage does it no harm")
    measurands: tuple[str, ...] | None = Field(
        default=None, description="what it is set to measure; an empty list: its settings are left"
    )
    validation: Literal["lenient", "strict"] = Field(
        default="lenient",
        description="strict: refuse messages that break their schema; lenient: use and count them",
    )
    location: Literal["Outlet", "Cable", "Body", "Inlet", "EV"] | None = Field(
        default=None, description="where its meter measures what counts; None: the first of these"
    )
    read_configuration: bool = Field(
        default=True, description="whether it may be asked for all keys"
    )
