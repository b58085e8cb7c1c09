"""Files that the driver opens: regular files only, and private ones that others never read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["make_private", "read_text", "regular_file"]

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_PRIVATE = 0o600


def regular_file(path: Path) -> Path:
    """Return the path, `~` expanded. It is a regular file, a link to one, or does not exist.

    Raises OSError for a FIFO, a device, a socket or a folder: to open one may wait without end.
    """
    found = path.expanduser()
    try:
        mode = found.stat().st_mode
    except FileNotFoundError:
        return found
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise OSError(f"{found} is {name}, not a file; name another path")
    return found


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return what is in a regular file. Raises OSError, UnicodeError."""
    return regular_file(path).read_text(encoding=encoding)


def make_private(path: Path) -> Path:
    """Make a file that only its owner reads and writes, or take these rights from others.

    A new file has mode 0600 from its first byte. An SQLite database brings its `-wal` and
    `-shm`, which get the mode of the database. Returns the path, `~` expanded. Raises OSError.
    """
    found = regular_file(path)
    # O_NONBLOCK: a FIFO that appears meanwhile must not stop us. The file is closed before
    # SQLite opens it: to close it later would end the locks that SQLite has on it.
    handle = os.open(found, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, _PRIVATE)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(f"{found} is not a regular file; name another path")
        if stat.S_IMODE(mode) & ~_PRIVATE:
            os.fchmod(handle, _PRIVATE)
    finally:
        os.close(handle)
    for ending in ("-wal", "-shm"):
        other = regular_file(found.with_name(found.name + ending))
        if other.exists() and stat.S_IMODE(other.stat().st_mode) & ~_PRIVATE:
            other.chmod(_PRIVATE)
    return found
