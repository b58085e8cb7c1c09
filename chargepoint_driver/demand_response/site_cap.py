"""Limit for chargers that share a supply with a building. Knows no VOLTTRON, and time is passed
in."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Cap"]


class Cap:
    """Total limit of the chargers; settings as in site_cap_agent.DEFAULTS."""

    def __init__(self, settings: dict[str, Any], now_s: float, held_kw: float | None) -> None:
        """`held_kw` is what they are held to at present; None for nothing."""
        self._settings = settings
        self.allowed_kw = held_kw  # None: not throttled
        self.reason = "waiting for the meter"
        self._building_kw: float | None = None
        self._metered_s = self._changed_s = now_s

    def meter(self, kw: object, now_s: float) -> bool:
        """Take a reading in kW; return False for an invalid one."""
        if isinstance(kw, bool) or not isinstance(kw, (int, float)) or not math.isfinite(kw):
            return False
        self._building_kw, self._metered_s = float(kw), now_s
        return True

    def decide(self, now_s: float) -> float | None:
        """Return what the chargers may take from now on in kW, None for everything."""
        wanted_kw = self._wanted_kw(now_s)
        if wanted_kw != self.allowed_kw:
            self.allowed_kw, self._changed_s = wanted_kw, now_s
        return wanted_kw

    def fall_back(self) -> float:
        """Return the limit while nobody watches: the safe one, unless a lower one is in force."""
        safe_kw: float = self._settings["safe_kw"]
        return safe_kw if self.allowed_kw is None else min(safe_kw, self.allowed_kw)

    def _wanted_kw(self, now_s: float) -> float | None:
        silent_s = now_s - self._metered_s
        if silent_s > self._settings["meter_timeout_seconds"]:
            self.reason = f"the meter has been silent for {silent_s:.0f} s"
            return self.fall_back()
        if self._building_kw is None:
            return self.allowed_kw
        floor_kw, chargers_kw = self._settings["floor_kw"], self._settings["chargers_kw"]
        band_kw: float = self._settings["hysteresis_kw"]
        room_kw: float = self._settings["limit_kw"] - self._building_kw
        kept_kw: float = round(max(floor_kw, room_kw - band_kw), 1)
        too_much = ", which leaves less than floor_kw" if room_kw < floor_kw else ""
        self.reason = f"the building takes {self._building_kw:g} kW{too_much}"
        if room_kw < (chargers_kw if self.allowed_kw is None else self.allowed_kw):
            return kept_kw
        waited = now_s - self._changed_s >= self._settings["raise_seconds"]
        if self.allowed_kw is None or not waited:
            return self.allowed_kw
        if room_kw >= chargers_kw + band_kw:
            return None
        return kept_kw if kept_kw > self.allowed_kw + band_kw else self.allowed_kw
