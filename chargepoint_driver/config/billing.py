"""The `billing` section of an accounts file: tariffs, and cost centres of idTags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from chargepoint_driver.config.common import explain, keys_of, printable
from chargepoint_driver.config.web import zone_name
from chargepoint_driver.errors import ConfigurationError

__all__ = ["WEEKDAYS", "BillingConfig", "PricePeriod", "TariffConfig"]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_QUARTERS_OF_DAY = 96
_TIME = re.compile(r"([01][0-9]|2[0-4]):(00|15|30|45)")


def _price(value: Any) -> Any:
    """Return a price as it was written. A number of JSON counts as its text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError('must be a number, as text or number: "0.30"')
    return str(value).strip()


def _time(text: str) -> str:
    if _TIME.fullmatch(text) is None or text > "24:00":
        raise ValueError(
            f"{text[:20]!r} is not a time of day in quarter hours, like 08:00 or 17:30"
        )
    return text


Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    Field(ge=0, le=1_000_000, max_digits=13, decimal_places=6, allow_inf_nan=False),
]
Time = Annotated[str, AfterValidator(_time)]
Name = Annotated[str, AfterValidator(printable), Field(max_length=100)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


class PricePeriod(_Model):
    """A time of use with its own prices. A price that is left out is that of the tariff."""

    name: Name = Field(description="shown with its part of a cost")
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1, description="days it begins on")
    from_: Time = Field("00:00", alias="from", description="local time, in quarter hours")
    until: Time = Field("24:00", description="local time; not after `from`: on the next day")
    per_kwh: Price | None = Field(None, description="price of a kWh")
    per_hour: Price | None = Field(None, description="price of an hour")

    @model_validator(mode="after")
    def _says_something(self) -> PricePeriod:
        if self.per_kwh is None and self.per_hour is None:
            raise ValueError("has no price; give per_kwh or per_hour")
        if self.from_ in (self.until, "24:00"):
            raise ValueError(
                f"from {self.from_} until {self.until} is an empty time; a whole day is "
                "from 00:00 until 24:00"
            )
        return self

    def quarters(self) -> Iterator[int]:
        """Yield the quarter hours of a week that the period has; 0 begins on Monday at 00:00."""
        begin, end = _quarter(self.from_), _quarter(self.until)
        length = end - begin if end > begin else end - begin + _QUARTERS_OF_DAY
        for number, weekday in enumerate(WEEKDAYS):
            if weekday not in self.weekdays:
                continue
            first = number * _QUARTERS_OF_DAY + begin
            for quarter in range(first, first + length):
                yield quarter % (7 * _QUARTERS_OF_DAY)


