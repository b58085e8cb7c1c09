"""The caching agent's config: accounts of any backend by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chargepoint_driver.config.billing import BillingConfig
from chargepoint_driver.config.common import METRICS_PORT, explain, keys_of, metrics_address
from chargepoint_driver.config.device import BACKENDS, unknown_backend
from chargepoint_driver.config.fleet_account import FleetAccountConfig
from chargepoint_driver.config.ocpp import faults_of
from chargepoint_driver.config.ocpp_device import OcppAccount
from chargepoint_driver.config.soap_account import AgentAccount
from chargepoint_driver.config.web import WebConfig
from chargepoint_driver.errors import ConfigurationError

__all__ = ["AgentAccountConfig", "AgentConfig"]

AgentAccountConfig: TypeAlias = AgentAccount | OcppAccount
"""An account as the caching agent holds it."""


_KEYS = frozenset({"accounts", "billing", "metrics_port", "web"})


class AgentConfig(BaseModel):
    """The caching agent's config: its accounts by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    accounts: dict[str, AgentAccountConfig] = Field(description="name to account")
    fleet_accounts: dict[str, FleetAccountConfig] = Field(
        default_factory=dict, description="name to account that nodes of a fleet hold"
    )
    metrics_port: int | str | None = METRICS_PORT

    @classmethod
    def from_dict(
        cls, fields: Mapping[str, Any], source: str = "config"
    ) -> tuple[AgentConfig, list[str]]:
        """Return (the accounts that are good, what is wrong with the others and the rest)."""
        faults = [f"{source}: unknown key {key!r}; remove it" for key in fields if key not in _KEYS]
        # Settings of the page and of reports. The agent does not use them, but reports what
        # is wrong.
        for section in (WebConfig, BillingConfig):
            try:
                section.from_dict(fields)
            except ConfigurationError as error:
                faults += str(error).splitlines()
        port = fields.get("metrics_port")
        try:
            metrics_address(port)
        except ValueError as error:
            faults.append(f"{source}: metrics_port: {error}")
            port = None
        given = fields.get("accounts")
        if not isinstance(given, Mapping) or not given:
            return cls(accounts={}, metrics_port=port), [
                *faults,
                f"{source}: accounts: is missing; name an account",
            ]
        good: dict[str, AgentAccountConfig] = {}
        of_fleet: dict[str, FleetAccountConfig] = {}
        for name, account in given.items():
            where = f"{source}: accounts.{name}"
            if not isinstance(account, Mapping):
                faults.append(f"{where}: must be an object with the keys of an account")
                continue
            read, lines = _read(account)
            if read is None:
                faults += [f"{where}: {line}" for line in lines]
                continue
            clash = _clash(read, {**good, **of_fleet})
            if clash is not None:
                faults.append(f"{where}: {clash}")
            elif isinstance(read, FleetAccountConfig):
                of_fleet[str(name)] = read
            else:
                good[str(name)] = read
        return cls(accounts=good, fleet_accounts=of_fleet, metrics_port=port), faults


_AnyAccount: TypeAlias = AgentAccountConfig | FleetAccountConfig


def _read(account: Mapping[str, Any]) -> tuple[_AnyAccount | None, list[str]]:
    """Return (the account, or what is wrong with it)."""
    backend = account.get("backend", BACKENDS[0])
    if backend not in BACKENDS:
        return None, [unknown_backend(backend)]
    if backend == "ocpp":
        lines = faults_of(OcppAccount, account)
        return (None, lines) if lines else (OcppAccount(**account), [])
    model = FleetAccountConfig if backend == "fleet" else AgentAccount
    try:
        return model.model_validate(account), []
    except ValidationError as error:
        known = keys_of(model)
        return None, [explain(fault, known) for fault in error.errors(include_url=False)]


def _clash(account: _AnyAccount, others: Mapping[str, _AnyAccount]) -> str | None:
    """Return why an account conflicts with the others; None if it does not."""
    for name, other in others.items():
        if other.key == account.key:
            # Its calls would be made twice, and the limit of calls per minute not be held; of a
            # central system the database has one writer.
            return f"is the same account as {name}; remove one of the two"
        if not isinstance(account, AgentAccount) or not isinstance(other, AgentAccount):
            continue
        if account.cache_file is not None and other.cache_file == account.cache_file:
            return f"cache_file is that of {name}; give each account its own"
    return None
