"""ChargePoint's web services: accounts and devices.

`AccountConfig` is what devices share, `DeviceConfig` adds what is a device's own. Secrets are
read when needed, from the place that the config names, and never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.config.common import (
    UNREACHABLE_MINUTES,
    DeviceKeys,
    explain,
    keys_of,
    own_keys,
    printable,
    read_secret,
)
from chargepoint_driver.config.shed import ShedSettings
from chargepoint_driver.config.sinks import StreamKeys
from chargepoint_driver.errors import ConfigurationError

__all__ = ["AccountConfig", "AgentAccount", "DeviceConfig"]

HOSTS = {
    "na": "webservices.chargepoint.com",
    "eu": "webservices-eu.chargepoint.com",
    "ca": "webservices-ca.chargepoint.com",
    "fd": "webservices.fd.chargepoint.com",
}


class _Account(StreamKeys):
    """The keys that say which account, where, and how it is treated."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    backend: Literal["chargepoint"] = Field(
        "chargepoint", description='kind of backend; "ocpp" for a charger that connects to us'
    )
    username: str | None = Field(
        None, min_length=1, description="user name of the web services account"
    )
    password: SecretStr | None = Field(None, description="password of the account, in the config")
    password_env: str | None = Field(None, description="environment variable of the password")
    password_file: Path | None = Field(None, description="file of the password (first line)")
    region: Literal["na", "eu", "ca", "fd"] = Field(
        "na", description="na North America, eu Europe, ca Canada, fd US federal"
    )
    endpoint: str | None = Field(
        None, description="full URL of the service instead of region and api_version"
    )
    api_version: Literal["5.0", "5.1"] = Field("5.0", description="version of the web services")
    ca_file: Path | None = Field(
        None,
        description="PEM file of a private authority of the endpoint's certificate; default: the "
        "authorities of the machine",
    )
    timeout: float = Field(
        20.0, gt=0, le=300, description="maximum seconds of one call, answer included"
    )
    calls_per_minute: int | None = Field(
        None, ge=1, description="maximum calls in any minute; default: no limit"
    )
    unreachable_minutes: float = UNREACHABLE_MINUTES
    cache_file: Path | None = Field(
        None, description="file that stores stations and rights over a restart"
    )
    command_file: Path | None = Field(
        None,
        description="SQLite file that stores the commands in force; default: one in the "
        "platform's home",
    )
    events_file: Path | None = Field(
        None,
        description="SQLite file that stores events until the sinks have them; default: one in "
        "the platform's home",
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("endpoint must be a full URL, https://host/path")
            if parts.username or parts.password:
                raise ValueError("endpoint must not hold credentials; use username and password")
            try:
                _ = parts.port
            except ValueError:
                raise ValueError("invalid port number") from None
        return value

    @field_validator("username")
    @classmethod
    def _username_is_a_name(cls, value: str | None) -> str | None:
        return None if value is None else printable(value)

    @field_validator("password")
    @classmethod
    def _password_is_not_empty(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value():
            raise ValueError("is empty; write the password, or use password_env or password_file")
        return value

    def _check_account(self) -> None:
        """Raise ValueError unless there is a user name and exactly one password."""
        faults = _account_faults(self.__dict__)
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def url(self) -> str:
        """Return where the service is."""
        if self.endpoint is not None:
            return self.endpoint
        return f"https://{HOSTS[self.region]}/webservices/chargepoint/services/{self.api_version}"

    @property
    def place(self) -> str:
        """The region or the host, for messages."""
        if self.endpoint is None:
            return f"region {self.region}"
        return f"endpoint {urlsplit(self.endpoint).netloc}"


class AccountConfig(_Account):
    """One account at one endpoint: what every device of it shares."""

    username: str = Field(min_length=1, description="user name of the web services account")

    @model_validator(mode="after")
    def _is_complete(self) -> AccountConfig:
        self._check_account()
        return self

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes two configs the same account."""
        return self.url, self.username

    def missing_secret(self) -> ConfigurationError | None:
        """Return why the password cannot be had at present."""
        try:
            self.read_password()
        except ConfigurationError as error:
            return error
        return None

    def read_password(self) -> str:
        """Return the password as it stands now. Raises ConfigurationError when it cannot be had."""
        if self.password is not None:
            return self.password.get_secret_value()
        return read_secret(self.password_env, self.password_file)


class DeviceConfig(ShedSettings, DeviceKeys, _Account):
    """The `driver_config` of one device: a station, or with `portNumber` one port of it."""

    stationID: str = Field(  # noqa: N815
        "", description="station id, like 1:34003"
    )
    stationGroup: str | None = Field(  # noqa: N815
        None, description="the device is this station group (its sgID) instead of a station"
    )
    portNumber: int | None = Field(  # noqa: N815
        None, ge=1, description="the device is this port of the station"
    )

    @model_validator(mode="after")
    def _has_an_account(self) -> DeviceConfig:
        if self.cache_agent is None:
            self._check_account()
            if self.account_name is not None:
                raise ValueError("account: is of use with cache_agent only; remove it")
        return self

    @model_validator(mode="after")
    def _is_one_device(self) -> DeviceConfig:
        faults = _device_faults(self.__dict__)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @field_validator("stationGroup", mode="before")
    @classmethod
    def _group_is_a_number(cls, value: object) -> object:
        if value is None or value == "":
            return None
        text = str(value).strip()
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
            raise ValueError("must be the sgID of a station group, a whole number")
        return text

    @field_validator("portNumber", mode="before")
    @classmethod
    def _empty_port_is_none(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be the number of a port")
        return None if value == "" else value

    @field_validator("stationID")
    @classmethod
    def _station_id_is_a_name(cls, value: str) -> str:
        return printable(value)

    @property
    def name(self) -> str:
        """The device in words, for messages."""
        if self.stationGroup is not None:
            return f"station group {self.stationGroup}"
        port = "" if self.portNumber is None else f" port {self.portNumber}"
        return f"{self.stationID}{port}"

    @property
    def account(self) -> AccountConfig:
        """The part that the devices of an account share; of a device without cache_agent."""
        return AccountConfig(**{name: getattr(self, name) for name in AccountConfig.model_fields})

    @property
    def account_label(self) -> str | None:
        """Return what the caching agent knows the account by."""
        return self.account_name or self.username

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes two devices share their calls."""
        if self.cache_agent is not None:
            return "agent", self.cache_agent, self.account_label or ""
        return self.account.key

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that all devices of an account share."""
        names = (*AccountConfig.model_fields, "cache_agent", "account_name")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "driver_config") -> DeviceConfig:
        """Return a validated config. Raises ConfigurationError with every fault at once; secrets do
        not show in it. The platform driver's own keys are left out."""
        own = own_keys(fields)
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            lines = [explain(fault, keys_of(cls)) for fault in error.errors(include_url=False)]
            # pydantic looks at the whole only when every part is good.
            whole = _device_faults(own)
            if not own.get("cache_agent"):
                whole += _account_faults(own)
            lines += [line for line in whole if line not in "\n".join(lines)]
            raise ConfigurationError("\n".join(f"{source}: {line}" for line in lines)) from None


class AgentAccount(AccountConfig):
    """One account of the caching agent."""

    currencies: dict[str, float] = Field(
        default_factory=dict,
        description="call to the default maximum age of its values in seconds",
    )

    @field_validator("currencies")
    @classmethod
    def _currencies_are_of_calls(cls, value: dict[str, float]) -> dict[str, float]:
        for call, currency_s in value.items():
            if call not in CHARGEPOINT.calls:
                known = ", ".join(CHARGEPOINT.calls)
                raise ValueError(f"unknown call {call!r}; write one of {known}")
            if not 0 <= currency_s < float("inf"):
                raise ValueError(f"{call}: the currency must be 0 s or more, got {currency_s:g} s")
        return value


def _device_faults(given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with which device it is."""
    station, group = given.get("stationID"), given.get("stationGroup")
    if not station and not group:
        return ["'stationID' is missing; add it (or stationGroup, for a station group)"]
    if station and group:
        return ["exactly one of stationID and stationGroup must be given; remove one"]
    if group and given.get("portNumber"):
        return ["portNumber: a station group has no port; remove it"]
    return []


def _account_faults(given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the user name and the password of an account."""
    faults = [] if given.get("username") else ["'username' is missing; add it"]
    passwords = [
        name
        for name in ("password", "password_env", "password_file")
        if given.get(name) is not None
    ]
    if len(passwords) != 1:
        faults.append(
            "exactly one of password, password_env, password_file must be given"
            f" (found: {', '.join(passwords) or 'none'})"
        )
    return faults
