"""A lock that one process has, and that the system drops when the process ends in any way."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from chargepoint_driver.process.files import regular_file

__all__ = ["OwnershipLock"]


class OwnershipLock:
    """A lock on a file, which stays behind. Its text is the process id of the last owner."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def is_owned(self) -> bool:
        """Return True if this object has the lock."""
        return self._handle is not None

    def acquire(self) -> bool:
        """Take the lock; False when another one has it. Raises OSError where the file cannot be
        made, or the file system has no locks."""
        if self._handle is not None:
            return True
        path = regular_file(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        with suppress(OSError):  # Only people read it.
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return True

    def owner(self) -> str:
        """Return the process id of the last owner; "" where it is not known."""
        try:
            text = regular_file(self.path).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return ""
        return text if text.isdecimal() else ""

    def release(self) -> None:
        """Release the lock. Safe to call more than once."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
