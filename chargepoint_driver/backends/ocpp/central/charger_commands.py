"""Commands to chargers, from any thread."""

from __future__ import annotations

import random

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.central.loop_access import CentralAccess
from chargepoint_driver.backends.ocpp.csms.csms import ALARMS_CLEARED
from chargepoint_driver.backends.ocpp.model.plan import read_plan
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.operations import commands

__all__ = ["ChargerCommands"]


class ChargerCommands(CentralAccess):
    """Limits, plans, transactions, availability and alarms. All raise NotFoundError for a charger
    that never connected, TransientError (not sent) and OutcomeUnknownError (no answer)."""

    def shed(self, target: Target, limit: Limit, minutes: float) -> None:
        """Limit the load of a charge point or connector for `minutes` (0 = no end).
        WriteRejectedError when it does not take the limit."""
        self._command(
            target.station_id,
            lambda csms, point: csms.limiter.shed(point, target.port or 0, limit, minutes),
        )

    def contradict(self, target: Target) -> bool:
        """The load does not obey the limit there: try the next form of it. False where every
        form was tried."""
        return bool(
            self._command(
                target.station_id,
                lambda csms, point: csms.limiter.contradict(point, target.port or 0),
            )
        )

    def clear(self, target: Target) -> None:
        """End our limits there; of a charge point those of its connectors too."""
        self._command(
            target.station_id, lambda csms, point: csms.limiter.clear(point, target.port or 0)
        )

    def remote_start(self, station_id: str, connector_id: int | None, id_tag: str) -> None:
        """Begin a transaction. Raises WriteRejectedError."""
        start_id = random.SystemRandom().randrange(1, 1 << 31)
        self._command(
            station_id,
            lambda csms, point: commands.remote_start(csms, point, connector_id, id_tag, start_id),
        )

    def remote_stop(self, station_id: str, connector_id: int | None = None) -> None:
        """End the transaction that runs there. Raises NotFoundError, WriteRejectedError."""
        self._command(
            station_id, lambda csms, point: commands.remote_stop(csms, point, connector_id)
        )

    def availability(self, station_id: str, connector_id: int, operative: bool) -> str:
        """Take a connector (0: all) in or out of service: Accepted or Scheduled."""
        return str(
            self._command(
                station_id,
                lambda csms, point: commands.availability(csms, point, connector_id, operative),
            )
        )

    def reset(self, station_id: str, hard: bool = False) -> None:
        """Restart the charge point. Raises WriteRejectedError."""
        self._command(station_id, lambda csms, point: commands.reset(csms, point, hard))

    def unlock(self, station_id: str, connector_id: int) -> None:
        """Release the plug. Raises WriteRejectedError."""
        self._command(station_id, lambda csms, point: commands.unlock(csms, point, connector_id))

    def put_plan(self, station_id: str, connector_id: int, value: object) -> str:
        """Install a charging plan (`plans.read_plan`), or remove it. Returns Accepted, or ''
        where the charger has the same plan already. Raises InvalidValueError,
        WriteRejectedError."""
        plan = read_plan(value, self._now())
        return str(
            self._command(station_id, lambda csms, point: csms.plans.put(point, connector_id, plan))
        )

    def clear_alarms(self, station_id: str) -> None:
        """Put the errors received until now away; the live status counts them all the same."""
        point = self._running.point(station_id)
        self._work(lambda csms: csms.clear_alarms(point))

    def alarms_cleared(self, station_id: str) -> str | None:
        """Return when `clear_alarms` was last done, ISO 8601. Raises NotFoundError."""
        return iso(self._running.point(station_id).learned.get(ALARMS_CLEARED))

    def forget(self, station_id: str) -> None:
        """Forget a charge point: settings, statuses, limits and reservations. Its records stay.
        Connected, it comes back as a new one: block it first. Raises NotFoundError,
        TransientError."""
        point = self._running.point(station_id)
        self._work(lambda csms: csms.forget(point))
