"""Stores of the commands in force: their interface, and rows as text.

A process of its own has a file (`command_file`). The nodes of a fleet share a store in PostgreSQL
(`fleet.command_store`), which one node at a time may write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
)
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = [
    "Before",
    "CommandStore",
    "Loads",
    "command_of",
    "command_text",
    "digest_of",
    "is_readable",
    "key_of",
    "limits_of",
    "limits_text",
    "loads_of",
    "loads_text",
    "target_of",
]

_log = get_logger(__name__)

Before = dict[str, dict[int, Limit | None]]
"""Station to port to the limit that was in force before the control period."""

Loads = dict[str, dict[int, float | None]]
"""Station to port to its load in kW before the control period."""


class CommandStore(Protocol):
    """One account's commands, kept over a restart. May be used from several threads.

    `is_shared`: other processes go on with the commands once this one has lost them, so nothing
    may be sent that is not in the store. Otherwise a shed goes on without its row, and expires.
    """

    is_shared: bool

    def check(self) -> None:
        """Raises FencedError where another process has the commands now, StoreError where that is
        not known: nothing may be sent then."""

    def sending(self, mark: Callable[[], None]) -> AbstractContextManager[None]:
        """Enter while a command is handed to the backend, on the thread that does. Calls `mark`
        once before it is sent: as late as is known, since what is not marked was never sent."""

    def load(self) -> tuple[dict[Target, CommandState], Before]:
        """Return (the commands by target, the limits before by station and port). A row that cannot
        be read is logged and left out. Raises StoreError."""

    def load_more(self) -> tuple[dict[Target, float], Loads]:
        """Return (seconds of the leases that were written, by target; the loads in kW before the
        control periods, by station and port). Raises StoreError."""

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> list[str]:
        """Move into this store what files of other processes hold of the stations and groups of
        `wanted`; the names of those files. For `patience` see `HandOver.take`."""

    def save(self, changes: Mapping[Target, CommandState | None]) -> None:
        """Keep these together; None forgets. Raises StoreError."""

    def save_period(
        self,
        station: str,
        limits: Mapping[int, Limit | None] | None,
        loads: Mapping[int, float | None] = MappingProxyType({}),
    ) -> None:
        """Keep what was in force at a station before, and what flowed; None forgets both. Raises
        StoreError."""

    def save_lease(self, target: Target, seconds: float) -> None:
        """Keep the lease of a target. Raises StoreError."""

    def save_write(self, values: tuple[Any, ...]) -> None:
        """Keep one write (see `writers.Write`), and the newest 10,000. Raises StoreError."""

    def writes(self, most: int) -> list[tuple[Any, ...]]:
        """Return the newest writes, newest first. Raises StoreError."""

    def close(self) -> None:
        """Stop using it; it keeps what it has."""


def digest_of(account: tuple[str, ...]) -> str:
    """Return what an account is known by in a store, which holds no names of users."""
    return hashlib.sha256("\0".join(account).encode()).hexdigest()[:16]


def key_of(target: Target) -> tuple[str, int, str]:
    """Return the key of a target's row: station, port (0: the whole), station group ('': none)."""
    return target.station_id, target.port or 0, target.group or ""


def target_of(station: str, port: int, group: str) -> Target:
    """Return the target of a row."""
    return Target(station, port or None, group or None)


def command_text(command: CommandState) -> str:
    """Return a command as JSON."""
    return json.dumps(asdict(command))


def command_of(text: str) -> CommandState:
    """Return the command of a text. Raises what `is_readable` catches."""
    fields = json.loads(text)
    doubt = fields.pop("doubt")
    if doubt is not None:
        doubt["limit"] = _limit(doubt["limit"])
        doubt["options"] = ShedOptions(**doubt["options"])
        doubt["began"] = tuple(doubt["began"])
        # Rows of earlier versions do not say: it may have been sent.
        doubt.setdefault("sending", True)
        doubt = UnconfirmedCommand(**doubt)
    fields["limit"] = _limit(fields["limit"])
    fields["options"] = ShedOptions(**fields["options"])
    return CommandState(**fields, doubt=doubt)


def limits_text(limits: Mapping[int, Limit | None]) -> str:
    """Return limits by port as JSON."""
    return json.dumps({port: limit and asdict(limit) for port, limit in limits.items()})


def limits_of(text: str) -> dict[int, Limit | None]:
    """Return the limits of a text by port. Raises what `is_readable` catches."""
    return {int(port): _limit(limit) for port, limit in json.loads(text).items()}


def loads_text(loads: Mapping[int, float | None]) -> str:
    """Return loads in kW by port as JSON."""
    return json.dumps(dict(loads))


def loads_of(text: str) -> dict[int, float | None]:
    """Return the loads of a text, in kW by port. Raises what `is_readable` catches."""
    return {int(port): kw for port, kw in json.loads(text).items()}


def _limit(fields: dict[str, Any] | None) -> Limit | None:
    return None if fields is None else Limit(**fields)


@contextmanager
def is_readable(store: str, about: str) -> Iterator[None]:
    """Skip a damaged row, and nothing else. `store` names where it is, in the log."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _log.error(
            "%s: the entry of %s cannot be read (%s); it is ignored. A shed that is in force there "
            "expires",
            store,
            about,
            error,
        )
