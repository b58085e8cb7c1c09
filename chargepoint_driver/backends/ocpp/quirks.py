"""What single models need done differently. The models stand in quirks.json, not in code."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MEASURANDS", "Quirks", "quirks_of"]

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
    read_configuration: bool = Field(
        default=True, description="whether it may be asked for all keys"
    )


Entry = tuple[re.Pattern[str], re.Pattern[str], dict[str, Any]]


def read_entry(entry: dict[str, Any]) -> Entry:
    """(vendor, model, quirks) of an entry of quirks.json."""
    return (
        re.compile(entry.get("vendor", ""), re.IGNORECASE),
        re.compile(entry.get("model", ""), re.IGNORECASE),
        Quirks(**entry["quirks"]).model_dump(exclude_unset=True),
    )


@lru_cache(maxsize=1)
def _entries() -> list[Entry]:
    text = files(__package__).joinpath("quirks.json").read_text(encoding="utf-8")
    return [read_entry(entry) for entry in json.loads(text)["entries"]]


def quirks_of(vendor: str | None, model: str | None, own: Quirks) -> Quirks:
    """The quirks of a model: the entries that match it, in their order, then its own."""
    found: dict[str, Any] = {}
    for vendor_pattern, model_pattern, values in _entries():
        if vendor_pattern.search(vendor or "") and model_pattern.search(model or ""):
            found.update(values)
    found.update(own.model_dump(exclude_unset=True))
    return Quirks(**found)
