"""Config of a node: a central system whose records are in PostgreSQL."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chargepoint_driver.config.billing import BillingConfig
from chargepoint_driver.config.common import explain, keys_of, parse_address, read_secret
from chargepoint_driver.config.ocpp import OcppConfig, faults_of
from chargepoint_driver.config.sinks import NatsConnectionConfig
from chargepoint_driver.config.soap_account import AgentAccount
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError

__all__ = ["NodeConfig", "NodeNatsConfig", "PostgresConfig", "read_node_config"]

_MAX_NAME = 64
_FROZEN = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PostgresConfig(BaseModel):
    """The database that all nodes share."""

    model_config = _FROZEN

    dsn: str = Field(
        description="address, like postgresql://chargepoint@db1,db2/chargepoint?sslmode=verify-full;"
        " of several servers the one that can be written is used"
    )
    password_env: str | None = Field(
        default=None, min_length=1, description="environment variable of the password"
    )
    password_file: Path | None = Field(
        default=None, description="file of the password (first line)"
    )

    @field_validator("dsn")
    @classmethod
    def _dsn_has_no_password(cls, value: str) -> str:
        if not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        parts = urlsplit(value)
        keys = [each.partition("=")[0] for each in parts.query.split("&")]
        if ":" in parts.netloc.rpartition("@")[0] or "password" in keys:
            raise ValueError("must not contain the password; use password_env or password_file")
        return value

    @model_validator(mode="after")
    def _has_one_password(self) -> PostgresConfig:
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("give password_env or password_file, not both")
        return self

    def read_password(self) -> str | None:
        """Return the password as it stands now, None without one. Raises ConfigurationError."""
        if self.password_env is None and self.password_file is None:
            return None
        return read_secret(self.password_env, self.password_file)


class NodeNatsConfig(NatsConnectionConfig):
    """NATS between the nodes. Who may publish there commands the chargers of every node."""

    @model_validator(mode="after")
    def _is_safe(self) -> NodeNatsConfig:
        beyond = [each for each in self.servers if not _is_loopback(each)]
        has_login = (
            self.username is not None
            or self.certificate is not None
            or (self.token_env is not None or self.token_file is not None)
        )
        if beyond and not (self.tls and has_login):
            raise ValueError(
                f"{beyond[0]} can be reached by others, who could command chargers; set tls true, "
                "and a user, a token or a certificate"
            )
        return self


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class NodeConfig(BaseModel):
    """The config of `chargepoint-driver node`."""

    model_config = _FROZEN

    node: str = Field(
        min_length=1, max_length=64, description="name of this node, of no other process"
    )
    postgres: PostgresConfig = Field(description="the database that all nodes share")
    nats: NodeNatsConfig | None = Field(
        default=None,
        description="NATS that all nodes share, for requests to chargers of other nodes; default:"
        " the control API reaches the chargers of this node only",
    )
    lease_s: float = Field(
        default=4.0,
        ge=2,
        le=60,
        description="seconds after which a node that PostgreSQL does not hear of sends nothing",
    )
    drain_s: float = Field(
        default=60.0,
        ge=0,
        le=3_600,
        description="seconds over which a drained node closes its sockets",
    )
    health: str | None = Field(
        default=None,
        description="address:port of /health for a load balancer, without a password; default: off",
    )
    accounts: dict[str, AgentAccount] = Field(
        default_factory=dict,
        description="name to an account of ChargePoint's web services, which one node at a time"
        " holds for all; the same on every node",
    )
    charger_account: str = Field(
        default="chargers",
        min_length=1,
        max_length=64,
        description="name of the account of all chargers that connect to the nodes",
    )
    allow_call: bool = Field(
        default=False, description="permit any OCPP request through the account of the chargers"
    )
    control: str | None = Field(
        default=None, description="address:port of the control API; default: off"
    )
    metrics: str | None = Field(
        default=None, description="address:port for Prometheus; default: off"
    )
    billing: BillingConfig | None = Field(
        default=None,
        description="tariffs and cost centres, for `report` and `sessions --costs`; the node itself"
        " does not use it",
    )
    central_system: OcppConfig = Field(
        description="keys of the central system; `database` is a file of this node only"
    )

    @field_validator("node")
    @classmethod
    def _node_is_printable(cls, value: str) -> str:
        if not value.isprintable() or not value.strip():
            raise ValueError("must be printable text")
        return value

    @field_validator("control", "health", "metrics")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            parse_address(value)
        return value

    @field_validator("accounts")
    @classmethod
    def _accounts_are_shared(cls, value: dict[str, AgentAccount]) -> dict[str, AgentAccount]:
        keys: dict[tuple[str, str], str] = {}
        for name, account in value.items():
            if not name.strip() or not name.isprintable() or len(name) > _MAX_NAME:
                raise ValueError(
                    f"{name!r}: must be printable text of up to {_MAX_NAME} characters"
                )
            other = keys.setdefault(account.key, name)
            if other != name:
                raise ValueError(f"{name}: is the same account as {other}; remove one of the two")
            for key in ("command_file", "cache_file"):
                if getattr(account, key) is not None:
                    raise ValueError(f"{name}: {key}: nodes keep that in postgres; remove it")
        return value

    @model_validator(mode="after")
    def _has_one_account_of_chargers(self) -> NodeConfig:
        if self.charger_account in self.accounts:
            raise ValueError(
                f"charger_account: {self.charger_account!r} is an account of ChargePoint here; "
                "write another name"
            )
        return self

    @model_validator(mode="after")
    def _keeps_transactions(self) -> NodeConfig:
        if self.central_system.retention.transactions_days is not None:
            raise ValueError(
                "central_system.retention.transactions_days: a node does not delete transactions;"
                " remove it"
            )
        return self


_NESTED: dict[str, type[BaseModel]] = {
    "postgres": PostgresConfig,
    "nats": NodeNatsConfig,
    "accounts": AgentAccount,
    "billing": BillingConfig,
}


def read_node_config(path: Path) -> NodeConfig:
    """Return the config in a JSON file. Raises ConfigurationError with every fault."""
    try:
        fields = read_json(path).content
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__}); correct the path or its permissions"
        ) from None
    if not isinstance(fields, dict):
        raise ConfigurationError(f"{path}: not a JSON object; begin with {{ and end with }}")
    faults = _faults_of(fields)
    if faults:
        raise ConfigurationError("\n".join(f"{path}: {fault}" for fault in faults))
    return NodeConfig.model_validate(fields)


def _faults_of(fields: Mapping[str, Any]) -> list[str]:
    central = fields.get("central_system")
    faults = []
    if isinstance(central, Mapping):
        faults = [f"central_system: {each}" for each in faults_of(OcppConfig, central)]
    try:
        NodeConfig.model_validate(dict(fields))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if fault["loc"][:1] == ("central_system",) and faults:
                continue
            of: type[BaseModel] = NodeConfig
            if len(fault["loc"]) > 1:
                of = _NESTED.get(str(fault["loc"][0]), NodeConfig)
            faults.append(explain(fault, keys_of(of)))
    return faults
