"""Shared parts of all config models: the host's keys, names, and faults as sentences."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import read_text

__all__ = [
    "HOST_KEYS",
    "UNREACHABLE_MINUTES",
    "DeviceKeys",
    "explain",
    "keys_of",
    "metrics_address",
    "own_keys",
    "parse_address",
    "printable",
    "read_secret",
    "unknown_key",
]

# Keys of a driver config that are the platform driver's own.
HOST_KEYS = frozenset({"debug", "driver_type", "heart_beat_point", "module", "plugins"})

UNREACHABLE_MINUTES: Any = Field(
    default=30.0,
    ge=0,
    le=10_080,
    description="minutes until an alert for an unreachable station; 0: no alert for stations",
)


METRICS_PORT: Any = Field(
    default=None,
    description="port for Prometheus, on loopback, or address:port; default: off",
)


def metrics_address(value: int | str | None) -> tuple[str, int] | None:
    """Return the address and the port of a `metrics_port`; None for none. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65_535:
        return "127.0.0.1", value
    if not isinstance(value, str):
        raise ValueError("must be a port from 0 to 65535, or address:port")
    return parse_address(value)


class DeviceKeys(BaseModel):
    """Keys of a device for every backend."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cacheExpiration: float | None = Field(  # noqa: N815
        None, ge=0, description="default maximum age of a value in seconds"
    )
    cache_agent: str | None = Field(
        None, min_length=1, description="identity of the caching agent with the account"
    )
    account_name: str | None = Field(
        None,
        alias="account",
        min_length=1,
        description="name of the account in the caching agent; optional if it has one",
    )
    metrics_port: int | str | None = METRICS_PORT
    classic_shapes: bool = Field(
        False,
        description="on classic VOLTTRON: rights, times and clearAlarms as the classic driver had "
        "them",
    )

    @property
    def catalogue_name(self) -> str:
        """Return the name of the table of what the account has."""
        return str(getattr(self, "backend"))  # noqa: B009 - of every device

    @field_validator("metrics_port")
    @classmethod
    def _metrics_have_an_address(cls, value: int | str | None) -> int | str | None:
        metrics_address(value)
        return value


def own_keys(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a driver config without the platform driver's own keys."""
    return {key: value for key, value in fields.items() if key not in HOST_KEYS}


def printable(text: str) -> str:
    """Return a name without the blanks around it."""
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("must be printable text, and not empty")
    return text


def keys_of(*classes: type[BaseModel]) -> list[str]:
    """Return the keys that models know, as configs spell them."""
    return [field.alias or name for cls in classes for name, field in cls.model_fields.items()]


def explain(fault: Any, known: Iterable[str]) -> str:
    """One pydantic fault as a sentence that does not repeat the value; `known` are the keys
    that a misspelt one may be meant for."""
    place = fault["loc"]
    if len(place) > 3 and place[0] == "sinks":
        place = (*place[:2], *place[3:])  # without the word for the type of sink
    key = ".".join(str(part) for part in place)
    if fault["type"] == "union_tag_not_found":
        return f"'{key}.type' is missing; add it: kafka, nats, mqtt, webhook or file"
    if fault["type"] == "union_tag_invalid":
        return f"{key}.type: must be kafka, nats, mqtt, webhook or file"
    if fault["type"] == "extra_forbidden":
        return unknown_key(key, known)
    if fault["type"] == "missing":
        return f"{key!r} is missing; add it"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def unknown_key(key: str, known: Iterable[str]) -> str:
    """That a key means nothing, and which one may be meant."""
    near = difflib.get_close_matches(key.rsplit(".", 1)[-1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "remove it"
    return f"unknown key {key!r}; {hint}"


def read_secret(variable: str | None, file: Path | None, name: str = "password") -> str:
    """Return what the environment variable of `<name>_env`, or else the first line of the file of
    `<name>_file`, holds now. Raises ConfigurationError when it cannot be had."""
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise ConfigurationError(
                f"{name}_env: the environment variable {variable!r} is not set in this "
                f"process; set it where the process starts, or use {name}_file"
            )
        return found
    assert file is not None
    try:
        lines = read_text(file).splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"{name}_file: {file} cannot be read ({type(error).__name__}); correct the path or "
            "its permissions"
        ) from None
    if not lines or not lines[0].strip():
        raise ConfigurationError(f"{name}_file: {file} holds no {name}")
    return lines[0].strip()


def parse_address(value: str) -> tuple[str, int]:
    """Return the address and the port of `address:port`. Raises ValueError."""
    host, colon, port = value.rpartition(":")
    host = host.strip("[]")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not colon or not 0 <= number <= 65_535:
        raise ValueError("must be address:port, like 127.0.0.1:9000 (an address, not a name)")
    return host, number
