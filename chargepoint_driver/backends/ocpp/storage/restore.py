"""Restores chargers from the database, at the start and after a message that could not be
stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector, Transaction
from chargepoint_driver.backends.ocpp.model.limit import LimitState
from chargepoint_driver.backends.ocpp.storage.store import Store

__all__ = ["SavedChargers", "restore", "restore_running"]


class SavedChargers(Protocol):
    """Stored records of chargers; see the methods of `Store`. None as an id stands for all."""

    def points(self, station_id: str | None) -> list[dict[str, Any]]:
        """Return the rows of chargers."""

    def saved(self, table: str, station_id: str | None) -> list[tuple[str, int, dict[str, Any]]]:
        """Return (charger, connector, state) of the table `connectors` or `limits`."""

    def active(self, station_id: str | None) -> list[tuple[str, Transaction]]:
        """Return (charger, transaction) of those that run."""

    def damaged(self, row: str, error: Exception) -> None:
        """Report a row that cannot be used."""


def restore(
    store: SavedChargers,
    new_point: Callable[[str], Charger],
    limit_of: Callable[[dict[str, Any]], LimitState | None],
    now_s: float,
    station_id: str | None = None,
) -> None:
    """Make the charge points that the database knows, or one, with the transactions that run."""
    points: dict[str, Charger] = {}

    def point_of(own_id: str) -> Charger:
        if own_id not in points:
            points[own_id] = new_point(own_id)
        return points[own_id]

    for row in store.points(station_id):
        if not isinstance(row["id"], str):
            store.damaged(f"charge_points, {row['id']!r}", TypeError("an id is a text"))
            continue
        point = point_of(row["id"])
        point.boot = row["boot"]
        point.configuration = row["configuration"]
        point.learned = row["worked"]
        point.version = row["version"]
        last_seen_s = row["last_seen"]
        if isinstance(last_seen_s, (int, float)):
            point.last_seen_s = min(last_seen_s, now_s)
    for own_id, number, data in store.saved("connectors", station_id):
        try:
            found = _connector(number, data, now_s)
        except (TypeError, ValueError, AttributeError) as error:
            store.damaged(f"connectors, {own_id!r} {number!r}", error)
            continue
        point = point_of(own_id)
        point.connectors = dict(sorted({**point.connectors, number: found}.items()))
    for point in points.values():
        known = [each for each in point.connectors.values() if each.status_received_s is not None]
        if known:
            newest = max(known, key=lambda each: each.status_received_s or 0.0)
            point.last_status_connector = newest.connector_id
    for own_id, number, data in store.saved("limits", station_id):
        try:
            limit, connector_id = limit_of(data), int(number)
        except (TypeError, ValueError, AttributeError) as error:
            store.damaged(f"limits, {own_id!r} {number!r}", error)
            continue
        if limit is not None:
            point_of(own_id).connector(connector_id).limit = limit
    for own_id, transaction in _running(store, station_id):
        connector = point_of(own_id).connector(transaction.connector_id)
        connector.begin(transaction)


def _connector(number: int, data: dict[str, Any], now_s: float) -> Connector:
    """Return a connector as it was kept. Raises TypeError, ValueError, AttributeError."""
    connector = Connector(int(number))
    for name in (
        "status",
        "status_s",
        "status_received_s",
        "error_code",
        "vendor_error_code",
        "vendor_id",
        "info",
    ):
        setattr(connector, name, data.get(name))
    for name in ("status_s", "status_received_s"):
        # The machine's clock may have been put back since.
        at_s = getattr(connector, name)
        setattr(connector, name, None if at_s is None else min(at_s, now_s))
    connector.is_doubted = bool(data.get("is_doubted"))
    connector.faults.extend((at, code) for at, code in data.get("faults", ()))
    connector.parts = {int(part): text for part, text in data.get("parts", {}).items()}
    return connector


def restore_running(store: Store, point: Charger) -> None:
    """Restore a charger's running sessions from the file: a message could not be stored, so it was
    not acknowledged, and what it began or ended has not happened until it comes again."""
    stored = {found.connector_id: found for _, found in _running(store, point.station_id)}
    for number, connector in point.connectors.items():
        connector.transaction = stored.get(number)


def _running(store: SavedChargers, station_id: str | None = None) -> list[tuple[str, Transaction]]:
    """Return the transactions that run, the oldest first; a row without numbers is left out."""
    found = []
    for owner, transaction in store.active(station_id):
        numbers = transaction.start_s, transaction.connector_id
        if all(isinstance(each, (int, float)) for each in numbers):
            found.append((owner, transaction))
        else:
            error = TypeError("start_time and connector are numbers")
            store.damaged(f"transactions, {transaction.transaction_id!r}", error)
    return sorted(found, key=_begin)


def _begin(found: tuple[str, Transaction]) -> tuple[float, int]:
    """Of two on one connector the one that began later runs; the other is history."""
    return found[1].start_s, found[1].transaction_id
