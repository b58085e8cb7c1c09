"""Configuration of the central system for OCPP. No secrets in faults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from chargepoint_driver.config.common import (
    UNREACHABLE_MINUTES,
    explain,
    keys_of,
    parse_address,
    read_secret,
)
from chargepoint_driver.config.quirks import MEASURANDS, Quirks
from chargepoint_driver.config.sinks import SINKS, StreamKeys
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError

__all__ = [
    "ChargerConfig",
    "OcppConfig",
    "Retention",
    "Tls",
    "faults_of",
    "parse_address",
    "read_charge_points",
]

MAX_ID = 128
_FROZEN = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Tls(BaseModel):
    """Encryption. With `client_ca` every charger must show a certificate of that
    authority whose common name, or a DNS name of it, is the charger's id."""

    model_config = _FROZEN

    certificate: Path = Field(description="PEM file of the server's certificate chain")
    key: Path = Field(description="PEM file of its private key")
    client_ca: Path | None = Field(
        default=None, description="PEM file; asks for client certificates"
    )
    revoked_certificates: Path | None = Field(
        default=None,
        description="file of revoked client certificates, one per line: serial number or SHA-256,"
        " hexadecimal",
    )


class Retention(BaseModel):
    """Days that records are kept; None keeps them permanently."""

    model_config = _FROZEN

    events_days: float | None = Field(
        default=90, gt=0, description="events other than meter values"
    )
    meter_values_days: float | None = Field(default=14, gt=0, description="events of meter values")
    transactions_days: float | None = Field(
        default=None, gt=0, description="completed transactions"
    )
    max_bytes: int | None = Field(
        default=10_000_000_000,
        ge=1_000_000,
        description="maximum bytes of the database; above it the oldest events are deleted",
    )
    unbooted_days: float | None = Field(
        default=1,
        gt=0,
        description="ids that never sent a BootNotification and are not in charge_points",
    )


class ChargerConfig(BaseModel):
    """Settings of one charger."""

    model_config = _FROZEN

    password_env: str | None = Field(
        default=None, min_length=1, description="environment variable of its password"
    )
    password_file: Path | None = Field(
        default=None, description="file of its password (first line)"
    )
    model: str | None = Field(default=None, description="model, to know its quirks before it boots")
    voltage: float | None = Field(
        default=None, gt=0, le=1000, description="V between phase and neutral"
    )
    phases: Literal[1, 2, 3] | None = Field(
        default=None, description="phases that a connector uses"
    )
    current: Literal["AC", "DC"] = Field(
        default="AC", description="kind of current; DC has no minimum limit of 6 A"
    )
    rated_kw: float | None = Field(default=None, gt=0, description="rated power of a connector, kW")
    quirks: Quirks = Field(default_factory=Quirks, description="its own quirks")

    @model_validator(mode="after")
    def _has_one_password(self) -> ChargerConfig:
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("give password_env or password_file, not both")
        return self

    @property
    def has_password(self) -> bool:
        return self.password_env is not None or self.password_file is not None

    def read_password(self) -> str:
        """Return the password as it stands now. Raises ConfigurationError when it cannot be had."""
        return read_secret(self.password_env, self.password_file)


_ANYONE = ChargerConfig()


