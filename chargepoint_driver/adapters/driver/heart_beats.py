"""Heart beats of the platform driver: answered in the driver, since the service has none."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import get_logger

__all__ = ["HeartBeats"]

_log = get_logger(__name__)


class HeartBeats:
    """Values of heart beats, by the names in `heart_beat_point` of an account's devices."""

    POINT = "chargepoint/heart_beat"
    """Point that the host is to write: it writes the one of the first device of the account, so it
    is given one that no device has."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def add(self, heart_beat: str | None, source: str, points: Container[str]) -> None:
        """Take in `heart_beat_point` of a device. `source` names its registry, `points` are its
        points. Raises ConfigurationError for one of those."""
        if not heart_beat:
            return
        name = heart_beat.rsplit("/", 1)[-1]
        if name in points:
            raise ConfigurationError(
                f"{source}: heart_beat_point {heart_beat!r} is a point of the station, which each "
                "beat would write; leave heart_beat_point out (the service has no heart beat)"
            )
        if name == heart_beat:
            _log.warning(
                "%s: heart_beat_point %r is a bare name; it is answered in the driver and shown "
                "nowhere. Write a full topic (devices/…/%s), or leave it out",
                source,
                name,
                name,
            )
        self._values.setdefault(name, 0)

    def name_of(self, topic: str, points: Container[str]) -> str | None:
        """Return the heart beat that a topic names, None for any other point."""
        name = topic.rsplit("/", 1)[-1]
        return name if name in self._values and topic not in points else None

    def __getitem__(self, name: str) -> Any:
        """Return the value that was written last, 0 before the first."""
        return self._values[name]

    def write(self, name: str, value: Any) -> None:
        """Write one."""
        self._values[name] = value

    def write_all(self, value: Any) -> None:
        """Write all of them: the host's own beat."""
        self._values = dict.fromkeys(self._values, value)
