"""Vehicles that come and go, the same for the same seed."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from ..power.connector import Connector, Phase
from ..power.station import NotNowError
from ..power.vehicle import draw_vehicle
from ..protocol.charge_point import Charger

DAY_S = 86_400.0
MIN_STAY_S, MAX_STAY_S = 1_800.0, 8 * 3_600.0


class Visits:
    """The visits to one charge point. Each connector has a course of its own, so that what
    happens at one does not change another's."""

    def __init__(self, point: Charger, seed: int, visits_per_day: float) -> None:
        self._point = point
        self._mean_gap_s = DAY_S / visits_per_day
        self._randoms = {
            one.connector_id: Random(f"{seed}/{point.spec.identity}/{one.connector_id}/course")
            for one in point.connectors
        }

    def start(self) -> None:
        """Let the first ones come."""
        for connector in self._point.connectors:
            self._next(connector)

    def _next(self, connector: Connector) -> None:
        random = self._randoms[connector.connector_id]
        gap_s = random.expovariate(1 / self._mean_gap_s)
        self._point.timer("course", connector, gap_s, self._arrive)

    def _arrive(self, connector: Connector) -> None:
        random = self._randoms[connector.connector_id]
        vehicle, pause_s = draw_vehicle(random), random.uniform(5, 30)
        if self._point.phase(connector) is not Phase.AVAILABLE:
            self._next(connector)
            return
        self._point.plug(connector.connector_id, vehicle)
        self._point.timer("course", connector, pause_s, self._present)

    def _present(self, connector: Connector) -> None:
        random = self._randoms[connector.connector_id]
        id_tag = f"DRIVER{random.randrange(1000):04d}"
        stay_s = random.uniform(MIN_STAY_S, MAX_STAY_S)
        with suppress(NotNowError):
            self._point.start(connector.connector_id, id_tag, lambda _: None)
        self._point.timer("course", connector, stay_s, self._leave)

    def _leave(self, connector: Connector) -> None:
        with suppress(NotNowError):
            self._point.unplug(connector.connector_id)
        self._next(connector)
