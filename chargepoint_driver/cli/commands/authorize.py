"""`chargepoint-driver authorize`: the rules of a platform that say which agents may write."""

from __future__ import annotations

from pathlib import Path

import click

from chargepoint_driver.adapters.authorization import (
    AGENT,
    AGENT_WRITES,
    DRIVER,
    DRIVER_WRITES,
    ROLES,
    SET_TOPIC,
    Rule,
    open_doors,
    rules_of,
)
from chargepoint_driver.cli.discovery.platform import Platform, connected
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import asking, emit, note
from chargepoint_driver.errors import ChargePointError

__all__ = ["authorize"]


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver authorize --role driver --dry-run\n"
    "  chargepoint-driver authorize --role demand-response --identity site.cap --dry-run"
)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="Role of the agent: driver (the platform driver), demand-response (writes and reverts "
    "limits), viewer (reads).",
)
@click.option(
    "--identity",
    metavar="IDENTITY",
    help=f"The agent's VIP identity.  [role driver: {DRIVER}; else required]",
)
@click.option(
    "--driver-identity",
    default=DRIVER,
    show_default=True,
    metavar="IDENTITY",
    help="Identity of the driver.",
)
@click.option(
    "--agent-identity",
    default=AGENT,
    show_default=True,
    metavar="IDENTITY",
    help="Identity of the caching agent.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only print the vctl commands; needs no platform.",
)
@click.option(
    "--volttron-home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VOLTTRON_HOME",
    default="~/.volttron",
    show_default=True,
    show_envvar=True,
    help="Home of the running platform.",
)
@json_option
def authorize(
    role: str,
    identity: str | None,
    driver_identity: str,
    agent_identity: str,
    dry_run: bool,
    volttron_home: Path,
    as_json: bool,
) -> None:
    """Give an agent a role on a VOLTTRON platform, and close writing to all agents without one.

    Before the first use every agent of a platform may write. Reading stays open. The rules are
    those of the printed vctl commands. The platform keeps them over restarts, and running agents
    follow them at once. Rules are only added: remove a role in authz.json of VOLTTRON_HOME.
    """
    if identity is None and role != "driver":
        raise click.UsageError(f"--identity: name the agent that gets the role {role}")
    identity = identity or driver_identity
    rules = rules_of(role, identity, driver=driver_identity, agent=agent_identity)
    answer: dict[str, object] = {"role": role, "identity": identity}
    answer["commands"] = [rule.vctl() for rule in rules]
    if not as_json:
        for rule in rules:
            click.echo(rule.vctl())
    if dry_run:
        note("dry run: nothing was changed; run these commands, or leave --dry-run out")
    else:
        home = volttron_home.expanduser()
        with asking(f"asking the platform in {home} …"), connected(home) as platform:
            _apply(platform, rules, driver_identity, agent_identity)
            if role == "viewer":
                _check_viewer(platform, identity, driver_identity, agent_identity)
        note(f"done: {identity} has the role {role}; agents without a role can only read")
    if as_json:
        emit(answer)


def _apply(platform: Platform, rules: list[Rule], driver: str, agent: str) -> None:
    """Add the rules, and see that writing is closed afterwards."""
    for rule in rules:
        platform.auth(*rule.call())
    still_open: list[str] = []
    for identity, methods in ((driver, DRIVER_WRITES), (agent, AGENT_WRITES)):
        protected = platform.auth("get_protected_rpcs", {"identity": identity}) or []
        still_open += open_doors(identity, methods, protected)
    if not platform.auth("is_protected_topic", {"topic_name_pattern": f"{SET_TOPIC}/point"}):
        still_open.append(SET_TOPIC)
    if still_open:
        raise ChargePointError(
            f"the platform did not take every rule; open to every agent: {', '.join(still_open)}. "
            "Run the printed commands with vctl, and see the platform's log"
        )


def _check_viewer(platform: Platform, identity: str, driver: str, agent: str) -> None:
    """Raise when an earlier role or rule lets a viewer write: rules are only added."""
    found = platform.auth("get_agent_capabilities", {"identity": identity}) or {}
    names = {
        name if isinstance(name, str) else next(iter(name), "")
        for name in found.get("rpc_capabilities") or []
    }
    writes = {f"{driver}.{method}" for method in DRIVER_WRITES}
    writes |= {f"{agent}.{method}" for method in AGENT_WRITES}
    # A name between slashes is a pattern, which may cover a method that writes.
    kept = sorted(name for name in names if name in writes or name.startswith("/"))
    if kept:
        raise ChargePointError(
            f"{identity} can still write: it has the capabilities {', '.join(kept)}; take them "
            "out of authz.json in VOLTTRON_HOME while the platform is stopped"
        )
