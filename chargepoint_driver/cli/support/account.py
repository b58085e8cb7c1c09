"""Options that name the account of a command."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
from pydantic import SecretStr, ValidationError

from chargepoint_driver.cli.support.config_files import (
    DeviceFile,
    is_agents,
    is_nodes,
    load_device,
    load_object,
)
from chargepoint_driver.cli.support.console import can_ask, refuse_ignored
from chargepoint_driver.cli.support.fleet_service import FleetService
from chargepoint_driver.config import (
    AccountConfig,
    AgentConfig,
    FleetAccountConfig,
    FleetDevice,
    OcppAccount,
    OcppDevice,
)
from chargepoint_driver.config.fleet import NodeConfig, read_node_config
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service import Service

__all__ = [
    "ACCOUNT_PARAMETERS",
    "PASSWORD_ENV",
    "Access",
    "ConnectsDirectlyError",
    "ConnectsToNodesError",
    "Find",
    "HeldByFleetError",
    "access_options",
    "serving",
    "serving_any",
]

PASSWORD_ENV = "CHARGEPOINT_PASSWORD"  # noqa: S105 - the variable's name
"""The default environment variable of the password."""

_OVERRIDES = ("username", "password_env", "password_file", "endpoint", "region", "api_version")
ACCOUNT_PARAMETERS = ("config", "name", *_OVERRIDES, "timeout")
"""The parameters that `access_options` adds to a command."""


@dataclass(frozen=True)
class Access:
    """The account, and the device where --config named a driver config."""

    account: AccountConfig | FleetAccountConfig
    file: DeviceFile | None = None

    @property
    def own(self) -> AccountConfig:
        """The account, of a command that does not take those of a fleet."""
        assert isinstance(self.account, AccountConfig)
        return self.account

    def reference(self) -> dict[str, Any]:
        """Return the account's keys for a config file: the password's place, never the password."""
        if isinstance(self.account, FleetAccountConfig):
            token_file = self.account.token_file
            kept = self.account.model_dump(mode="json", exclude_defaults=True)
            if token_file is not None:
                kept["token_file"] = str(token_file.expanduser().absolute())
            return {"backend": "fleet", **kept}
        kept = self.account.model_dump(mode="json", exclude_defaults=True, exclude={"password"})
        if self.account.password is not None:
            kept["password_env"] = PASSWORD_ENV
        if self.account.password_file is not None:
            kept["password_file"] = str(self.account.password_file.expanduser().absolute())
        return {name: value for name, value in kept.items() if name in AccountConfig.model_fields}


class Find(Protocol):
    """Finds the account that the options name; `file` counts as --config. `fleet`: backends of
    accounts that nodes of a fleet may hold. Raises HeldByFleetError for others."""

    def __call__(self, file: Path | None = None, *, fleet: Collection[str] = ()) -> Access: ...


_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Driver config, or config of a caching agent or a node, with the account.",
    ),
    click.option("--account", "name", help="Name of the account in that config."),
    click.option(
        "--username",
        envvar="CHARGEPOINT_USERNAME",
        show_envvar=True,
        help="User name of the web services account.",
    ),
    click.option(
        "--password-env",
        metavar="NAME",
        help=f"Environment variable of the password.  [default: {PASSWORD_ENV}]",
    ),
    click.option(
        "--password-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of the password.",
    ),
    click.option(
        "--region",
        type=click.Choice(["na", "eu", "ca", "fd"]),
        help="Region of the account.  [default: na]",
    ),
    click.option(
        "--endpoint",
        envvar="CHARGEPOINT_ENDPOINT",
        show_envvar=True,
        metavar="URL",
        help="Full URL of the service, instead of region and version.",
    ),
    click.option(
        "--api-version",
        type=click.Choice(["5.0", "5.1"]),
        help="Version of the web services.  [default: 5.0]",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, 300, min_open=True),
        help="Maximum seconds of one call.  [default: 20]",
    ),
)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of the account. The command gets `find`, which finds the account: it may
    ask for a password, and is not called where no account is needed."""

    @functools.wraps(command)
    def wrapped(
        config: Path | None, name: str | None, timeout: float | None, **rest: Any
    ) -> object:
        given = {key: rest.pop(key) for key in _OVERRIDES}
        chosen = {key: value for key, value in given.items() if value is not None}
        if timeout is not None:
            chosen["timeout"] = timeout

        def find(file: Path | None = None, *, fleet: Collection[str] = ()) -> Access:
            if file is not None and config is not None:
                raise click.UsageError("give the config once: as the argument or with --config")
            try:
                return _access(file or config, name, chosen)
            except HeldByFleetError as error:
                if error.account.account_backend not in fleet:
                    raise
                _refuse_options()
                return Access(error.account, error.file)

        return command(find=find, **rest)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@contextmanager
