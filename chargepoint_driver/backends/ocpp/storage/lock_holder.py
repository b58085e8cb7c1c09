"""Owners of a database file: the lock of the central system, and the processes that hold
SQLite's."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import regular_file
from chargepoint_driver.text import get_logger

__all__ = ["FileLock", "holders"]

_log = get_logger(__name__)
_NOT_SUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}
_MAX_NAMED = 3
_MAX_CHARS = 80


class FileLock:
    """The lock of the one central system that uses a database: the file `<database>.lock`.

    The system drops the lock when the process ends, however that happens. The file stays.
    """

    def __init__(self, database: Path) -> None:
        """Raises ConfigurationError when another central system has the lock, OSError."""
        path = regular_file(database.with_name(database.name + ".lock"))
        self._handle: int | None = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600
        )
        try:
            self._take(database)
        except BaseException:
            self.release()
            raise

    def _take(self, database: Path) -> None:
        handle = self._handle
        assert handle is not None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            first = f"process {number} ({_command(number)})" if number.isdecimal() else "another"
            raise ConfigurationError(
                f"database: {database} belongs to a central system that runs: {first}. Stop that "
                "one, or give this one a database of its own"
            ) from None
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            _log.warning(
                "database: %s is on a file system without locks; see to it that only one central "
                "system uses it",
                database,
            )
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock. Safe to call more than once."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def holders(database: Path) -> str:
    """Name the other processes that lock a database: `process 812 (sqlite3 ocpp.db)`.

    From /proc/locks, else the processes that have the file open. An empty text where the system
    does not tell.
    """
    found = _locking(database) or _opening(database)
    found.discard(str(os.getpid()))
    return ", ".join(
        f"process {number} ({_command(number)})" for number in sorted(found, key=int)[:_MAX_NAMED]
    )


def _locking(database: Path) -> set[str]:
    """Processes with a write lock on the database or its shared memory."""
    nodes = set()
    for ending in ("", "-shm"):
        with suppress(OSError):
            nodes.add(str(database.with_name(database.name + ending).stat().st_ino))
    found = set()
    with suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines():
            words = line.split()
            # 1: POSIX ADVISORY WRITE 812 08:01:264 120 120; a lock that waits has an arrow.
            if len(words) == 8 and words[3] == "WRITE" and words[5].rpartition(":")[2] in nodes:
                found.add(words[4])
    return {number for number in found if number.isdecimal() and number != "0"}


def _opening(database: Path) -> set[str]:
    """Other processes that have the database open, as far as this user may look."""
    wanted = str(database.absolute())
    found = set()
    with suppress(OSError):
        for each in Path("/proc").iterdir():
            if not each.name.isdecimal():
                continue
            with suppress(OSError):
                if any(str(handle.readlink()) == wanted for handle in (each / "fd").iterdir()):
                    found.add(each.name)
    return found


def _command(number: str) -> str:
    """The command line of a process, made visible and short."""
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return "unknown command"
    text = words.decode("utf-8", "replace").replace("\0", " ").strip()
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text[:_MAX_CHARS] or "unknown command"
