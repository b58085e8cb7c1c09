"""One process for each identity of the caching agent: a second one stands by.

The message bus ignores a second agent of the same identity without a word, also after the first
has ended. A lock in VOLTTRON_HOME tells the two apart before they connect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from chargepoint_driver.process.ownership_lock import OwnershipLock
from chargepoint_driver.text import get_logger

__all__ = ["stand_by"]

_log = get_logger(__name__)

_LOOK_S = 0.5


def stand_by(
    home: Path, identity: str, pause: Callable[[float], None] = time.sleep
) -> OwnershipLock | None:
    """Return the lock of an identity once this process has it: at once, or when the process
    before has ended. None where the system has no locks; then nothing is waited for."""
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in identity)
    lock = OwnershipLock(home / "chargepoint" / f"{name}.agent.lock")
    try:
        if lock.acquire():
            return lock
        owner = lock.owner()
        _log.warning(
            "%s runs already%s: this process stands by and takes over when that one ends",
            identity,
            f" as process {owner}" if owner else "",
        )
        while not lock.acquire():
            pause(_LOOK_S)
    except OSError as error:
        _log.warning("%s cannot be locked (%s): see to it that it runs once", lock.path, error)
        return None
    _log.warning("%s: the process before has ended; this one takes over", identity)
    return lock
