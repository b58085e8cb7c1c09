"""An account that nodes of a fleet hold: where they are, and devices of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from chargepoint_driver.config.common import (
    DeviceKeys,
    explain,
    keys_of,
    own_keys,
    printable,
    read_secret,
)
from chargepoint_driver.config.ocpp import MAX_ID
from chargepoint_driver.config.shed import ShedSettings
from chargepoint_driver.errors import ConfigurationError

__all__ = ["FleetAccountConfig", "FleetDevice", "FleetKeys"]

_MAX_NODES = 100


class FleetKeys(BaseModel):
    """The keys that say which account of which fleet."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    backend: Literal["fleet"] = Field("fleet", description="an account that nodes hold")
    nodes: tuple[str, ...] = Field(
        min_length=1,
        max_length=_MAX_NODES,
        description="URLs of the control API of nodes; the one that answered last is asked first",
    )
    token_env: str | None = Field(
        None, min_length=1, description="environment variable of the control API's token"
    )
    token_file: Path | None = Field(None, description="file of the token (first line)")
    ca_file: Path | None = Field(
        None,
        description="PEM file of a private authority of the nodes' certificates; default: the "
        "authorities of the machine",
    )
    account_backend: Literal["chargepoint", "ocpp"] = Field(
        "chargepoint",
        description='what the account is of; "ocpp" for the chargers that connect to the nodes',
    )
    timeout: float = Field(
        20.0,
        gt=0,
        le=300,
        description="seconds; the maximum wait for an answer is three times this, and 5",
    )

    @field_validator("nodes")
    @classmethod
    def _nodes_are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_node_url(each) for each in value)

    @model_validator(mode="after")
    def _has_one_token(self) -> FleetKeys:
        if (self.token_env is None) == (self.token_file is None):
            raise ValueError("exactly one of token_env and token_file must be given")
        return self

    def read_token(self) -> str:
        """Return the token as it stands now. Raises ConfigurationError when it cannot be had."""
        return read_secret(self.token_env, self.token_file, "token")

    def missing_secret(self) -> ConfigurationError | None:
        """Return why the token cannot be had at present."""
        try:
            self.read_token()
        except ConfigurationError as error:
            return error
        return None

    @property
    def place(self) -> str:
        """Return where the nodes are, for messages."""
        return f"fleet at {', '.join(urlsplit(each).netloc for each in self.nodes)}"


