"""The `web` section of an accounts file: settings of the page and the JSON API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargepoint_driver.config.common import explain, keys_of, printable
from chargepoint_driver.config.web_keys import Role, WebKey, key_name
from chargepoint_driver.errors import ConfigurationError

__all__ = ["HistorianConfig", "ProxyLogin", "ScheduleFileConfig", "WebConfig", "zone_name"]

_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
# They have another meaning here.
_TAKEN_HEADERS = {"authorization", "cookie", "host", "origin", "x-api-key", "x-forwarded-for"}


def zone_name(name: str | None) -> str | None:
    """Return the name of a zone that this machine knows; None stays. Raises ValueError."""
    if name is not None:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            raise ValueError(
                f"{name!r} is not a time zone of this machine; write one like Europe/Berlin, "
                "or install the package tzdata"
            ) from None
    return name


class HistorianConfig(BaseModel):
    """Another source of charts: a historian of the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database: Path = Field(description="database of VOLTTRON's SQLite historian")
    devices: Path = Field(
        description="folder `driver_configs` of `discover --write`: which topic is which port"
    )


class ProxyLogin(BaseModel):
    """Login by a reverse proxy on the same machine, as of OpenID Connect. The page must listen on
    loopback; each process of the machine can then write these headers."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    user_header: str = Field(
        description="header with the name of the user, like X-Forwarded-Email; the proxy must "
        "remove it from requests that come in"
    )
    groups_header: str | None = Field(
        None, description="header with the user's groups, separated by commas"
    )
    roles: dict[str, Role] = Field(
        default={}, description="group to role; of several groups the highest role counts"
    )
    default_role: Role | None = Field(
        None, description="role of users without a group of `roles`; default: they are refused"
    )

    @field_validator("user_header", "groups_header")
    @classmethod
    def _check_header(cls, name: str | None) -> str | None:
        if name is not None and (not _HEADER.fullmatch(name) or name.lower() in _TAKEN_HEADERS):
            raise ValueError("must be the name of a header of the proxy, like X-Forwarded-Email")
        return name


class ScheduleFileConfig(BaseModel):
    """Schedule that the page shows and edits."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    file: Path = Field(description="JSON file of the schedule, which its scheduler watches")
    run: bool = Field(
        False,
        description="run the schedule in this process, on its accounts; false: the scheduler agent "
        "or `chargepoint-driver schedule` runs it",
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
        description="SQLite file of load over time, alarms and the audit log; default of "
        "`chargepoint-driver web`: next to the accounts file",
    )
    historian: HistorianConfig | None = Field(
        None, description="a historian of the platform that charts come from instead"
    )

    keys: dict[str, WebKey] = Field(
        default={}, description="name to key: who may use the page and the API, and as what"
    )
    keys_file: Path | None = Field(
        None,
        description="file of further keys as digests; `chargepoint-driver web-keys` writes it, "
        "and changes apply within a second",
    )
    proxy_login: ProxyLogin | None = Field(
        None, description="login by a reverse proxy; default: its headers mean nothing"
    )
    id_tags: Role | Literal["nobody"] = Field(
        "operator", description="lowest role that sees idTags"
    )
    audit_days: int = Field(
        400, ge=1, le=3_660, description="days for which the audit log keeps an entry"
    )
    schedule: ScheduleFileConfig | None = Field(
        None, description="schedule that the page shows and edits"
    )

    _title = field_validator("title")(lambda text: None if text is None else printable(text))

    @field_validator("keys")
    @classmethod
    def _check_names(cls, keys: dict[str, WebKey]) -> dict[str, WebKey]:
        for name in keys:
            if key_name(name) != name:
                raise ValueError(f"{name!r}: must not have blanks around it")
        return keys

    _zone = field_validator("time_zone")(zone_name)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> WebConfig:
        """Read the section `web` of an accounts file. Raises ConfigurationError: every fault."""
        section = fields.get("web", {})
        if not isinstance(section, Mapping):
            raise ConfigurationError("config: web: must be an object")
        try:
            return cls.model_validate(section)
        except ValidationError as error:
            known = keys_of(cls, HistorianConfig, ProxyLogin, WebKey)
            lines = [explain(fault, known) for fault in error.errors(include_url=False)]
            raise ConfigurationError("\n".join(f"config: web: {line}" for line in lines)) from None
