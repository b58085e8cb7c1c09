"""Who may charge: everyone, or the idTags of a file. Case does not count, as OCPP has it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from chargepoint_driver.errors import BadConfiguration

__all__ = ["IdTags"]


class IdTags:
    """The accepted idTags; read again when the file changes."""

    def __init__(self, path: Path | None) -> None:
        """Raises BadConfiguration when the file cannot be read."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._tags: frozenset[str] = frozenset()
        if path is not None:
            try:
                self._read(path)
            except (OSError, UnicodeError) as error:
                raise BadConfiguration(
                    f"accept_id_tags: {path} cannot be read ({type(error).__name__}); correct it"
                ) from None

    def status(self, id_tag: str) -> str:
        """Accepted or Invalid."""
        if self._path is None:
            return "Accepted"
        with suppress(OSError, UnicodeError):  # else the list as it was last readable
            self._read(self._path)
        return "Accepted" if id_tag.strip().casefold() in self._tags else "Invalid"

    def _read(self, path: Path) -> None:
        found = path.stat()
        stamp = found.st_mtime_ns, found.st_size
        if stamp == self._stamp:
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        self._tags = frozenset(
            line.strip().casefold()
            for line in lines
            if line.strip() and not line.lstrip().startswith("#")
        )
        self._stamp = stamp
