"""Forgetting a charge point in a file that no central system uses."""

from __future__ import annotations

import time
from pathlib import Path

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import NotFoundError, StoreError, TransientError

__all__ = ["forget_in"]


def forget_in(path: Path, station_id: str) -> None:
    """Remove what is known of a charge point; its transactions and events stay.

    Raises ConfigurationError where a central system uses the file, NotFoundError, TransientError.
    """
    store = Store(path)
    try:
        if station_id not in {row["id"] for row in store.points()}:
            raise NotFoundError(f"charger {station_id[:128]!r} has never connected")
        store.forget(station_id, time.time())
    except StoreError as error:
        raise TransientError(
            f"{path}: cannot be written now ({error}); nothing was changed"
        ) from None
    finally:
        store.close()
