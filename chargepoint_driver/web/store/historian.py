"""Load over time from a historian of the platform: VOLTTRON's SQLite historian."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from chargepoint_driver.config.web import HistorianConfig
from chargepoint_driver.errors import ConfigurationError, StoreError, TransientError
from chargepoint_driver.process import sqlite
from chargepoint_driver.web.api.schemas import SeriesSample
from chargepoint_driver.web.store.samples import Series

__all__ = ["Historian"]

_STEPS_S = (60, 300, 900, 3_600, 21_600)
_MAX_POINTS = 1_500
_MAX_TOPICS = 500
_BUSY_S = 5.0
# The points of a device that a chart needs, as `discover` names them.
_LOAD, _LIMIT, _HEADROOM = "portLoad", "limit", "siteHeadroom"
_SELECT = """
SELECT topics.topic_id, CAST(strftime('%s', substr(ts, 1, 19)) AS INTEGER) / ? AS bin,
    avg(CAST(value_string AS REAL)), max(CAST(value_string AS REAL)),
    min(CAST(value_string AS REAL))
FROM data JOIN topics ON topics.topic_id = data.topic_id
WHERE data.topic_id IN ({}) AND ts >= ? AND ts < ? AND value_string <> 'null'
GROUP BY topics.topic_id, bin
"""


@dataclass(frozen=True)
class _Device:
    """A device of the driver: its topic, and the port that it is."""

    topic: str
    station: str
    port: int


class Historian:
    """Reads the database of a historian; nothing is ever written to it."""

    def __init__(
        self, config: HistorianConfig, members: Callable[[str, str], Iterable[str]]
    ) -> None:
        """`members` gives the stations of an account's group. Raises ConfigurationError where the
        devices cannot be read."""
        self.name = "historian"
        self._path = config.database
        self._members = members
        self._devices = _devices(config.devices)

    def read(self, series: Series, start_s: float, end_s: float) -> tuple[int, list[SeriesSample]]:
        """Return (step, samples that touch the time). Raises TransientError where the database
        cannot be read at present."""
        step = next((s for s in _STEPS_S if (end_s - start_s) / s <= _MAX_POINTS), _STEPS_S[-1])
        devices = self._of(series)
        try:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite.connect(uri, uri=True, timeout=_BUSY_S)) as db:
                loads = self._values(db, devices, _LOAD, step, start_s, end_s)
                limits = self._values(db, devices, _LIMIT, step, start_s, end_s)
                rooms = self._values(db, devices, _HEADROOM, step, start_s, end_s)
        except StoreError as error:
            raise TransientError(
                f"web.historian: {self._path} cannot be read ({error}); see that the historian "
                "runs and that this process may read its file"
            ) from None
        count = len(devices)
        return step, [
            SeriesSample(
                float(number * step),
                float((number + 1) * step),
                round(sum(mean for mean, _, _ in found), 3),
                round(sum(peak for _, peak, _ in found), 3),
                _total(limits.get(number), count),
                None,
                _total(rooms.get(number), count),
                count - len(found),
            )
            for number, found in sorted(loads.items())
        ]

    def _of(self, series: Series) -> list[_Device]:
        """Return the devices of what a chart is of."""
        if series.kind == "port":
            station, _, port = series.name.partition("\n")
            return [d for d in self._devices if (d.station, d.port) == (station, int(port))]
        if series.kind == "group":
            members = set(self._members(series.account, series.name))
            return [device for device in self._devices if device.station in members]
        return self._devices

    @staticmethod
    def _values(
        db: sqlite.Connection,
        devices: list[_Device],
        point: str,
        step: int,
        start_s: float,
        end_s: float,
    ) -> dict[int, list[tuple[float, float, float]]]:
        """Return number of a stretch of time to (mean, highest, lowest) of each device there."""
        names = [f"{device.topic}/{point}" for device in devices]
        found: dict[int, list[tuple[float, float, float]]] = {}
        for first in range(0, len(names), _MAX_TOPICS):
            part = names[first : first + _MAX_TOPICS]
            marks = ", ".join("?" * len(part))
            numbers = [
                row[0]
                for row in db.execute(
                    f"SELECT topic_id FROM topics WHERE topic_name IN ({marks})",  # noqa: S608
                    part,
                )
            ]
            if not numbers:
                continue
            query = _SELECT.format(", ".join("?" * len(numbers)))
            times = _stamp(start_s), _stamp(end_s)
            for _, number, *values in db.execute(query, (step, *numbers, *times)):
                found.setdefault(number, []).append(tuple(values))
        return found


def _total(found: list[tuple[float, float, float]] | None, count: int) -> float | None:
    """Return the sum of the lowest values; None where a device has none."""
    if found is None or len(found) != count:
        return None
    return round(sum(lowest for _, _, lowest in found), 3)


def _stamp(time_s: float) -> str:
    """Return a time as the historian writes it, for comparison with its column."""
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _devices(folder: Path) -> list[_Device]:
    """Return the devices of a folder of driver configs, as `discover --write` makes them: the
    file's name is the topic with points for slashes."""
    found = []
    paths = sorted(folder.glob("*.config"))
    if not paths:
        raise ConfigurationError(
            f"config: web.historian.devices: {folder} has no driver config; name the folder "
            "driver_configs that `chargepoint-driver discover --write` made"
        )
    for path in paths:
        try:
            config = json.loads(path.read_text("utf-8"))["driver_config"]
            station = config.get("stationID") or config.get("chargePointID")
            port = config.get("portNumber") or config.get("connectorId") or config.get("evseId")
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise ConfigurationError(
                f"config: web.historian.devices: {path} cannot be read ({type(error).__name__})"
            ) from None
        # A device of a whole station or of a group counts its ports again.
        if station and port:
            found.append(_Device(path.stem.replace(".", "/"), str(station), int(port)))
    return found
