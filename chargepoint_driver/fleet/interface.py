"""Interface between the accounts of a node and what serves them to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from chargepoint_driver.service import READ_TIMEOUTS

__all__ = ["METHODS", "Holder", "Method", "NodeAccounts", "NotHolderError"]

_TIMEOUT_S = 20.0
_MARGIN_S = 5.0
_LONG_S = 300.0


@dataclass(frozen=True)
class Holder:
    """The node that holds an account: its name, its run, and the epoch of its lease."""

    node: str
    run: int
    epoch: int


class NotHolderError(Exception):
    """This node does not hold the account, and nothing was begun. `holder` does, as far as is
    known; None: nobody."""

    def __init__(self, holder: Holder | None = None) -> None:
        super().__init__("another node holds the account" if holder else "no node holds it")
        self.holder = holder


@dataclass(frozen=True)
class Method:
    """A method of `service.Accounts` that others may ask for. A read may be repeated. `limit_s`:
    seconds that it may take."""

    is_read: bool
    limit_s: float = READ_TIMEOUTS * _TIMEOUT_S + _MARGIN_S


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "read": Method(is_read=True),
        "stations": Method(is_read=True, limit_s=_LONG_S),
        "sessions": Method(is_read=True, limit_s=_LONG_S),
        "stored_messages": Method(is_read=True),
        "live_status": Method(is_read=True),
        "writes": Method(is_read=True),
        "stats": Method(is_read=True),
        "health": Method(is_read=True),
        "write": Method(is_read=False),
        "release": Method(is_read=False),
        "revert": Method(is_read=False),
        "command": Method(is_read=False),
        "call": Method(is_read=False, limit_s=_LONG_S + _MARGIN_S),
        "operate": Method(is_read=False),
        "create_load_shed_event": Method(is_read=False),
        "remove_load_shed_event": Method(is_read=False),
    }
)
"""Name to method. `stats` and `health` answer for the one account: {"calls", "total", "records"},
and {call: error}. `writes` has the argument `most`."""


class NodeAccounts(Protocol):
    """The accounts of this node, on its loop."""

    @property
    def backends(self) -> Mapping[str, str]:
        """Name of each account to its backend: `chargepoint` or `ocpp`."""

    async def request(self, account: str, method: str, arguments: dict[str, Any]) -> Any:
        """Carry out a method of an account that this node holds; an answer that JSON can carry.
        Raises NotHolderError before anything is begun, and errors of the tree."""

    async def holder(self, account: str) -> Holder | None:
        """Return the node that holds an account now; None: nobody. Raises StoreError."""

    def follow(self, callback: Callable[[str, list[str]], None]) -> Callable[[], None]:
        """Call back with an account that this node holds and the ids of stations with news. On
        any thread; it must return at once. Returns how to end it."""