def serving_any(access: Access) -> Iterator[Service | FleetService]:
    """The service of the account, or what reaches it where nodes of a fleet hold it. Closed
    afterwards."""
    if not isinstance(access.account, FleetAccountConfig):
        with serving(access) as service:
            yield service
        return
    fleet = FleetService(access.account)
    try:
        yield fleet
    finally:
        fleet.close()


@contextmanager
def serving(access: Access) -> Iterator[Service]:
    """The service of the account, closed afterwards. Files that a running driver keeps of the
    account are left alone: it reads again, and renews nothing."""
    own = access.own.model_copy(update={"cache_file": None, "command_file": None})
    service = Service.of_account(own)
    try:
        yield service
    finally:
        service.close()


def _access(config: Path | None, name: str | None, chosen: dict[str, Any]) -> Access:
    file = None
    known: dict[str, Any] = {}
    if config is not None:
        # A file that names an account is meant as it stands: the environment does not mix in.
        explicit = _explicit()
        chosen = {key: value for key, value in chosen.items() if key in explicit}
        account, file = _of_file(config, name)
        known = account.model_dump(exclude_defaults=True)
    elif name is not None:
        raise click.UsageError("--account chooses from a caching agent's config: give --config too")
    if {"password_env", "password_file"} & chosen.keys():
        for key in ("password", "password_env", "password_file"):
            known.pop(key, None)
    if {"region", "api_version"} & chosen.keys() and "endpoint" not in chosen:
        known.pop("endpoint", None)
    if "endpoint" in chosen:
        refuse_ignored(
            {"region"}, "is ignored with --endpoint (CHARGEPOINT_ENDPOINT): leave one of them out"
        )
    fields = {**known, **chosen}
    if not fields.get("username"):
        raise click.UsageError(
            "no account: give --username and the password's place (--password-env or "
            "--password-file), or --config with a driver config"
        )
    if not {"password", "password_env", "password_file"} & fields.keys():
        fields |= _default_password(fields["username"])
    try:
        return Access(AccountConfig(**fields), file)
    except ValidationError as error:
        words = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise click.UsageError(words) from None


def _refuse_options() -> None:
    """Refuse options of an account of ChargePoint. Raises UsageError."""
    if given := _explicit():
        option = f"--{min(given).replace('_', '-')}"
        raise click.UsageError(f"nodes of a fleet hold this account: leave {option} out")


def _explicit() -> set[str]:
    """Return the options that were written on the command line."""
    context = click.get_current_context()
    source = click.core.ParameterSource.COMMANDLINE
    return {key for key in (*_OVERRIDES, "timeout") if context.get_parameter_source(key) is source}


def _default_password(username: str) -> dict[str, Any]:
    """Return the password from the default variable, else from the user at the terminal."""
    if os.environ.get(PASSWORD_ENV):
        return {"password_env": PASSWORD_ENV}
    if can_ask():
        typed = click.prompt(f"Password of {username}", hide_input=True, err=True)
        return {"password": SecretStr(typed)}
    raise click.UsageError(
        f"no password: set the environment variable {PASSWORD_ENV}, or give --password-env or "
        "--password-file"
    )


