"""OCPP in VOLTTRON: the central system as an account, its charge points as devices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from chargepoint_driver.config.common import DeviceKeys, keys_of, own_keys, printable, unknown_key
from chargepoint_driver.config.ocpp import MAX_ID, OcppConfig, faults_of
from chargepoint_driver.config.shed import ShedSettings
from chargepoint_driver.errors import ConfigurationError

__all__ = ["OcppAccount", "OcppDevice"]


class OcppAccount(OcppConfig):
    """A central system as VOLTTRON runs it, in the driver or in the caching agent."""

    backend: Literal["ocpp"] = Field("ocpp", description="a central system")
    bus_events: bool = Field(
        default=True, description="publish each message of a charger on the platform's bus"
    )
    allow_call: bool = Field(
        default=False,
        description="permit any OCPP request from agents, the page's API and the driver's RPC",
    )

    command_file: Path | None = Field(
        None,
        description="SQLite file that stores the commands in force; default: one in the "
        "platform's home",
    )

    @property
    def currencies(self) -> Mapping[str, float]:
        """None: what is answered from memory is never old."""
        return {}

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes two configs the same central system: its database has one writer."""
        return "ocpp", str(self.database)

    @property
    def timeout(self) -> float:
        """Seconds that one write may take: several calls in a row, each with its own limit."""
        return 4 * self.call_timeout_s + 10

    def missing_secret(self) -> ConfigurationError | None:
        """Return why the password of a charge point cannot be had at present."""
        points = {} if self.charge_points == "*" else self.charge_points
        for station_id, point in points.items():
            try:
                if point.has_password:
                    point.read_password()
            except ConfigurationError as error:
                return ConfigurationError(f"charge_points.{station_id}: {error}")
        return None


class OcppDevice(ShedSettings, DeviceKeys):
    """The `driver_config` of one device: a charge point, or with `connectorId` (2.0.1: `evseId`)
    one connector of it."""

    backend: Literal["ocpp"] = Field("ocpp", description="a charger that connects to us")
    chargePointID: str = Field(  # noqa: N815
        "", max_length=MAX_ID, description="id with which the charger connects"
    )
    stationGroup: str | None = Field(  # noqa: N815
        None,
        min_length=1,
        description="the device is this group of station_groups instead of a charger",
    )
    connectorId: int | None = Field(  # noqa: N815
        None, ge=1, le=1_000, description="the device is this connector of the charger"
    )
    evseId: int | None = Field(  # noqa: N815
        None, ge=1, le=1_000, description="the same, in terms of OCPP 2.x"
    )
    timeout: float = Field(
        20.0,
        gt=0,
        le=300,
        description="seconds; the maximum wait for the caching agent is three times this",
    )
    _central: OcppAccount | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _is_one_connector(self) -> OcppDevice:
        if (not self.chargePointID) == (self.stationGroup is None):
            raise ValueError("exactly one of chargePointID and stationGroup must be given")
        if self.stationGroup is not None and self.portNumber is not None:
            raise ValueError("connectorId: a station group has no connector; remove it")
        if None not in (self.connectorId, self.evseId) and self.connectorId != self.evseId:
            raise ValueError("connectorId and evseId differ; give one of them")
        return self

    @field_validator("connectorId", "evseId", mode="before")
    @classmethod
    def _empty_connector_is_none(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be the number of a connector")
        return None if value == "" else value

    @field_validator("chargePointID")
    @classmethod
    def _id_is_a_name(cls, value: str) -> str:
        return printable(value)

    @property
    def stationID(self) -> str:  # noqa: N802 - what every device has
        return self.chargePointID

    @property
    def portNumber(self) -> int | None:  # noqa: N802
        return self.connectorId if self.evseId is None else self.evseId

    @property
    def name(self) -> str:
        """The device in words, for messages."""
        if self.stationGroup is not None:
            return f"station group {self.stationGroup}"
        port = "" if self.portNumber is None else f" connector {self.portNumber}"
        return f"{self.chargePointID}{port}"

    @property
    def account(self) -> OcppAccount:
        """The central system; of a device without cache_agent."""
        assert self._central is not None
        return self._central

    @property
    def account_label(self) -> str | None:
        """Return what the caching agent knows the account by."""
        return self.account_name

    @property
    def place(self) -> str:
        """Return where charge points connect, for messages."""
        return self.cache_agent or f"central system at {self.account.listen}"

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes two devices share their central system."""
        if self.cache_agent is not None:
            return "agent", self.cache_agent, "ocpp", self.account_name or ""
        return self.account.key

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that all devices of a central system share."""
        central = {} if self._central is None else self._central.model_dump()
        return {**central, "cache_agent": self.cache_agent, "account_name": self.account_name}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], source: str = "driver_config") -> OcppDevice:
        """Return a validated config. Raises ConfigurationError with every fault at once. The
        platform driver's own keys are left out."""
        known = keys_of(cls, OcppAccount)
        of_device = set(keys_of(cls))
        given = own_keys(fields)
        own = {key: value for key, value in given.items() if key in of_device}
        rest = {key: value for key, value in given.items() if key not in of_device}
        lines = faults_of(cls, own, known)
        if own.get("cache_agent"):
            of_account = set(keys_of(OcppAccount))
            lines += [
                f"{key}: is of use in the caching agent's account; move it there"
                if key in of_account
                else unknown_key(key, known)
                for key in rest
            ]
        else:
            lines += faults_of(OcppAccount, rest, known)
            if own.get("account"):
                lines.append("account: is of use with cache_agent only; remove it")
        if lines:
            raise ConfigurationError("\n".join(f"{source}: {line}" for line in lines))
        device = cls(**own)
        if device.cache_agent is None:
            device._central = OcppAccount(**rest)
            group = device.stationGroup
            if group is not None and group not in device._central.station_groups:
                known_groups = ", ".join(device._central.station_groups) or "none"
                raise ConfigurationError(
                    f"{source}: stationGroup: {group!r} is not in station_groups ({known_groups})"
                )
        return device
