"""What a driver config may say, validated at the edge.

`AccountConfig` is what devices share, `DeviceConfig` adds what is a device's own. Secrets are
read when needed, from where the config says they are, and never shown.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from chargepoint_driver.errors import BadConfiguration

__all__ = ["HOST_KEYS", "AccountConfig", "DeviceConfig"]

HOSTS = {
    "na": "webservices.chargepoint.com",
    "eu": "webservices-eu.chargepoint.com",
    "ca": "webservices-ca.chargepoint.com",
    "fd": "webservices.fd.chargepoint.com",
}

# Keys of the platform driver's own that stand beside ours in a driver config.
HOST_KEYS = frozenset({"debug", "driver_type", "heart_beat_point", "module", "plugins"})


class AccountConfig(BaseModel):
    """One account at one endpoint: what every device of it shares."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: str = Field(min_length=1, description="user name of the web services account")
    password: SecretStr | None = Field(None, description="password of the account, in the config")
    password_env: str | None = Field(
        None, description="environment variable that holds the password instead"
    )
    password_file: Path | None = Field(
        None, description="file that holds the password instead (first line)"
    )
    region: Literal["na", "eu", "ca", "fd"] = Field(
        "na", description="na North America, eu Europe, ca Canada, fd US federal"
    )
    endpoint: str | None = Field(
        None, description="full URL of the service instead of region and api_version"
    )
    api_version: Literal["5.0", "5.1"] = Field("5.0", description="version of the web services")
    timeout: float = Field(
        20.0, gt=0, le=300, description="seconds that one call may take, answer included"
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
        return value

    @model_validator(mode="after")
    def _one_password(self) -> AccountConfig:
        given = [
            name
            for name in ("password", "password_env", "password_file")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                "exactly one of password, password_env, password_file must be given"
                f" (found: {', '.join(given) or 'none'})"
            )
        return self

    @property
    def url(self) -> str:
        """Where the service is."""
        if self.endpoint is not None:
            return self.endpoint
        return f"https://{HOSTS[self.region]}/webservices/chargepoint/services/{self.api_version}"

    @property
    def place(self) -> str:
        """The region or the host, for messages."""
        if self.endpoint is None:
            return f"region {self.region}"
        return f"endpoint {urlsplit(self.endpoint).netloc}"

    @property
    def key(self) -> tuple[str, str]:
        """What makes two configs the same account."""
        return self.url, self.username

    def read_password(self) -> str:
        """The password as it stands now. Raises BadConfiguration when it cannot be had."""
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_env is not None:
            found = os.environ.get(self.password_env)
            if not found:
                raise BadConfiguration(
                    f"password_env: the environment variable {self.password_env!r} is not set in "
                    "this process; set it where the platform starts, or use password_file"
                )
            return found
        assert self.password_file is not None
        try:
            lines = self.password_file.expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise BadConfiguration(
                f"password_file: {self.password_file} cannot be read ({type(error).__name__}); "
                "correct the path or its permissions"
            ) from None
        if not lines or not lines[0].strip():
            raise BadConfiguration(f"password_file: {self.password_file} holds no password")
        return lines[0].strip()


class DeviceConfig(AccountConfig):
    """The `driver_config` of one device: a station, or with `portNumber` one port of it."""

    stationID: str = Field(min_length=1, description="station id, like 1:34003")  # noqa: N815
    portNumber: int | None = Field(  # noqa: N815
        None, ge=1, description="makes the device this port of the station"
    )
    cacheExpiration: float | None = Field(  # noqa: N815
        None, ge=0, description="seconds that a value may be old, where its row does not say"
    )
    shed_on_write: bool = Field(
        False, description="send each written limit at once, as the classic driver's users expect"
    )
    shed_duration: int = Field(
        60, ge=0, le=525_600, description="minutes after which a shed ends by itself; 0 = no end"
    )

    @field_validator("portNumber", mode="before")
    @classmethod
    def _empty_port_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def account(self) -> AccountConfig:
        """The part that the devices of an account share."""
        return AccountConfig(**{name: getattr(self, name) for name in AccountConfig.model_fields})

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "driver_config") -> DeviceConfig:
        """A validated config. Raises BadConfiguration with every fault at once; secrets do not
        show in it. The platform driver's own keys are left out."""
        own = {key: value for key, value in fields.items() if key not in HOST_KEYS}
        try:
            return cls(**own)
        except ValidationError as error:
            lines = [_explain(cls, fault) for fault in error.errors(include_url=False)]
            raise BadConfiguration("\n".join(f"{source}: {line}" for line in lines)) from None


def _explain(cls: type[BaseModel], fault: Any) -> str:
    """One pydantic fault as a sentence that does not repeat the value."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, cls.model_fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "remove it"
        return f"unknown key {key!r}; {hint}"
    if fault["type"] == "missing":
        return f"{key!r} is missing; add it"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
