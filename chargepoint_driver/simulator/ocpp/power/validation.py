"""Checks of transactions: where one may start, and whether one runs."""

from __future__ import annotations

from collections.abc import Sequence

from .connector import Connector, Phase
from .station import Station

READY = (Phase.AVAILABLE, Phase.PREPARING, Phase.FINISHING, Phase.RESERVED)


def free_connectors(station: Station, connector_id: int | None, id_tag: str) -> Sequence[Connector]:
    """Return where an idTag may start (None: anywhere); where a vehicle waits comes first."""
    free = [
        one
        for one in station.connectors
        if connector_id in (None, one.connector_id) and _may_start(station, one, id_tag)
    ]
    return sorted(free, key=lambda one: one.charge is None)


def _may_start(station: Station, connector: Connector, id_tag: str) -> bool:
    reservation = connector.reservation
    if connector.finished and station.quirks.has("needs_replug"):
        return False
    if reservation is not None and reservation.id_tag != id_tag:
        return False
    return connector.transaction is None and station.phase(connector) in READY


def has_transaction(station: Station, connector_id: int) -> bool:
    """Return True if one runs at that connector (0: at any)."""
    return any(
        one.transaction is not None and connector_id in (0, one.connector_id)
        for one in station.connectors
    )
