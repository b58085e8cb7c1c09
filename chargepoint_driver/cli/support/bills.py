"""Costs of sessions for commands: the section `billing` of a config, and accounts as sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.billing import SessionSource
from chargepoint_driver.cli.support import session_intervals
from chargepoint_driver.cli.support.account import Access, serving
from chargepoint_driver.cli.support.config_files import is_agents, is_nodes, load_object
from chargepoint_driver.cli.support.console import can_ask, note
from chargepoint_driver.config import (
    AccountConfig,
    AgentAccountConfig,
    AgentConfig,
    BillingConfig,
    OcppAccount,
)
from chargepoint_driver.config.fleet import NodeConfig, read_node_config
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.records import EnergyReading
from chargepoint_driver.service import Service

__all__ = ["account_name", "accounts_of", "billing_of", "record_of_nodes", "source_of"]


def billing_of(path: Path | None) -> BillingConfig:
    """Return the tariffs of a config of a caching agent or a node, none for a driver config. Raises
    ConfigurationError."""
    if path is None:
        return BillingConfig.from_dict({})
    content = load_object(path)
    if is_nodes(content):
        config = read_node_config(path)
        accounts = dict.fromkeys([config.charger_account, *config.accounts])
        return BillingConfig.from_dict(
            {"billing": content.get("billing", {}), "accounts": accounts}
        )
    return BillingConfig.from_dict(content if is_agents(content) else {})


def account_name(path: Path | None, name: str | None) -> str:
    """Return the name of the account that is chosen, for tariffs; "" where it has none."""
    if name is None and path is not None:
        content = load_object(path)
        if is_nodes(content) and not content.get("accounts"):
            return read_node_config(path).charger_account
        if is_agents(content) and len(content["accounts"]) == 1:
            return str(next(iter(content["accounts"])))
    return name or ""


def accounts_of(path: Path, name: str | None) -> Mapping[str, AgentAccountConfig | NodeConfig]:
    """Return the accounts of a config of a caching agent or a node, or the one of that name. That
    of the chargers of nodes is the config of the node. Raises ConfigurationError."""
    content = load_object(path)
    found: Mapping[str, AgentAccountConfig | NodeConfig]
    if is_nodes(content):
        node = read_node_config(path)
        found = {node.charger_account: node, **node.accounts}
    elif is_agents(content):
        config, faults = AgentConfig.from_dict(content, str(path))
        if faults:
            raise ConfigurationError("\n".join(faults))
        # A part never looks like the whole.
        for each in config.fleet_accounts:
            if name in (None, each):
                raise ConfigurationError(
                    f"{path}: nodes of a fleet hold the account {each!r}; give the config of a "
                    "node, or another --account"
                )
        found = config.accounts
    else:
        raise ConfigurationError(
            f'{path}: must have accounts, like {{"accounts": {{…}}, "billing": {{…}}}}, or be the '
            "config of a node"
        )
    if name is not None and name not in found:
        known = ", ".join(found)
        raise ConfigurationError(f"{path}: no account {name!r}; choose with --account: {known}")
    return {each: account for each, account in found.items() if name in (None, each)}


def source_of(
    account: AgentAccountConfig | AccountConfig | NodeConfig, ends: ExitStack, *, yes: bool
) -> SessionSource:
    """Return an account as a source of sessions, closed by `ends`. The record of a central system
    may be in use. `yes`: do not ask before calls of quarter hours."""
    if isinstance(account, NodeConfig):
        nodes = ends.enter_context(record_of_nodes(account))
        return SessionSource(nodes.session_page, nodes.energy_readings, dict)
    if isinstance(account, OcppAccount):
        record = _record(account)
        return SessionSource(record.session_page, record.energy_readings, dict)
    fields = {key: getattr(account, key) for key in AccountConfig.model_fields}
    service = ends.enter_context(serving(Access(AccountConfig(**fields))))
    return SessionSource(
        service.session_page,
        _readings(service, account.calls_per_minute, yes),
        lambda: {each.station_id: each.values for each in service.stations()},
    )


def record_of_nodes(config: NodeConfig) -> Any:
    """Return the records of a fleet, as a context. Raises ConfigurationError."""
    try:
        # What it needs is an extra.
        from chargepoint_driver.backends.ocpp.postgres.offline import fleet_record  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: "
            "pip install 'volttron-lib-chargepoint-driver[ocpp,fleet]'"
        ) from None
    return fleet_record(config)


def _record(account: OcppAccount) -> Any:
    try:
        # What it needs is an extra.
        from chargepoint_driver.backends.ocpp.storage.offline import Record  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None
    return Record(account)


def _readings(
    service: Service, calls_per_minute: int | None, yes: bool
) -> Callable[[Sequence[str]], Mapping[str, Sequence[EnergyReading]]]:
    """Return what asks for the quarter hours of sessions, after their cost in calls was said."""

    def readings(ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        cost = session_intervals.cost(len(ids), calls_per_minute)
        note(f"{len(ids)} sessions have more than one price: {cost}")
        if can_ask() and not yes and not click.confirm("Ask for them?", default=True, err=True):
            return {}
        rows, errors = session_intervals.rows(service, ids)
        for error in errors:
            note(f"quarter hours: {error}")
        found: dict[str, list[EnergyReading]] = {}
        for row in rows:
            time_s, energy_kwh = _seconds(row["stationTime"]), row["energyConsumed"]
            if time_s is not None and energy_kwh is not None and math.isfinite(energy_kwh):
                of_session = found.setdefault(str(row["sessionID"]), [])
                of_session.append(EnergyReading(time_s, energy_kwh * 1_000))
        return found

    return readings


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
