"""The points of an account that nodes of a fleet hold: the same promises as `Service`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargepoint_driver.backend import OPERATIONS, Target
from chargepoint_driver.errors import ChargePointError, InvalidValueError, error_from_dict
from chargepoint_driver.fleet_client.fleet_account import FleetAccount, encode
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading, ShedOptions, describe, write_words

__all__ = ["FleetStations"]


class FleetStations:
    """`service.Stations` of a fleet. Keeps no value and no command."""

    def __init__(self, account: FleetAccount, reader: str = "") -> None:
        """`reader` is who reads, "" for nobody in particular."""
        self.account = account
        self._reader = reader
        # A poll asks for the same points each time: they are described once.
        self._last: tuple[Mapping[str, Point] | None, int, bytes] = (None, 0, b"")

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points; when no node answers, its error stands for each."""
        try:
            answer = self.account.read_encoded(self._described(points), points)
        except ChargePointError as error:
            return Reading(errors=dict.fromkeys(points, error))
        values = answer["values"]
        errors = {name: error_from_dict(fields) for name, fields in answer["errors"].items()}
        if len(values) + len(errors) < len(points):
            for name in points.keys() - values.keys() - errors.keys():
                errors[name] = ChargePointError(f"{name}: the fleet left it out of its answer")
        return Reading(values, errors, answer["ages_s"])

    def _described(self, points: Mapping[str, Point]) -> bytes:
        last, size, body = self._last
        if last is not points or size != len(points):
            described = {name: describe(point) for name, point in points.items()}
            reader = {"reader": self._reader} if self._reader else {}
            body = encode({"points": described, **reader})
            self._last = points, len(points), body
        return body

    def write(
        self, point: Point, value: object, options: ShedOptions, warnings: list[str] | None = None
    ) -> Value:
        """Carry out a write; what is reported then. Raises OutcomeUnknownError when a node took
        the write and did not answer."""
        if not point.writable:
            # Only the row of this device has it; the nodes know what the attribute allows.
            raise InvalidValueError(f"{point.name} ({point.attribute.name}) can only be read")
        return self.account.write(describe(point), value, warnings=warnings, **write_words(options))

    def release(self, point: Point, on_delete: str) -> bool:
        """The device of the point's target was deleted; True when it limited something."""
        return self.account.release(describe(point), on_delete)

    def revert(self, point: Point, writer: str = "") -> bool:
        """Take back what was done to the point's target; True when a command was sent."""
        return self.account.revert(describe(point), writer=writer)

    def command(self, target: Target, name: str, value: object) -> str:
        """Carry out a command of the CommandRegister; the charger's answer."""
        return self.account.command(name, target.station_id, target.port, value)

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer."""
        return self.account.call(station_id, action, payload, timeout_s)

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `backend.OPERATIONS`."""
        if name not in OPERATIONS:
            raise InvalidValueError(
                f"no operation {name!r}; expected one of {', '.join(OPERATIONS)}"
            )
        return self.account.operate(name, station_id, arguments)

    def close(self) -> None:
        """Close all connections."""
        self.account.close()
