"""IdTags and reservations, from any thread."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.central.loop_access import CentralAccess
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.authorization import tag_of
from chargepoint_driver.backends.ocpp.operations import commands

__all__ = ["IdTagsAndReservations"]


class IdTagsAndReservations(CentralAccess):
    """IdTags that may charge, and reservations of connectors for them. All raise
    TransientError where the central system does not run."""

    def reserve(
        self, station_id: str, connector_id: int | None, id_tag: str, expires_s: float
    ) -> dict[str, Any]:
        """Reserve a connector (None: any) for an idTag until a time, s since 1970.

        Returns {id, charge_point, connector, id_tag, made, expires, state, transaction_id}.
        Raises InvalidValueError, WriteRejectedError."""
        row: dict[str, Any] = self._ask(
            station_id, "reserve", connector=connector_id, id_tag=id_tag, expires_s=expires_s
        )
        return row

    def cancel_reservation(self, station_id: str, reservation_id: int) -> dict[str, Any]:
        """End a reservation. Returns it. Raises NotFoundError, WriteRejectedError."""
        row: dict[str, Any] = self._ask(
            station_id, "cancel_reservation", reservation=reservation_id
        )
        return row

    def reservations(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """All reservations, of all nodes of a fleet too, or those of a charge point. `state` is
        active, unconfirmed (no answer came), refused, cancelled, expired or used."""
        found: list[dict[str, Any]] = self._work(
            lambda csms: commands.all_reservations(csms, station_id)
        )
        return found

    def id_tags(self) -> list[dict[str, Any]]:
        """Every known idTag: {id_tag, status, expires, max_concurrent, source, running, current}.
        `current` is what Authorize is answered."""

        async def rows(csms: Csms) -> list[dict[str, Any]]:
            return commands.id_tags(csms)

        found: list[dict[str, Any]] = self._work(rows)
        return found

    def put_id_tag(
        self,
        id_tag: str,
        *,
        status: str = "Accepted",
        expires: str | None = None,
        max_concurrent: int | None = None,
    ) -> dict[str, Any]:
        """Add an idTag, or change it. Returns it as `id_tags` does. Raises InvalidValueError."""
        tag = tag_of(
            id_tag, {"status": status, "expires": expires, "max_concurrent": max_concurrent}
        )
        row: dict[str, Any] = self._work(lambda csms: commands.put_tag(csms, tag))
        return row

    def remove_id_tag(self, id_tag: str) -> None:
        """Remove an idTag that was added here. Raises NotFoundError; InvalidValueError for one of
        the file."""
        self._work(lambda csms: commands.remove_tag(csms, id_tag))
