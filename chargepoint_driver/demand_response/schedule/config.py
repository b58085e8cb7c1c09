"""Configuration of the scheduler, and its faults in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from chargepoint_driver.config.common import explain, keys_of
from chargepoint_driver.demand_response.circuits.config import CircuitConfig, problems
from chargepoint_driver.errors import ConfigurationError

__all__ = [
    "CheapestConfig",
    "ExceptionConfig",
    "GroupConfig",
    "PriceConfig",
    "RuleConfig",
    "ScheduleConfig",
    "VehicleConfig",
]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def _number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("must be a number")
    return value


def _time(text: str) -> str:
    if text != "24:00" and not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time; write it like 17:30 (00:00 to 24:00)")
    return text


def _date(text: str) -> str:
    try:
        if len(text) != len("2026-12-25"):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it like 2026-12-25") from None
    return text


def _day(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text!r} is not a day of the year; write month and day, like 10-01")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{text!r} is not a known time zone; write one like Europe/Berlin. "
            "Where none is known, install the system's time zones (tzdata)"
        ) from None
    return text


Kw = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), BeforeValidator(_number)]
PositiveKw = Annotated[
    float, Field(gt=0, le=1_000_000, allow_inf_nan=False), BeforeValidator(_number)
]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), BeforeValidator(_number)]
Time = Annotated[str, AfterValidator(_time)]
Date = Annotated[str, AfterValidator(_date)]
Day = Annotated[str, AfterValidator(_day)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


class _Span(_Model):
    from_: Time = Field("00:00", alias="from", description="local time at which it begins")
    until: Time = Field("24:00", description="local time; earlier than `from` is the next day")

    @model_validator(mode="after")
    def _is_some_time(self) -> _Span:
        if self.from_ in (self.until, "24:00"):
            raise ValueError(
                f"from {self.from_} until {self.until} is an empty time; a whole day is "
                "from 00:00 until 24:00"
            )
        return self


class RuleConfig(_Span):
    """A limit at certain times. Where several apply, the lowest counts."""

    name: str = Field("", description="shown as the reason")
    kw: Kw = Field(description="limit for the group in kW; 0 stops charging")
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1, description="days it begins on")
    season: tuple[Day, Day] | None = Field(
        None, description="first and last day of the year, as month and day; may span New Year"
    )
    holidays: Literal["as weekday", "only", "never"] = Field(
        "as weekday", description="whether it applies on holidays"
    )


class ExceptionConfig(_Span):
    """Exception for one date, in place of the rules."""

    date: Date = Field(description="the day it begins on")
    name: str = Field("", description="shown as the reason")
    kw: Kw | None = Field(description="limit for the group in kW; null: no rule applies")
    groups: tuple[str, ...] = Field((), description="names of groups; empty: all")


class PriceConfig(_Model):
    """Limits by price."""

    above: dict[str, Kw] = Field(
        min_length=1, description="a price per kWh to a limit in kW that counts from that price on"
    )
    unknown_kw: Kw | None = Field(
        None, description="limit in kW while the price is not known; null: none"
    )

    @model_validator(mode="after")
    def _has_numbers(self) -> PriceConfig:
        for text in self.above:
            try:
                is_good = float(text) * 0 == 0
            except ValueError:
                is_good = False
            if not is_good:
                raise ValueError(f"above: {text!r} is not a price; write a number as text")
        return self


class CheapestConfig(_Model):
    """Charging in the cheapest hours before a deadline."""

    kw: PositiveKw = Field(description="power of the group while it charges")
    otherwise_kw: Kw = Field(0.0, description="limit in kW in the other hours")
    vehicle_kw: PositiveKw | None = Field(
        None, description="power of one vehicle; null: that of the group"
    )
    energy_kwh: PositiveKw | None = Field(
        None, description="energy of each day where no other need is known; null: only known needs"
    )
    from_: Time = Field("18:00", alias="from", description="when a daily need begins")
    deadline: Time = Field("07:00", description="when a daily need must be met")
    margin_percent: Kw = Field(10.0, description="added to each need, for losses")


class GroupConfig(_Model):
    """Devices with one limit."""

    devices: tuple[Any, ...] = Field(
        (), description="topics of devices; without VOLTTRON: station and port"
    )
    ports: tuple[Any, ...] = Field(
        (), description="topics of ports whose vehicles say what they need"
    )
    rules: tuple[RuleConfig, ...] = ()
    prices: PriceConfig | None = None
    cheapest: CheapestConfig | None = None
    plan: bool = Field(False, description="send the plan to the chargers (OCPP)")


class VehicleConfig(_Model):
    """Energy need of a vehicle at each visit, by its idTag."""

    energy_kwh: PositiveKw
    deadline: Time


class ScheduleConfig(_Model):
    """Configuration of the scheduler."""

    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="IANA name of the zone")
    groups: dict[str, GroupConfig] = Field(min_length=1)
    holidays: tuple[Date, ...] = ()
    exceptions: tuple[ExceptionConfig, ...] = ()
    vehicles: dict[str, VehicleConfig] = Field({}, description="idTag to what it needs")
    prices_topic: str = Field("", description="topic of day-ahead prices")
    prices_file: str = Field("", description="JSON file of day-ahead prices, read when it changes")
    results_topic: str = "scheduler"
    look_seconds: Seconds = 5.0
    lease_seconds: Seconds = 300.0
    horizon_hours: Annotated[float, Field(ge=1, le=168), BeforeValidator(_number)] = Field(
        36.0, description="length of plans that are sent to chargers"
    )
    circuits: dict[str, CircuitConfig] = Field({}, description="limits of circuits, by name")
    accounts: dict[str, Any] = Field(
        {}, description="accounts as the caching agent takes them; console command only"
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> ScheduleConfig:
        for number, each in enumerate(self.exceptions):
            for name in each.groups:
                if name not in self.groups:
                    raise ValueError(f"exceptions.{number}: groups: no group {name!r}")
        for name, group in self.groups.items():
            if group.prices and not (self.prices_topic or self.prices_file):
                raise ValueError(
                    f"groups.{name}: prices need prices_topic or prices_file to come from"
                )
            if not group.devices and name not in {c.group for c in self.circuits.values()}:
                raise ValueError(f"groups.{name}: devices: name at least one")
        for name, circuit in self.circuits.items():
            if circuit.group and circuit.group not in self.groups:
                raise ValueError(f"circuits.{name}: group: no group {circuit.group!r}")
        faults = problems(self.circuits)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ScheduleConfig:
        """Return the configuration. Raises ConfigurationError with a line for each fault."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            known = keys_of(cls)
            lines = [f"config: {explain(each, known)}" for each in error.errors(include_url=False)]
            raise ConfigurationError("\n".join(lines)) from None
