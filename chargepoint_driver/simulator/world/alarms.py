"""The alarms of a world: what was raised, and what has been cleared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from .site import Station

PORT_ALARMS = ("GFCI Trip", "Over Current", "Pilot Unreachable")
STATION_ALARMS = ("Reachable", "Unreachable", "Power Loss")


@dataclass(frozen=True)
class Alarm:
    """One alarm; `port_number` None concerns the whole station. Time in seconds UTC."""

    station_id: str
    port_number: int | None
    alarm_type: str
    time_s: float


class AlarmBook:
    """Alarms that have not been cleared, oldest first."""

    def __init__(self, alarms: Sequence[Alarm] = ()) -> None:
        """Start with those alarms."""
        self._alarms: list[Alarm] = []
        for alarm in alarms:
            self.raise_alarm(alarm)

    def raise_alarm(self, alarm: Alarm) -> None:
        """Add an alarm."""
        self._alarms.append(alarm)
        self._alarms.sort(key=lambda entry: entry.time_s)

    def select(self, wanted: Callable[[Alarm], bool] | None = None) -> list[Alarm]:
        """Return the alarms that are wanted (None: all), oldest first."""
        return [alarm for alarm in self._alarms if wanted is None or wanted(alarm)]

    def clear(self, wanted: Callable[[Alarm], bool]) -> int:
        """Remove the alarms that are wanted; returns how many."""
        kept = [alarm for alarm in self._alarms if not wanted(alarm)]
        removed = len(self._alarms) - len(kept)
        self._alarms = kept
        return removed


def opening_alarms(stations: Sequence[Station], seed: int, opening_s: int) -> list[Alarm]:
    """Return the alarms of the day before the opening.

    The first station always has one for its first port and a later one for the
    whole station; of the others about one in ten has an alarm.
    """
    random = Random(f"{seed}/alarms")

    def ago() -> float:
        return float(opening_s - random.randrange(3_600, 80_000))

    first = stations[0].station_id
    alarms = [
        Alarm(first, 1, "GFCI Trip", float(opening_s - 7_200)),
        Alarm(first, None, "Reachable", float(opening_s - 3_600)),
    ]
    for station in stations[1:]:
        chance = random.random()
        if chance < 0.05:
            number = random.choice(station.ports).number
            alarms.append(Alarm(station.station_id, number, random.choice(PORT_ALARMS), ago()))
        elif chance < 0.1:
            alarms.append(Alarm(station.station_id, None, random.choice(STATION_ALARMS), ago()))
    return alarms