def _of_node(path: Path, name: str | None) -> AccountConfig:
    config = read_node_config(path)
    names = [config.charger_account, *config.accounts]
    if name is None and len(names) == 1:
        (name,) = names
    if name not in names:
        said = "several accounts" if name is None else f"no account {name!r}"
        raise ConfigurationError(f"{path}: {said}; choose with --account: {', '.join(names)}")
    if name == config.charger_account:
        raise ConnectsToNodesError(path, config)
    chosen = config.accounts[name]
    return AccountConfig(**{key: getattr(chosen, key) for key in AccountConfig.model_fields})


def _of_file(path: Path, name: str | None) -> tuple[AccountConfig, DeviceFile | None]:
    content = load_object(path)
    if is_nodes(content):
        return _of_node(path, name), None
    if is_agents(content):
        config, faults = AgentConfig.from_dict(content, str(path))
        if faults:
            raise ConfigurationError("\n".join(faults))
        names = [*config.accounts, *config.fleet_accounts]
        if name is None and len(names) == 1:
            (name,) = names
        if name not in names:
            said = "several accounts" if name is None else f"no account {name!r}"
            raise ConfigurationError(f"{path}: {said}; choose with --account: {', '.join(names)}")
        if name in config.fleet_accounts:
            raise HeldByFleetError(path, config.fleet_accounts[name])
        chosen = config.accounts[name]
        if isinstance(chosen, OcppAccount):
            raise ConnectsDirectlyError(path, chosen, name, content["accounts"][name])
        fields = {key: getattr(chosen, key) for key in AccountConfig.model_fields}
        return AccountConfig(**fields), None
    file = load_device(path)
    if name is not None:
        raise click.UsageError(
            f"--account chooses from a caching agent's config; {path} is a driver config"
        )
    if isinstance(file.device, FleetDevice):
        raise HeldByFleetError(path, file.device.access, file)
    if isinstance(file.device, OcppDevice):
        if file.device.cache_agent is not None:
            raise ConnectsDirectlyError(path)
        account = file.device.account
        given = account.model_dump(mode="json", exclude_unset=True)
        raise ConnectsDirectlyError(path, account, None, given)
    if file.device.cache_agent is not None:
        raise ConfigurationError(
            f"{path}: its account is in the caching agent {file.device.cache_agent}; give that "
            "agent's config, or --username and the password's place"
        )
    return file.device.account, file


class HeldByFleetError(ConfigurationError):
    """Nodes of a fleet hold the account: `account`, and `file` is the driver config that names
    it."""

    def __init__(
        self, path: Path, account: FleetAccountConfig, file: DeviceFile | None = None
    ) -> None:
        super().__init__(
            f"{path}: nodes of a fleet hold this account, and this command asks ChargePoint's "
            "service itself, or wants an account of the other kind. Give it an account with "
            "username and password's place. read works with every account of a fleet, and write, "
            "watch, sessions and discover with those of ChargePoint's service; for chargers see "
            "discover --central-system with the control API of a node"
        )
        self.account, self.file = account, file


class ConnectsToNodesError(ConfigurationError):
    """The config is that of a node, `config`, and the account that of the chargers which connect to
    the nodes."""

    def __init__(self, path: Path, config: NodeConfig) -> None:
        super().__init__(
            f"{path}: these chargers connect to the nodes of a fleet, and this command cannot ask "
            "them. What is recorded: sessions, report and export with this config. What they are "
            "now: /charge-points?nodes=all of the control API of any node, or a device with "
            '"backend": "fleet"'
        )
        self.config = config


class ConnectsDirectlyError(ConfigurationError):
    """The config is one of chargers that connect directly: a command cannot stand in for their
    central system. `account` is that, None where the config does not hold it; `fields` are its
    keys as they were given, and `name` is what the caching agent calls it."""

    def __init__(
        self,
        path: Path,
        account: OcppAccount | None = None,
        name: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            f"{path}: these charge points connect to a central system, which runs in the platform "
            "driver, the caching agent or csms; this command cannot be a second one in its "
            "place. What it knows: read the points in the platform, or chargepoint-driver discover "
            "--central-system URL (of csms --control); what it recorded: chargepoint-driver ask"
        )
        self.account, self.name, self.fields = account, name, dict(fields or {})