class FleetAccountConfig(FleetKeys):
    """An account of the caching agent that nodes hold."""

    account: str = Field(min_length=1, description="name of the account in the fleet")

    @field_validator("account")
    @classmethod
    def _account_is_a_name(cls, value: str) -> str:
        return printable(value)

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes two configs the same account."""
        return "fleet", *sorted(self.nodes), self.account


class FleetDevice(ShedSettings, DeviceKeys, FleetKeys):
    """The `driver_config` of one device: a station, with `portNumber` one port of it, or a charger,
    with `connectorId` one connector."""

    cache_agent: str | None = Field(
        None, min_length=1, description="not with this backend: the agent has a backend of its own"
    )
    account_name: str = Field(
        alias="account", min_length=1, description="name of the account in the fleet"
    )
    stationID: str = Field(  # noqa: N815
        "", max_length=MAX_ID, description="station id, like 1:34003; or chargePointID"
    )
    chargePointID: str | None = Field(  # noqa: N815
        None, max_length=MAX_ID, description="id with which the charger connects"
    )
    stationGroup: str | None = Field(  # noqa: N815
        None, min_length=1, description="the device is this station group instead of a station"
    )
    portNumber: int | None = Field(  # noqa: N815
        None, ge=1, description="the device is this port of the station; or connectorId"
    )
    connectorId: int | None = Field(  # noqa: N815
        None, ge=1, le=1_000, description="the device is this connector of the charger"
    )
    evseId: int | None = Field(  # noqa: N815
        None, ge=1, le=1_000, description="the same, in terms of OCPP 2.x"
    )

    @model_validator(mode="before")
    @classmethod
    def _has_one_name(cls, given: Any) -> Any:
        """Put a charger's id and connector where the others expect a station's."""
        if not isinstance(given, Mapping):
            return given
        fields = dict(given)
        for name in ("portNumber", "connectorId", "evseId", "stationGroup", "chargePointID"):
            if fields.get(name) == "":
                fields.pop(name)
        group = fields.get("stationGroup")
        if isinstance(group, int) and not isinstance(group, bool):
            fields["stationGroup"] = str(group)
        return fields

    @field_validator("portNumber", "connectorId", "evseId", mode="before")
    @classmethod
    def _port_is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be the number of a port")
        return value

    @field_validator("stationID", "chargePointID", "account_name")
    @classmethod
    def _id_is_a_name(cls, value: str | None) -> str | None:
        return value if value is None or value == "" else printable(value)

    @model_validator(mode="after")
    def _is_one_device(self) -> FleetDevice:
        faults = []
        names = {
            name: value
            for name, value in (
                ("stationID", self.stationID),
                ("chargePointID", self.chargePointID),
                ("stationGroup", self.stationGroup),
            )
            if value
        }
        if len(names) != 1:
            found = ", ".join(names) or "none"
            faults.append(
                "exactly one of stationID, chargePointID and stationGroup must be given "
                f"(found: {found})"
            )
        ports = {
            value for value in (self.portNumber, self.connectorId, self.evseId) if value is not None
        }
        if len(ports) > 1:
            faults.append("portNumber, connectorId and evseId differ; give one of them")
        if ports and self.stationGroup is not None:
            faults.append("portNumber: a station group has no port; remove it")
        if self.cache_agent is not None:
            faults.append(
                "cache_agent: a device reaches the fleet itself or through the caching agent; "
                "remove cache_agent, or backend and the keys of the fleet"
            )
        if faults:
            raise ValueError("; ".join(faults))
        object.__setattr__(self, "stationID", self.stationID or self.chargePointID or "")
        object.__setattr__(self, "portNumber", next(iter(ports), None))
        return self

    @property
    def catalogue_name(self) -> str:
        """Return the name of the table of what the account has."""
        return self.account_backend

    @property
    def name(self) -> str:
        """The device in words, for messages."""
        if self.stationGroup is not None:
            return f"station group {self.stationGroup}"
        word = "connector" if self.account_backend == "ocpp" else "port"
        port = "" if self.portNumber is None else f" {word} {self.portNumber}"
        return f"{self.stationID}{port}"

    @property
    def access(self) -> FleetAccountConfig:
        """Return the account, as all of its devices share it."""
        fields = {name: getattr(self, name) for name in FleetKeys.model_fields}
        return FleetAccountConfig(**fields, account=self.account_name)

    @property
    def account_label(self) -> str:
        """Return what the fleet knows the account by."""
        return self.account_name

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes two devices share their calls."""
        return self.access.key

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that all devices of an account share."""
        return self.access.model_dump()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "driver_config") -> FleetDevice:
        """Return a validated config. Raises ConfigurationError with every fault at once. The
        platform driver's own keys are left out."""
        own = own_keys(fields)
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            lines = [explain(fault, keys_of(cls)) for fault in error.errors(include_url=False)]
            raise ConfigurationError("\n".join(f"{source}: {line}" for line in lines)) from None


def _node_url(text: str) -> str:
    """Return the URL of a node without a slash at its end. Raises ValueError."""
    parts = urlsplit(text.strip())
    try:
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_url = False
    if not is_url or parts.query or parts.fragment:
        raise ValueError(f"{text[:200]!r} must be the URL of a node, like https://node1:9100")
    if parts.username or parts.password:
        raise ValueError("must not contain a login; use token_env or token_file")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError(
            f"{parts.netloc}: others could read the token; write https:// (the node needs tls)"
        )
    return text.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
