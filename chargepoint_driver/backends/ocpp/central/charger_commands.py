"""Commands to chargers, from any thread."""

from __future__ import annotations

import random

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.central.loop_access import CentralAccess
from chargepoint_driver.backends.ocpp.model.plan import read_plan

__all__ = ["ChargerCommands"]


class ChargerCommands(CentralAccess):
    """Limits, plans, transactions, availability and alarms. All raise NotFoundError for a charger
    that never connected, TransientError (not sent) and OutcomeUnknownError (no answer)."""

    def shed(self, target: Target, limit: Limit, minutes: float) -> None:
        """Limit the load of a charge point or connector for `minutes` (0 = no end).
        WriteRejectedError when it does not take the limit."""
        self._ask(
            target.station_id,
            "shed",
            connector=target.port or 0,
            allowed_load_kw=limit.allowed_load_kw,
            percent_shed=limit.percent_shed,
            minutes=minutes,
        )

    def contradict(self, target: Target) -> bool:
        """The load does not obey the limit there: try the next form of it. False where every
        form was tried."""
        return bool(self._ask(target.station_id, "contradict", connector=target.port or 0))

    def clear(self, target: Target) -> None:
        """End our limits there; of a charge point those of its connectors too."""
        self._ask(target.station_id, "clear", connector=target.port or 0)

    def remote_start(self, station_id: str, connector_id: int | None, id_tag: str) -> None:
        """Begin a transaction. Raises WriteRejectedError."""
        start_id = random.SystemRandom().randrange(1, 1 << 31)
        self._ask(
            station_id, "remote_start", connector=connector_id, id_tag=id_tag, start_id=start_id
        )

    def remote_stop(self, station_id: str, connector_id: int | None = None) -> None:
        """End the transaction that runs there. Raises NotFoundError, WriteRejectedError."""
        self._ask(station_id, "remote_stop", connector=connector_id)

    def availability(self, station_id: str, connector_id: int, operative: bool) -> str:
        """Take a connector (0: all) in or out of service: Accepted or Scheduled."""
        return str(
            self._ask(station_id, "availability", connector=connector_id, operative=operative)
        )

    def reset(self, station_id: str, hard: bool = False) -> None:
        """Restart the charge point. Raises WriteRejectedError."""
        self._ask(station_id, "reset", hard=hard)

    def unlock(self, station_id: str, connector_id: int) -> None:
        """Release the plug. Raises WriteRejectedError."""
        self._ask(station_id, "unlock", connector=connector_id)

    def put_plan(self, station_id: str, connector_id: int, value: object) -> str:
        """Install a charging plan (`plans.read_plan`), or remove it. Returns Accepted, or ''
        where the charger has the same plan already. Raises InvalidValueError,
        WriteRejectedError."""
        read_plan(value, self._now())  # a fault is named before anything is sent
        return str(self._ask(station_id, "put_plan", connector=connector_id, plan=value))

    def clear_alarms(self, station_id: str) -> None:
        """Put the errors received until now away; the live status counts them all the same."""
        self._ask(station_id, "clear_alarms")

    def forget(self, station_id: str) -> None:
        """Forget a charge point: settings, statuses, limits and reservations. Its records stay.
        Connected, it comes back as a new one: block it first. Raises NotFoundError,
        TransientError."""
        self._ask(station_id, "forget")
