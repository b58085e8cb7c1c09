"""Configuration of the OpenADR agent, every fault of it with its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chargepoint_driver.config.common import explain, keys_of, read_secret
from chargepoint_driver.errors import ConfigurationError

__all__ = ["ChargersConfig", "OpenAdrConfig", "VtnConfig"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VtnConfig(_Model):
    """One server (VTN) of a programme."""

    version: Literal["2.0b", "3"] = Field(description="OpenADR version")
    url: str = Field(min_length=8, description="base URL, like https://vtn/OpenADR2/Simple/2.0b")
    ca: Path | None = Field(None, description="PEM file of the authorities that sign the VTN")
    certificate: Path | None = Field(None, description="PEM file of the client certificate")
    key: Path | None = Field(None, description="PEM file of its key")
    poll_seconds: float | None = Field(
        None,
        ge=0.2,
        le=86_400,
        description="between two polls; default: what a 2.0b VTN asks, or 30",
    )
    ven_id: str | None = Field(None, description="2.0b: the VEN id, where the VTN assigns none")
    fingerprint: str | None = Field(
        None, description="2.0b: fingerprint of the VTN's signature, which is then required"
    )
    signed: bool = Field(False, description="2.0b: sign messages with the client certificate")
    implied_cancellation: bool = Field(
        True, description="2.0b: events that are missing in a list of events are cancelled"
    )
    programs: list[str] = Field([], description="3: names or ids of programs; empty: all")
    targets: list[str] = Field([], description="3: values of VEN_NAME or GROUP targets of ours")
    client_id: str | None = Field(None, description="3: OAuth2 client id; default: no token")
    client_secret_env: str | None = Field(None, description="3: variable that has the secret")
    client_secret_file: Path | None = Field(None, description="3: file that has the secret")
    token_url: str | None = Field(None, description="3: default: `url` and /auth/token")
    scope: str | None = Field(None, description="3: OAuth2 scope")

    register_ven: bool = Field(
        False, description="3: make the VEN object and its resource where the VTN has none"
    )
    callback_listen: str | None = Field(
        None, description="3: host:port for notifications of the VTN, which are then subscribed"
    )
    callback_url: str | None = Field(
        None, description="3: URL by which the VTN reaches callback_listen, as through a proxy"
    )

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _is_complete(self) -> VtnConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; give both")
        if self.signed and self.certificate is None:
            raise ValueError("signed needs certificate and key")
        if self.version == "2.0b" and (self.client_id or self.programs or self.targets):
            raise ValueError("client_id, programs and targets are for version 3")
        if self.version == "2.0b" and (self.register_ven or self.callback_listen):
            raise ValueError("register_ven and callback_listen are for version 3")
        if self.callback_listen is not None:
            host, _, port = self.callback_listen.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65_535:
                raise ValueError("callback_listen must be host:port, like 127.0.0.1:8081")
        if self.callback_url is not None:
            if self.callback_listen is None:
                raise ValueError("callback_url needs callback_listen")
            if not self.callback_url.startswith(("http://", "https://")):
                raise ValueError("callback_url must begin with https:// or http://")
        if self.client_id and not (self.client_secret_env or self.client_secret_file):
            raise ValueError("client_id needs client_secret_env or client_secret_file")
        return self

    def secret(self) -> str:
        """Return the client secret. Raises ConfigurationError where it cannot be read."""
        try:
            return read_secret(self.client_secret_env, self.client_secret_file)
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("password_", "client_secret_")) from None


class ChargersConfig(_Model):
    """Location of the chargers."""

    accounts: dict[str, Any] | None = Field(
        None, description="accounts by name, as the caching agent takes them"
    )
    accounts_file: Path | None = Field(None, description="JSON file of such accounts")
    devices: list[dict[str, Any] | str] = Field(
        [],
        description='what is limited: {"station", "port"} or {"group"}, with "account"; for the '
        "platform's agent topics of devices",
    )


class OpenAdrConfig(_Model):
    """The agent's config."""

    ven_name: str = Field(min_length=1, max_length=128, description="name that the VTN knows")
    vtns: dict[str, VtnConfig] = Field(min_length=1, description="servers by a name of yours")
    chargers: ChargersConfig = Field(
        default_factory=lambda: ChargersConfig.model_validate({}),
        description="where the chargers are",
    )
    levels: dict[str, float] = Field(
        {}, description="from this level of SIMPLE on: kW for all devices together"
    )
    prices: dict[str, float] = Field({}, description="from this price on: kW for all together")
    rated_kw: float | None = Field(None, gt=0, description="rated power of all devices together")
    site_reserve_kw: float = Field(
        0.0, ge=0, description="what of a connection's capacity limit is not for chargers"
    )
    opt: Literal["in", "out"] = Field("in", description="answer to new events")
    test_events: Literal["answer", "act"] = Field(
        "answer", description="act: test events are carried out too"
    )
    lease_seconds: float = Field(
        300, ge=0, le=86_400, description="a killed agent leaves its limit so long; 0: no end"
    )
    on_start: Literal["continue", "release"] = Field(
        "continue", description="what a started agent does about the limit of an earlier run"
    )
    on_stop: Literal["release", "leave"] = Field(
        "release", description="what a stopped agent does about its limit"
    )
    state_file: Path = Field(Path("openadr.sqlite"), description="SQLite file of events and load")
    look_seconds: float = Field(5.0, ge=0.1, le=300, description="between two looks")
    report_seconds: float = Field(
        60.0, ge=1, le=86_400, description="3: length of a reported interval"
    )
    zone: str = Field("UTC", description="the site's time zone, for the baseline's days")
    holidays: list[date] = Field([], description="days that count as Sundays in the baseline")

    @field_validator("levels", "prices")
    @classmethod
    def _are_numbers(cls, steps: dict[str, float]) -> dict[str, float]:
        for step, kw in steps.items():
            try:
                good = float(step) * 0 == 0 and 0 <= kw < float("inf")
            except ValueError:
                good = False
            if not good:
                raise ValueError(f"{step!r}: must be a number as text, with 0 kW or more")
        return steps

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone!r} is not a time zone, like Europe/Berlin")
        return zone

    @model_validator(mode="after")
    def _lease_is_long_enough(self) -> OpenAdrConfig:
        if self.lease_seconds and self.lease_seconds < max(5.0, 2 * self.look_seconds):
            raise ValueError("lease_seconds must be 5 or more and twice look_seconds, or 0")
        return self

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "config") -> OpenAdrConfig:
        """Raises ConfigurationError with a line for every fault."""
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            known = keys_of(cls, VtnConfig, ChargersConfig)
            lines = [explain(fault, known) for fault in error.errors(include_url=False)]
            raise ConfigurationError("\n".join(f"{source}: {line}" for line in lines)) from None