class OcppConfig(StreamKeys):
    """The central system."""

    model_config = _FROZEN

    listen: str = Field(
        default="127.0.0.1:9000", description="address:port; port 0 takes a free one"
    )
    database: Path = Field(description="SQLite file of transactions, events and limits")
    charge_points: Literal["*"] | dict[str, ChargerConfig] = Field(
        default="*", description='"*" for any, or id to settings; the id "*" stands for all others'
    )
    station_groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="name to the chargers of a stationGroup device, which share one total",
    )
    voltage: float = Field(default=240.0, gt=0, le=1000, description="V between phase and neutral")
    phases: Literal[1, 2, 3] = Field(default=1, description="phases that a connector uses")
    tls: Tls | None = Field(default=None, description="encryption")
    allow_unauthenticated: bool = Field(
        default=False,
        description="permit listening beyond loopback although chargers need no password",
    )
    accept_id_tags: Path | None = Field(
        default=None,
        description="file of idTags, one per line; default: all are accepted",
    )
    retention: Retention = Field(
        default_factory=Retention, description="days that records are kept"
    )
    heartbeat_s: int = Field(
        default=60, ge=1, le=86_400, description="seconds between heartbeats, sent at boot"
    )
    meter_interval_s: float = Field(
        default=60,
        ge=1,
        le=86_400,
        description="maximum seconds between meter values; chargers are set to it",
    )
    measurands: tuple[str, ...] = Field(
        default=MEASURANDS,
        description="measurands that chargers are set to send, best first; empty: settings are "
        "not changed",
    )
    unreachable_minutes: float = UNREACHABLE_MINUTES
    ping_s: float = Field(default=30.0, gt=0, description="seconds between pings, and until a pong")
    call_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="maximum seconds for an answer; without any message meanwhile the connection "
        "is dropped",
    )
    boot_grace_s: float = Field(
        default=5.0,
        gt=0,
        description="seconds until a silent charger is asked for its boot data",
    )
    configuration_delay_s: float | None = Field(
        default=20.0,
        ge=0,
        description="seconds after boot until its configuration is read; null: only when needed",
    )
    open_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="maximum seconds of a handshake"
    )
    most_frame_bytes: int = Field(
        default=262_144, ge=1024, description="maximum bytes of a message"
    )
    messages_per_second: float = Field(
        default=500.0,
        gt=0,
        description="maximum rate of a charger's messages and control frames, after a burst of "
        "twice this",
    )
    bytes_per_second: float = Field(
        default=1_000_000.0,
        gt=0,
        description="maximum rate of a charger's bytes, after a burst of twice this",
    )
    boots_per_minute: float = Field(
        default=10.0,
        gt=0,
        description="boots of a charger that have an effect; the others are only answered",
    )
    max_charge_points: int = Field(
        default=20_000, ge=1, description="maximum stored chargers if any may connect"
    )
    most_connections: int = Field(
        default=5_000, ge=1, description="maximum sockets at the same time"
    )
    blocked_charge_points: Path | None = Field(
        default=None,
        description="file of ids that may not connect, one per line; read again when it changes",
    )
    max_connections_per_address: int | None = Field(
        default=None,
        ge=1,
        description="maximum sockets of one address beyond loopback; null: most_connections",
    )
    subprotocols: tuple[Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"], ...] = Field(
        default=("ocpp2.0.1", "ocpp2.1", "ocpp1.6"),
        min_length=1,
        description="accepted subprotocols, best first; a charger that offers none speaks 1.6",
    )

    @field_validator("listen")
    @classmethod
    def _listen_is_an_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("database")
    @classmethod
    def _database_may_be_in_the_home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("charge_points")
    @classmethod
    def _ids_can_be_used(cls, value: Any) -> Any:
        for station_id in value if isinstance(value, dict) else ():
            if not 0 < len(station_id) <= MAX_ID or not station_id.isprintable():
                raise ValueError(
                    f"a charge point id has 1 to {MAX_ID} printable characters;"
                    f" got {station_id[:40]!r}"
                )
        return value

    @field_validator("station_groups")
    @classmethod
    def _groups_can_be_used(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, members in value.items():
            if not name.strip() or not name.isprintable() or "," in name:
                raise ValueError("a group's name is printable text without commas, and not empty")
            if not members or len(set(members)) < len(members):
                raise ValueError(f"{name}: must list charge point ids, each once")
        return value

    @model_validator(mode="after")
    def _groups_are_of_charge_points(self) -> OcppConfig:
        for name, members in self.station_groups.items():
            strangers = [each for each in members if self.of(each) is None]
            if strangers:
                raise ValueError(
                    f"station_groups.{name}: {', '.join(strangers)} may not connect; add to"
                    " charge_points, or remove from the group"
                )
        return self

    def groups_of(self, station_id: str) -> tuple[str, ...]:
        """Return the names of the groups that a charge point is in."""
        return tuple(name for name, members in self.station_groups.items() if station_id in members)

    @model_validator(mode="after")
    def _is_not_open_to_the_world(self) -> OcppConfig:
        if not (self.is_loopback or self.is_authenticated or self.allow_unauthenticated):
            raise ValueError(
                "listen: beyond loopback every charge point needs a password, or tls a client_ca;"
                " add them, or set allow_unauthenticated to true"
            )
        return self

    @model_validator(mode="after")
    def _events_wait_as_long_as_sinks_say(self) -> OcppConfig:
        keep = self.retention
        days = [each for each in (keep.events_days, keep.meter_values_days) if each is not None]
        for name, sink in self.sinks.items():
            if sink.max_waiting_hours > 24 * min(days, default=365):
                raise ValueError(
                    f"sinks.{name}: max_waiting_hours is longer than retention keeps events"
                    f" ({24 * min(days):g} hours); write less, or raise events_days and"
                    " meter_values_days"
                )
        return self

    @property
    def address(self) -> tuple[str, int]:
        return parse_address(self.listen)

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address[0]).is_loopback

    @property
    def is_authenticated(self) -> bool:
        """Return True if nobody gets in without a secret."""
        if self.tls is not None and self.tls.client_ca is not None:
            return True
        return self.charge_points != "*" and all(
            point.has_password for point in self.charge_points.values()
        )

    def of(self, station_id: str) -> ChargerConfig | None:
        """Return the settings of a charge point; None when it may not connect."""
        if self.charge_points == "*":
            return _ANYONE
        return self.charge_points.get(station_id) or self.charge_points.get("*")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "ocpp") -> OcppConfig:
        """Return a validated config. Raises ConfigurationError with every fault at once."""
        lines = faults_of(cls, fields)
        if lines:
            raise ConfigurationError("\n".join(f"{source}: {line}" for line in lines))
        return cls(**fields)


def faults_of(
    cls: type[BaseModel], fields: Mapping[str, Any], known: Sequence[str] = ()
) -> list[str]:
    """Every fault of the fields; `known` are the keys that a misspelt one may be meant for."""
    try:
        cls.model_validate(dict(fields))
    except ValidationError as error:
        nested = keys_of(ChargerConfig, Tls, Retention, Quirks, *SINKS)
        return [
            explain(
                {**fault, "loc": _without_choices(fault["loc"])},
                nested if len(fault["loc"]) > 1 else known or keys_of(cls),
            )
            for fault in error.errors(include_url=False)
            # Of "*" or an object, an object was meant.
            if not (fault["type"] == "literal_error" and isinstance(fault["input"], Mapping))
        ]
    return []


def _without_choices(place: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the place of a fault without the words that pydantic has for each choice of a type."""
    return tuple(part for part in place if not str(part).startswith(("literal[", "dict[")))


def read_charge_points(path: Path) -> Any:
    """Return the charge points of a JSON file: an object of id to settings, or "*". Not
    validated."""
    found = read_json(path).content
    if isinstance(found, dict) and set(found) == {"charge_points"}:
        found = found["charge_points"]
    if found != "*" and not isinstance(found, dict):
        raise ConfigurationError(f'{path}: must be an object of id to settings, or "*"')
    return found
