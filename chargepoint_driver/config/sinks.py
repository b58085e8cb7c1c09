"""Sinks: where the events of an account go besides its own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chargepoint_driver.config.common import read_secret

__all__ = [
    "SINKS",
    "FileSinkConfig",
    "KafkaSinkConfig",
    "MqttSinkConfig",
    "NatsConnectionConfig",
    "NatsSinkConfig",
    "SinkConfig",
    "StreamKeys",
    "WebhookSinkConfig",
]

_FROZEN = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Sink(BaseModel):
    """Common keys of sinks."""

    model_config = _FROZEN

    max_waiting_events: int = Field(
        default=1_000_000,
        ge=100,
        description="maximum waiting events; above it the oldest are skipped, at half an alert is"
        " raised",
    )
    max_waiting_hours: float = Field(
        default=72.0,
        gt=0,
        le=8_760,
        description="maximum waiting hours of an event, with the same alert and skipping",
    )


class _Login(BaseModel):
    """A user with a password. It is read when the sink connects, and never shown."""

    model_config = _FROZEN

    username: str | None = Field(default=None, min_length=1, description="user name")
    password_env: str | None = Field(
        default=None, min_length=1, description="environment variable of the password"
    )
    password_file: Path | None = Field(
        default=None, description="file of the password (first line)"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> _Login:
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("give password_env or password_file, not both")
        if (self.username is None) != (self.password_env is None and self.password_file is None):
            raise ValueError("give username and password_env (or password_file) together")
        return self

    def read_password(self) -> str | None:
        """Return the password; None where there is no user. Raises ConfigurationError."""
        if self.username is None:
            return None
        return read_secret(self.password_env, self.password_file)


class _Token(BaseModel):
    """A token. It is read when the sink connects, and never shown."""

    model_config = _FROZEN

    token_env: str | None = Field(
        default=None, min_length=1, description="environment variable of a token"
    )
    token_file: Path | None = Field(default=None, description="file of the token (first line)")

    @model_validator(mode="after")
    def _is_one_token(self) -> _Token:
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("give token_env or token_file, not both")
        return self

    def read_token(self) -> str | None:
        """Return the token; None where none is configured. Raises ConfigurationError."""
        if self.token_env is None and self.token_file is None:
            return None
        return read_secret(self.token_env, self.token_file, "token")


class _TlsClient(BaseModel):
    """TLS settings of a client."""

    model_config = _FROZEN

    tls: bool = Field(default=False, description="encrypt, and check the server's certificate")
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority; default: the authorities of the machine",
    )
    certificate: Path | None = Field(default=None, description="PEM file of our own certificate")
    key: Path | None = Field(default=None, description="PEM file of its private key")

    @model_validator(mode="after")
    def _is_tls(self) -> _TlsClient:
        if not self.tls and (self.ca_file or self.certificate or self.key):
            raise ValueError("ca_file, certificate and key are of use with tls only; set tls true")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give certificate and key together")
        return self


class KafkaSinkConfig(_Sink, _Login, _TlsClient):
    """Apache Kafka's protocol. The key of a message is the station, so that the events of a
    charger stay in order; needs the extra [kafka]."""

    type: Literal["kafka"] = Field(description="Kafka")
    bootstrap_servers: tuple[str, ...] = Field(min_length=1, description="host:port of brokers")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how the user is authenticated"
    )
    topic_prefix: str = Field(
        default="chargepoint.", max_length=150, description="prefix of every topic"
    )
    one_topic: bool = Field(
        default=False,
        description="one topic `events` for all; default: one per action, ordered within a topic "
        "only",
    )
    replicas: int = Field(
        default=0,
        ge=0,
        le=7,
        description="replicas of created topics; 0: the number of brokers, at most 3",
    )
    partitions: int = Field(default=6, ge=1, le=1_000, description="partitions of created topics")
    live_status: bool = Field(
        default=True, description="publish the latest status in the compacted topic `live-status`"
    )

    @field_validator("topic_prefix")
    @classmethod
    def _prefix_is_of_a_topic(cls, value: str) -> str:
        if not all(char.isascii() and (char.isalnum() or char in "._-") for char in value):
            raise ValueError("has letters, digits, dots, underscores and dashes only")
        return value


class NatsConnectionConfig(_Login, _Token, _TlsClient):
    """Connection to NATS."""

    servers: tuple[str, ...] = Field(min_length=1, description="URLs, like nats://127.0.0.1:4222")

    @field_validator("servers")
    @classmethod
    def _servers_hold_no_password(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            parts = urlsplit(server)
            if parts.scheme not in {"nats", "tls", "ws", "wss"} or not parts.hostname:
                raise ValueError("must be URLs, like nats://127.0.0.1:4222")
            if parts.username or parts.password:
                raise ValueError(
                    "must not hold a password; use username and password_env, or a token"
                )
        return value


class NatsSinkConfig(NatsConnectionConfig, _Sink):
    """NATS JetStream; needs the extra [nats]."""

    type: Literal["nats"] = Field(description="NATS JetStream")
    stream: str = Field(
        default="CHARGEPOINT", pattern=r"^[A-Za-z0-9_-]+$", description="stream; created if missing"
    )
    subject_prefix: str = Field(
        default="cp.ev",
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        description="prefix of subjects: prefix.account.station.action",
    )
    stream_hours: float = Field(
        default=72.0, gt=0, description="hours that a created stream keeps events"
    )
    stream_bytes: int = Field(
        default=1_000_000_000, ge=1_000_000, description="maximum bytes of a created stream"
    )
    replicas: int = Field(
        default=1, ge=1, le=5, description="replicas of created streams and buckets"
    )
    bucket: str | None = Field(
        default="cp_status",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="key-value bucket of the latest status; null: none",
    )


class MqttSinkConfig(_Sink, _Login, _TlsClient):
    """MQTT 5, with retained messages of the latest status; needs the extra [mqtt]."""

    type: Literal["mqtt"] = Field(description="MQTT")
    host: str = Field(min_length=1, description="name or address of the broker")
    port: int | None = Field(
        default=None, ge=1, le=65_535, description="port; default: 1883, with tls 8883"
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="client id; default: from stream and sink",
    )
    topic_prefix: str = Field(
        default="chargepoint",
        min_length=1,
        max_length=200,
        pattern=r"^[^#+/\x00][^#+\x00]*$",
        description="prefix of topics: prefix/account/station/action",
    )
    live_status: bool = Field(
        default=True, description="publish the latest status as retained messages"
    )
    home_assistant: str | None = Field(
        default=None,
        min_length=1,
        pattern=r"^[^#+/\x00]+$",
        description='discovery prefix of Home Assistant, mostly "homeassistant"; null: none',
    )

    @model_validator(mode="after")
    def _has_status(self) -> MqttSinkConfig:
        if self.home_assistant is not None and not self.live_status:
            raise ValueError("home_assistant shows the latest status; set live_status to true")
        return self


class WebhookSinkConfig(_Sink, _Token):
    """HTTP POST of batches of events, signed; needs the extra [web] or [ocpp]."""

    type: Literal["webhook"] = Field(description="a webhook")
    url: str = Field(description="address that receives the events")
    secret_env: str | None = Field(
        default=None, min_length=1, description="environment variable of the signature key"
    )
    secret_file: Path | None = Field(
        default=None, description="file of the signature key (first line)"
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority; default: the authorities of the machine",
    )
    max_batch: int = Field(default=100, ge=1, le=500, description="maximum events of one request")
    allow_plain_http: bool = Field(
        default=False,
        description="permit http:// beyond loopback, where others can read the events",
    )

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be a URL, like https://host/path")
        if parts.username or parts.password:
            raise ValueError("must not hold a password; use token_env or token_file")
        return value

    @model_validator(mode="after")
    def _is_signed(self) -> WebhookSinkConfig:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("give exactly one of secret_env and secret_file")
        parts = urlsplit(self.url)
        is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme == "http" and not is_local and not self.allow_plain_http:
            raise ValueError("url: write https, or set allow_plain_http to true")
        return self

    def read_key(self) -> str:
        """Return the key of signatures. Raises ConfigurationError."""
        return read_secret(self.secret_env, self.secret_file, "secret")


class FileSinkConfig(_Sink):
    """JSON lines, in files that are rotated."""

    type: Literal["file"] = Field(description="a file")
    path: Path = Field(description="file; older files get .1, .2 and so on")
    max_bytes: int = Field(
        default=100_000_000, ge=10_000, description="bytes at which a new file starts"
    )
    keep: int = Field(default=10, ge=1, le=1_000, description="number of older files")

    @field_validator("path")
    @classmethod
    def _path_may_be_in_the_home(cls, value: Path) -> Path:
        return value.expanduser()


SinkConfig: TypeAlias = Annotated[
    KafkaSinkConfig | NatsSinkConfig | MqttSinkConfig | WebhookSinkConfig | FileSinkConfig,
    Field(discriminator="type"),
]
"""Any sink."""

SINKS: tuple[type[BaseModel], ...] = (
    KafkaSinkConfig,
    NatsSinkConfig,
    MqttSinkConfig,
    WebhookSinkConfig,
    FileSinkConfig,
)


class StreamKeys(BaseModel):
    """The keys of an account about its event stream."""

    sinks: dict[str, SinkConfig] = Field(
        default_factory=dict,
        description="name to destination of events: Kafka, NATS JetStream, MQTT, webhook or file",
    )
    stream_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="name of this account in its events and topics; default: that of its backend",
    )

    @field_validator("sinks")
    @classmethod
    def _sinks_have_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not name or len(name) > 64 or not name.isprintable():
                raise ValueError("the name of a sink is printable text of 1 to 64 characters")
        return value
