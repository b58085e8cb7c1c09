"""Writing of commands to their store: before something is sent, and after.

A store of this process alone may fail: a shed goes on and expires. A shared store must have a
command before it is sent, since another process goes on with it. What is true already and could not
be stored gets there with the next write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import FencedError, OutcomeUnknownError, StoreError, TransientError
from chargepoint_driver.process import threads
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.command_store import CommandStore
from chargepoint_driver.text import get_logger

__all__ = ["StoreWriter"]

_log = get_logger(__name__)


@dataclass
class _Rows:
    """Names of rows: targets of commands and of leases, stations of control periods."""

    commands: set[Target] = field(default_factory=set)
    periods: set[str] = field(default_factory=set)
    leases: set[Target] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.commands or self.periods or self.leases)

    def add(self, other: _Rows) -> None:
        self.commands |= other.commands
        self.periods |= other.periods
        self.leases |= other.leases


class StoreWriter:
    """See the module. May be used from several threads."""

    def __init__(
        self,
        store: CommandStore | None,
        command: Callable[[Target], CommandState | None],
        period: Callable[[str], tuple[dict[int, Limit | None] | None, dict[int, float | None]]],
        lease: Callable[[Target], float],
    ) -> None:
        """The last three return what a row should be now; None forgets it."""
        self.store = store
        self._command = command
        self._period = period
        self._lease = lease
        self._lock = threading.Lock()
        # Held while rows are stored, so that an older one never comes after a newer one.
        self._turn = threads.Lock()
        self._behind = _Rows()

    @property
    def is_shared(self) -> bool:
        """Return True if nothing may be sent that the store does not have."""
        return self.store is not None and self.store.is_shared

    def check(self) -> None:
        """Raises TransientError where nothing may be sent, since another process may have the
        commands now."""
        if self.store is not None:
            try:
                self.store.check()
            except StoreError as error:
                raise _unsent(error) from None

    @contextmanager
    def sending(self, mark: Callable[[], None]) -> Iterator[None]:
        """See `CommandStore.sending`."""
        if self.store is None:
            mark()
            yield
            return
        with self.store.sending(mark):
            yield

    # ---- before something is sent --------------------------------------------------------

    def note_commands(self, changes: Mapping[Target, CommandState | None]) -> None:
        """Store commands first. Raises TransientError."""
        with self._lock:
            late = {target: self._command(target) for target in self._behind.commands}
        wanted = {**late, **changes}
        if wanted:
            self._first(lambda store: store.save(wanted), _Rows(commands=set(wanted)))
            with self._lock:
                self._behind.commands -= late.keys()

    def note_period(self, station: str) -> None:
        """Store first what was before a control period. Raises TransientError."""
        self._first(
            lambda store: store.save_period(station, *self._period(station)),
            _Rows(periods={station}),
        )

    def note_lease(self, target: Target, seconds: float) -> None:
        """Store a lease first. Raises TransientError."""
        self._first(lambda store: store.save_lease(target, seconds), _Rows())

    def _first(self, save: Callable[[CommandStore], None], rows: _Rows) -> None:
        assert self.store is not None
        try:
            with self._turn:
                save(self.store)
        except StoreError as error:
            # It may have been stored all the same: the next write corrects it.
            with self._lock:
                self._behind.add(rows)
            raise _unsent(error) from None

    # ---- after it ------------------------------------------------------------------------

    def keep(
        self,
        commands: Iterable[Target] = (),
        periods: Iterable[str] = (),
        leases: Iterable[Target] = (),
    ) -> None:
        """Store rows as they are now, with those that a shared store does not have yet. Raises
        OutcomeUnknownError where another process has the commands."""
        store = self.store
        if store is None:
            return
        with self._lock:
            rows, self._behind = self._behind, _Rows()
            rows.add(_Rows(set(commands), set(periods), set(leases)))
        try:
            with self._turn:
                if rows.commands:
                    store.save({target: self._command(target) for target in rows.commands})
                for station in rows.periods:
                    store.save_period(station, *self._period(station))
                for target in rows.leases:
                    store.save_lease(target, self._lease(target))
        except FencedError as error:
            raise OutcomeUnknownError(
                f"{error}: it goes on with what was sent; read back what is in force"
            ) from None
        except StoreError as error:
            if not store.is_shared:
                _log.error(
                    "the file of commands cannot be written (%s): a restart will not know what is "
                    "in force; make room or correct command_file",
                    error,
                )
                return
            with self._lock:
                self._behind.add(rows)
            _log.error("commands cannot be stored now (%s); tried again", error)

    def catch_up(self) -> None:
        """Store what a shared store does not have yet. Raises OutcomeUnknownError, as `keep`."""
        if self._behind:
            self.keep()

    def close(self) -> None:
        """Write nothing any more."""
        store, self.store = self.store, None
        if store is not None:
            store.close()


def _unsent(error: StoreError) -> TransientError:
    return TransientError(f"the command cannot be stored now ({error}); nothing was sent")
