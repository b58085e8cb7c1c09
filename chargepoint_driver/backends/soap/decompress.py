"""Taking compressed answers apart, never more of them at once than is still allowed.

The HTTP library would do it too, but its older releases unpack whatever one piece holds: a
thousandfold, in one go, past every limit of size and time.
"""

from __future__ import annotations

import zlib

__all__ = ["ACCEPTED", "Unpacker"]

ACCEPTED = "gzip"
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 47  # of gzip or of zlib


class Unpacker:
    """One answer's body, piece by piece."""

    def __init__(self, encoding: str) -> None:
        """`encoding` is the header Content-Encoding, '' without one. Raises ValueError for one
        that was not asked for."""
        encoding = encoding.strip().lower()
        if encoding not in _PLAIN | _PACKED:
            raise ValueError(f"unknown Content-Encoding {encoding[:40]!r}")
        self._packed = encoding in _PACKED
        self._work = zlib.decompressobj(_ANY_HEADER)

    def take(self, part: bytes, most: int) -> bytes:
        """Return what a piece holds, `most` bytes of it at the most. Raises zlib.error."""
        if not self._packed:
            return part
        found: list[bytes] = []
        while part and most > 0:
            if self._work.eof:
                # Another one follows the first in the same answer.
                self._work = zlib.decompressobj(_ANY_HEADER)
            found.append(self._work.decompress(part, most))
            most -= len(found[-1])
            part = self._work.unused_data or self._work.unconsumed_tail
        return b"".join(found)

    @property
    def whole(self) -> bool:
        """Return True if the end of what was packed has been reached."""
        return not self._packed or self._work.eof
