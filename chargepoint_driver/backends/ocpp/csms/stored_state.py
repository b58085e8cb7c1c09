"""Access of the central system to its database: waits, errors, one access at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.process.loop_thread import off_loop

__all__ = ["StoredState"]

_MAX_READERS = 2

_T = TypeVar("_T")


class StoredState:
    """The store behind waits. All belongs to the loop's thread."""

    def __init__(self, store: Store, count: Callable[[Charger | None, str, str], None]) -> None:
        """`count` takes a charger, the name of a counter and a detail."""
        self._store = store
        self._count = count
        self._readers = asyncio.Semaphore(_MAX_READERS)

    async def writable(self) -> None:
        """Wait until the database can be written. Raises TransientError."""
        try:
            await self._store.writable()
        except (StoreError, OSError) as error:
            raise _not_stored(error) from None

    async def stored(self) -> None:
        """Wait until everything until now is stored. Raises TransientError."""
        try:
            # The future is that of all who wait.
            await asyncio.shield(self._store.stored())
        except (StoreError, OSError) as error:
            raise _not_stored(error) from None

    async def read(self, work: Callable[[], _T]) -> _T:
        """Read what is stored, all messages until now counted: on a thread, two at a time.
        Raises TransientError, and what `work` raises."""
        async with self._readers:
            await self.stored()
            return await off_loop(work)

    def keep(self, point: Charger, write: Callable[[], None]) -> None:
        """Write something down. Where that fails it is counted, and work goes on."""
        try:
            write()
        except StoreError as error:
            self._count(point, "not_stored", type(error).__name__)
        self._store.committed()

    def save_point(self, point: Charger, **columns: Any) -> None:
        """Keep what is known of a charger. Where that fails it is counted, and work goes on."""
        self.keep(point, lambda: self._store.save_point(point.station_id, **columns))


def _not_stored(error: Exception) -> TransientError:
    return TransientError(f"the database cannot be written now ({error}); nothing was changed")