class TariffConfig(_Model):
    """Prices of sessions. The tariff of the time when a session begins counts for all of it."""

    name: Name = Field(description="shown with each cost")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code, like EUR")
    valid_from: date | None = Field(None, description="first day, local; default: always")
    valid_to: date | None = Field(None, description="last day, local; default: no end")
    accounts: tuple[str, ...] = Field((), description="only in these accounts; empty: in all")
    station_groups: tuple[str, ...] = Field(
        (), description="only for stations of these groups, by id or name"
    )
    stations: tuple[str, ...] = Field((), description="only for these stations, by id")
    per_session: Price = Field(Decimal(0), description="price of each session")
    per_kwh: Price = Field(Decimal(0), description="price of a kWh")
    per_hour: Price = Field(Decimal(0), description="price of an hour")
    hours: Literal["connected", "charging"] = Field(
        "connected",
        description="what an hour counts: from begin to end, or with power, where that is reported",
    )
    periods: tuple[PricePeriod, ...] = Field((), description="times of use with other prices")

    @model_validator(mode="after")
    def _makes_sense(self) -> TariffConfig:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to: lies before valid_from; exchange them")
        if self.stations and self.station_groups:
            raise ValueError("stations: give stations or station_groups, not both")
        if self.periods or {"per_session", "per_kwh", "per_hour"} & self.model_fields_set:
            self._check_periods()
            return self
        raise ValueError("has no price; give per_session, per_kwh or per_hour (0 where it is free)")

    def _check_periods(self) -> None:
        taken: dict[int, str] = {}
        names = [period.name for period in self.periods]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"periods: {name!r} is there twice; give each its own name")
        for period in self.periods:
            for quarter in period.quarters():
                other = taken.setdefault(quarter, period.name)
                if other != period.name:
                    day, at = divmod(quarter, _QUARTERS_OF_DAY)
                    raise ValueError(
                        f"periods: {other!r} and {period.name!r} both have {WEEKDAYS[day]} "
                        f"{at // 4:02}:{at % 4 * 15:02}; let one end where the other begins"
                    )

    @property
    def rank(self) -> int:
        """Return how specific the tariff is: 3 stations, 2 station groups, 1 accounts, 0 all."""
        return 3 if self.stations else 2 if self.station_groups else 1 if self.accounts else 0

    def is_valid_on(self, day: date) -> bool:
        """Return True if the tariff counts on a local day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    def meets(self, other: TariffConfig) -> bool:
        """Return True if two tariffs of one rank have a day and a target in common."""
        if self.rank != other.rank:
            return False
        if self.valid_from and other.valid_to and other.valid_to < self.valid_from:
            return False
        if other.valid_from and self.valid_to and self.valid_to < other.valid_from:
            return False
        pairs = ((self.accounts, other.accounts), (self._targets, other._targets))
        return all(not mine or not theirs or set(mine) & set(theirs) for mine, theirs in pairs)

    @property
    def _targets(self) -> tuple[str, ...]:
        return self.stations or self.station_groups


class BillingConfig(_Model):
    """Tariffs, and the file of cost centres. Every key has a default."""

    time_zone: str | None = Field(
        None,
        description="zone of tariffs and months, like Europe/Berlin; default: `web.time_zone`",
    )
    tariffs: tuple[TariffConfig, ...] = Field(
        (), description="prices; a station without one has ChargePoint's own pricing, if any"
    )
    cost_centres: Path | None = Field(
        None, description="CSV or JSON file: idTag to cost centre, for the monthly report"
    )

    _zone = field_validator("time_zone")(zone_name)

    @model_validator(mode="after")
    def _tells_tariffs_apart(self) -> BillingConfig:
        names = [tariff.name for tariff in self.tariffs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tariffs: {name!r} is there twice; give each its own name")
        for one, other in combinations(self.tariffs, 2):
            if one.meets(other):
                raise ValueError(
                    f"tariffs: {one.name!r} and {other.name!r} may both apply to a station; set "
                    "valid_from and valid_to, or accounts, station_groups or stations apart"
                )
        return self

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> BillingConfig:
        """Read the section `billing` of an accounts file, with the time zone of `web` where it has
        none of its own. Raises ConfigurationError: every fault."""
        section = fields.get("billing", {})
        if not isinstance(section, Mapping):
            raise ConfigurationError("config: billing: must be an object")
        try:
            found = cls.model_validate(section)
        except ValidationError as error:
            known = keys_of(cls, TariffConfig, PricePeriod)
            lines = [explain(fault, known) for fault in error.errors(include_url=False)]
            raise ConfigurationError(
                "\n".join(f"config: billing: {line}" for line in lines)
            ) from None
        return found._complete(fields)

    def _complete(self, fields: Mapping[str, Any]) -> BillingConfig:
        web, accounts = fields.get("web"), fields.get("accounts")
        known: Sequence[str] = list(accounts) if isinstance(accounts, Mapping) else []
        for tariff in self.tariffs:
            for name in tariff.accounts:
                if known and name not in known:
                    raise ConfigurationError(
                        f"config: billing: tariffs: {tariff.name!r}: there is no account {name!r}; "
                        f"the accounts are {', '.join(known)}"
                    )
        if self.time_zone is not None:
            return self
        of_page = web.get("time_zone") if isinstance(web, Mapping) else None
        if of_page is None and self.tariffs:
            raise ConfigurationError(
                "config: billing: time_zone: is missing; name the zone of the site, like "
                "Europe/Berlin, here or in web"
            )
        return self.model_copy(update={"time_zone": of_page})


def _quarter(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 4 + int(minute) // 15
