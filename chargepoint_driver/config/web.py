"""The `web` section of an accounts file: settings of the page and the JSON API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargepoint_driver.config.common import explain, keys_of, printable
from chargepoint_driver.errors import ConfigurationError

__all__ = ["HistorianConfig", "WebConfig"]


class HistorianConfig(BaseModel):
    """Another source of charts: a historian of the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database: Path = Field(description="database of VOLTTRON's SQLite historian")
    devices: Path = Field(
        description="folder `driver_configs` of `discover --write`: which topic is which port"
    )


class WebConfig(BaseModel):
    """Settings of the page. Every key has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    title: str | None = Field(None, max_length=100, description="name of the site on the page")
    time_zone: str | None = Field(
        None,
        description="time zone of the site, like Europe/Berlin; default: that of the browser",
    )
    database: Path | None = Field(
        None,
        description="SQLite file of load over time and alarms; default of `chargepoint-driver "
        "web`: next to the accounts file",
    )
    historian: HistorianConfig | None = Field(
        None, description="a historian of the platform that charts come from instead"
    )

    _title = field_validator("title")(lambda text: None if text is None else printable(text))

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str | None) -> str | None:
        """Return the name of a zone that this machine knows."""
        if name is not None:
            try:
                ZoneInfo(name)
            except (OSError, ValueError, LookupError):
                raise ValueError(
                    f"{name!r} is not a time zone of this machine; write one like Europe/Berlin, "
                    "or install the package tzdata"
                ) from None
        return name

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> WebConfig:
        """Read the section `web` of an accounts file. Raises ConfigurationError: every fault."""
        section = fields.get("web", {})
        if not isinstance(section, Mapping):
            raise ConfigurationError("config: web: must be an object")
        try:
            return cls.model_validate(section)
        except ValidationError as error:
            known = keys_of(cls)
            lines = [explain(fault, known) for fault in error.errors(include_url=False)]
            raise ConfigurationError("\n".join(f"config: web: {line}" for line in lines)) from None
