"""Interface of a sink to the relay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from chargepoint_driver.events.envelope import Event

__all__ = ["Sink", "SinkError", "Status"]

Status = dict[str, Any]
"""The latest status of one charge point, as JSON (see `live_status`)."""


class SinkError(Exception):
    """The sink did not take something. The relay opens it again and sends the batch again."""


class Sink(Protocol):
    """One place where events go. All methods run on the relay's loop; every wait has a limit.

    The relay calls `open` before anything else and after each failure, and sends a batch again
    as a whole until `put` returns: delivery is at least once. A sink must keep the order of the
    events of a station, also over a batch that fails half-way.
    """

    takes_status: bool
    """Whether `put_status` keeps the latest status."""

    max_batch: int
    """Events in one `put` at most."""

    async def open(self) -> None:
        """Connect. Raises SinkError, ConfigurationError, OSError."""

    async def put(self, events: Sequence[Event]) -> None:
        """Hand events over; returns when all are confirmed. Raises SinkError, OSError."""

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Keep the latest status of charge points; returns when all are confirmed."""

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Remove the latest status of charge points that are not known any more."""

    async def close(self) -> None:
        """Close the connection; never raises."""
