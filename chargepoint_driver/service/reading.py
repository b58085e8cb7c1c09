"""Reading of an account's points: values, errors and ages; and what a host needs of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chargepoint_driver.backend import Target
from chargepoint_driver.cache import Key, Outcome
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service.shed_control import ShedOptions

__all__ = ["Ages", "Reader", "Reading", "Stations"]


@dataclass
class Reading:
    """The answer to a read: every name asked for is in `values` or in `errors`.

    `ages_s` holds the age of each value in seconds.
    """

    values: dict[str, Value] = field(default_factory=dict)
    errors: dict[str, ChargePointError] = field(default_factory=dict)
    ages_s: Mapping[str, float] = field(default_factory=dict)


class Ages(Mapping[str, float]):
    """Name to age in seconds of each value, looked up when it is asked for."""

    def __init__(
        self,
        points: Mapping[str, Point],
        outcomes: Mapping[Key, Outcome],
        values: Mapping[str, Value],
        groups_s: Mapping[str, float],
    ) -> None:
        """`groups_s`: name to age of the values of station groups that their stations report."""
        self._points = points
        self._outcomes = outcomes
        self._values = values
        self._groups_s = groups_s

    def __getitem__(self, name: str) -> float:
        if name not in self._values:
            raise KeyError(name)
        outcome = self._outcomes.get(self._points[name].key)
        if outcome is None:
            # A station group's; what was commanded of it is known without asking.
            return self._groups_s.get(name, 0.0)
        return outcome.age_s or 0.0

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Reader(Protocol):
    """Source of points."""

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points, by the names given, each no older than its currency."""


class Stations(Protocol):
    """An account as a host uses it, in this process or behind the caching agent."""

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points, by the names given, each no older than its currency."""

    def write(self, point: Point, value: object, options: ShedOptions) -> Value:
        """Carry out a write; what is reported then."""

    def revert(self, point: Point, writer: str = "") -> bool:
        """Take back what this driver did to the point's target; True when a command was sent."""

    def command(self, target: Target, name: str, value: object) -> str:
        """Carry out a command of the CommandRegister; the charger's answer."""

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer."""

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `backend.OPERATIONS`."""
