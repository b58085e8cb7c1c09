"""A file of JSON lines, one event each, rotated by size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from chargepoint_driver.config.sinks import FileSinkConfig
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import SinkError, Status
from chargepoint_driver.process.files import make_private

__all__ = ["FileSink"]

_TAIL_BYTES = 1 << 20


class FileSink:
    """The newest events are in the file itself, older ones in `.1` and so on."""

    takes_status = False
    max_batch = 500

    def __init__(self, config: FileSinkConfig) -> None:
        self._path = config.path
        self._max_bytes = config.max_bytes
        self._keep = config.keep
        self._handle: int | None = None
        self._size = 0

    async def open(self) -> None:
        """Open the file; half a line of a process that was killed is cut off."""
        await self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        make_private(self._path)
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size = _whole_lines(self._handle)

    async def put(self, events: Sequence[Event]) -> None:
        """Append; a line survives the end of the process, however sudden."""
        if self._handle is None:
            raise SinkError("the file is not open")
        if self._size and self._size >= self._max_bytes:
            await self._rotate()
        content = "\n".join([*(event.to_json() for event in events), ""]).encode()
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._handle, rest) :]
        self._size += len(content)

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Do nothing: a file has no latest value."""

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Do nothing, for the same reason."""

    async def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    async def _rotate(self) -> None:
        await self.close()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number)
            newer = self._path if number == 1 else self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        await self.open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _whole_lines(handle: int) -> int:
    """Cut what follows the last line feed off. Return the size of the file."""
    size = os.fstat(handle).st_size
    begin = max(0, size - _TAIL_BYTES)
    tail = os.pread(handle, size - begin, begin)
    if tail and not tail.endswith(b"\n"):
        size = begin + tail.rfind(b"\n") + 1
        os.ftruncate(handle, size)
    return size
