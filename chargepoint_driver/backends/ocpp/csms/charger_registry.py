"""The chargers that the central system knows, made by config and quirks."""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.quirks import quirks_of
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import NotFoundError

__all__ = ["ChargerRegistry", "look_up_quirks"]


class ChargerRegistry:
    """Chargers by id. The loop's thread changes it; other threads read `chargers`."""

    def __init__(self, config: OcppConfig) -> None:
        self._config = config
        self.chargers: dict[str, Charger] = {}

    @property
    def is_full(self) -> bool:
        """Return True if there are as many chargers as the config allows."""
        return len(self.chargers) >= self._config.max_charge_points

    def find(self, station_id: str) -> Charger:
        """Return a known charger. Raises NotFoundError."""
        found = self.chargers.get(station_id)
        if found is None:
            raise NotFoundError(f"charger {station_id[:128]!r} has never connected")
        return found

    def add(self, station_id: str) -> Charger:
        """Add a charger, with its entry in the config."""
        config = self._config.of(station_id)
        voltage, phases, is_dc, rated_kw, quirks = (
            (None, None, False, None, None)
            if config is None
            else (
                config.voltage,
                config.phases,
                config.current == "DC",
                config.rated_kw,
                config.quirks,
            )
        )
        point = Charger(
            station_id,
            Electrical(
                voltage or self._config.voltage, phases or self._config.phases, is_dc, rated_kw
            ),
            model=None if config is None else config.model,
            interval_s=self._config.meter_interval_s,
        )
        if quirks is not None:
            point.own_quirks = quirks
        look_up_quirks(point)
        self.chargers[station_id] = point
        return point

    def remove(self, *points: Charger) -> None:
        """Remove chargers. Another charger that has such an id meanwhile stays."""
        ids = {each.station_id for each in points if self.chargers.get(each.station_id) is each}
        # Replaced, not changed: other threads read it meanwhile.
        self.chargers = {name: each for name, each in self.chargers.items() if name not in ids}


def look_up_quirks(point: Charger) -> None:
    """Set the quirks of a charger by its vendor and model, and what follows from them."""
    model = point.boot.get("model") or point.model
    point.quirks = quirks_of(point.boot.get("vendor"), model, point.own_quirks)
    point.electrical = replace(point.electrical, location=point.quirks.location)
