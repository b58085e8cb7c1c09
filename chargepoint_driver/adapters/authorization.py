"""Rules of the platform's authorization: which agent may write over the message bus.

Without rules every agent of a platform may call every method. VOLTTRON (lib-auth 2.0.0rc13) keeps
rules in `authz.json` of its home: methods that an agent protects, the capabilities of those who
may call them, and protected topics. This module has one table of methods and makes the rules of a
role out of it. It does not import VOLTTRON.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backend import OPERATIONS

__all__ = [
    "AGENT",
    "AGENT_READS",
    "AGENT_WRITES",
    "CURE",
    "DRIVER",
    "DRIVER_READS",
    "DRIVER_WRITES",
    "ROLES",
    "SET_TOPIC",
    "Rule",
    "capability_line",
    "open_doors",
    "open_in_file",
    "rules_of",
]

AGENT = "platform.chargepoint"
DRIVER = "platform.driver"
CURE = "run chargepoint-driver authorize --role driver"

# The operation that is answered from memory.
_READS = ("list_reservations",)

AGENT_WRITES = (
    *("write", "revert", "release"),
    *("create_load_shed_event", "remove_load_shed_event"),
    *("command", "remote_start", "remote_stop", "availability", "reset", "unlock"),
    "call",
    *(name for name in OPERATIONS if name not in _READS),
)
"""Methods of the caching agent that write, or send requests to a charger."""

AGENT_READS = (
    *("read", "stations", "sessions", "stats", "health", "writes"),
    *("active_charge_points", "last_contact", "last_energy", "completed_sessions"),
    *_READS,
)
"""Methods of the caching agent that stay open."""

_DRIVER_SETS = ("set_point", "set_multiple_points", "set", "semantic_set")
_DRIVER_REVERTS = ("revert_point", "revert_device", "revert", "semantic_revert")
_DRIVER_RESERVES = ("request_new_schedule", "request_cancel_schedule")
DRIVER_WRITES = (
    *_DRIVER_SETS,
    *_DRIVER_REVERTS,
    *_DRIVER_RESERVES,
    *("call", "semantic_call"),
    *("set_override_on", "set_override_off", "clear_overrides"),
    *("start", "semantic_start", "stop", "semantic_stop"),
    *("enable", "semantic_enable", "disable", "semantic_disable"),
    *("add_node", "remove_node", "add_interface", "remove_interface"),
)
"""Methods of the platform driver that write to devices, hinder writes, or change what is polled."""

DRIVER_READS = (
    *("get", "semantic_get", "last", "semantic_last", "status", "semantic_status"),
    *("get_point", "get_multiple_points", "scrape_all"),
    *("list_interfaces", "list_topics", "get_poll_schedule", "export_equipment_tree"),
    *("get_override_devices", "get_override_patterns"),
    "forward_bacnet_cov_value",  # the BACnet proxy's, which has no capability
)
"""Methods of the platform driver that stay open."""

SET_TOPIC = "devices/actuators/set"
"""Where the platform driver also takes writes: a message there is a write."""

_TOPICS = "/devices/actuators.*/"
# The host asks for the right to publish from subscribers too: the driver must have both.
_PUBSUB = f"{_TOPICS}:pubsub"

ROLES = ("driver", "demand-response", "viewer")

# What the driver itself calls at the caching agent.
_OF_DRIVER = (
    *("write", "revert", "release", "command", "call"),
    *(name for name in OPERATIONS if name not in _READS),
)
# A limit and its end, by either way. Starting, stopping and resetting are not demand response.
_OF_DEMAND_RESPONSE = ("write", "revert", "create_load_shed_event", "remove_load_shed_event")


@dataclass(frozen=True)
class Rule:
    """One `vctl authz add` command."""

    identity: str = ""
    protected_rpcs: tuple[str, ...] = ()
    rpc_capabilities: tuple[str, ...] = ()
    pubsub_capabilities: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    def vctl(self) -> str:
        """Return the command as a line for a shell."""
        if self.topics:
            return shlex.join(["vctl", "authz", "add", "topics", *self.topics])
        words = ["vctl", "authz", "add", "agent", self.identity]
        for option, values in (
            ("--protected-rpcs", self.protected_rpcs),
            ("--rpc-capabilities", self.rpc_capabilities),
            ("--pubsub-capabilities", self.pubsub_capabilities),
        ):
            words += [option, *values] if values else []
        return shlex.join(words)

    def call(self) -> tuple[str, dict[str, Any]]:
        """Return the method of platform.auth that the command calls, and its named arguments."""
        if self.topics:
            return "create_protected_topics", {"topic_name_patterns": list(self.topics)}
        named: dict[str, Any] = {"identity": self.identity}
        if self.protected_rpcs:
            named["protected_rpcs"] = list(self.protected_rpcs)
        if self.rpc_capabilities:
            found = [{"resource": name, "param_restrictions": {}} for name in self.rpc_capabilities]
            named["rpc_capabilities"] = {"rpc_capabilities": found}
        if self.pubsub_capabilities:
            pairs = (text.rsplit(":", 1) for text in self.pubsub_capabilities)
            named["pubsub_capabilities"] = {
                "pubsub_capabilities": [
                    {"topic_pattern": pattern, "topic_access": access} for pattern, access in pairs
                ]
            }
        return "create_or_merge_agent_authz", named


def rules_of(role: str, identity: str, *, driver: str = DRIVER, agent: str = AGENT) -> list[Rule]:
    """Return the rules that give `identity` a role, and close writing to everybody without one.

    Capabilities come before what they are needed for: a driver at work is never locked out.
    """
    rules = [_driver(driver, agent)]
    if role == "driver" and identity != driver:
        rules.append(_driver(identity, agent))
    elif role == "demand-response":
        of_driver = (*_DRIVER_SETS, *_DRIVER_REVERTS, *_DRIVER_RESERVES)
        capabilities = _of(driver, of_driver) + _of(agent, _OF_DEMAND_RESPONSE)
        rules.append(Rule(identity, rpc_capabilities=capabilities, pubsub_capabilities=(_PUBSUB,)))
    rules.append(Rule(agent, protected_rpcs=AGENT_WRITES))
    drivers = dict.fromkeys((driver, identity) if role == "driver" else (driver,))
    rules += [Rule(each, protected_rpcs=DRIVER_WRITES) for each in drivers]
    rules.append(Rule(topics=(_TOPICS,)))
    return rules


def _driver(driver: str, agent: str) -> Rule:
    return Rule(driver, rpc_capabilities=_of(agent, _OF_DRIVER), pubsub_capabilities=(_PUBSUB,))


def _of(identity: str, methods: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{identity}.{method}" for method in methods)


def capability_line(caller: str, method: str) -> str:
    """Return the command that lets `caller` call a method, which is written IDENTITY.METHOD."""
    return Rule(caller or "IDENTITY", rpc_capabilities=(method,)).vctl()


def open_doors(identity: str, methods: Iterable[str], protected: Iterable[str]) -> list[str]:
    """Return the methods of an agent that every agent of the platform may call, as
    IDENTITY.METHOD."""
    closed = set(protected)
    return [f"{identity}.{method}" for method in methods if method not in closed]


def open_in_file(
    authz: Mapping[str, Any], *, driver: str = DRIVER, agent: str = AGENT
) -> list[str]:
    """Return what every agent may do, after the content of an `authz.json`: methods as
    IDENTITY.METHOD, and the topic where the driver takes writes. Empty: writing is closed."""
    agents = authz.get("agents") or {}
    found: list[str] = []
    for identity, methods in ((driver, DRIVER_WRITES), (agent, AGENT_WRITES)):
        protected = (agents.get(identity) or {}).get("protected_rpcs") or []
        found += open_doors(identity, methods, protected)
    if not any(_matches(str(pattern)) for pattern in authz.get("protected_topics") or []):
        found.append(SET_TOPIC)
    return found


def _matches(pattern: str) -> bool:
    """Return True if a protected topic covers the one where the driver takes writes."""
    is_regex = len(pattern) > 1 and pattern[0] == pattern[-1] == "/"
    try:
        return bool(re.match(pattern[1:-1] if is_regex else pattern, f"{SET_TOPIC}/device/point"))
    except re.error:
        return False
