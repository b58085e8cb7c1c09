"""An account that nodes of a fleet hold, with the methods of `service.Accounts`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidReplyError,
    InvalidValueError,
)
from chargepoint_driver.fleet_client.node_connections import NodeConnections
from chargepoint_driver.records import Value
from chargepoint_driver.service import READ_TIMEOUTS

__all__ = ["FleetAccount"]

_MARGIN_S = 5.0
# Histories, and requests of OCPP with limits of their own.
_LONG_S = 300.0


class FleetAccount:
    """One account of a fleet. Raises errors of the tree; in answers they stand as dictionaries. May
    be used from several threads or greenlets."""

    def __init__(
        self, config: FleetAccountConfig, connections: NodeConnections | None = None
    ) -> None:
        self.config = config
        self._connections = connections or NodeConnections(config)
        self._limit_s = READ_TIMEOUTS * config.timeout + _MARGIN_S

    def reconfigure(self, config: FleetAccountConfig) -> None:
        """Go on with other settings, as another token."""
        before = self._connections
        self.config = config
        self._limit_s = READ_TIMEOUTS * config.timeout + _MARGIN_S
        self._connections = NodeConnections(config)
        before.close()

    # ---- points --------------------------------------------------------------------------

    def read(self, points: Mapping[str, Mapping[str, Any]], *, reader: str = "") -> dict[str, Any]:
        """Return {"values", "errors", "ages_s"} by the names given; each name is in values or
        errors (see `Accounts.read`). Raises InvalidReplyError for what is not a reading."""
        if not isinstance(points, Mapping):
            raise ConfigurationError("points: must be names with the description of each point")
        return self.read_encoded(encode({"points": points, **_given(reader=reader)}), points)

    def read_encoded(self, body: bytes, names: Mapping[str, Any]) -> dict[str, Any]:
        """The same, of a body that is encoded already; `names` are those of its points."""
        answer = self._connections.post("read", body, is_read=True, limit_s=self._limit_s)
        if not _is_reading(answer, names):
            raise InvalidReplyError(
                f"read of {self.config.account} in the fleet: the answer is not a reading of what "
                "was asked for; use the same release for nodes and platforms"
            )
        return dict(answer)

    def write(
        self,
        point: Mapping[str, Any],
        value: Any,
        *,
        minutes: float | None = None,
        writer: str = "",
        warnings: list[str] | None = None,
        **shed: Any,
    ) -> Value:
        """Write one point; what is reported then (see `Accounts.write`)."""
        given = {"point": point, "value": value, **shed, **_given(minutes=minutes, writer=writer)}
        if warnings is not None:
            given["warnings"] = []
        answer = self._written("write", given)
        if warnings is not None and isinstance(answer, dict) and "warnings" in answer:
            warnings += [str(each) for each in answer["warnings"]]
            answer = answer["value"]
        return answer  # type: ignore[no-any-return]

    def release(self, point: Mapping[str, Any], on_delete: str = "clear") -> bool:
        """See `Accounts.release`."""
        return bool(self._written("release", {"point": point, "on_delete": on_delete}))

    def revert(self, point: Mapping[str, Any], *, writer: str = "") -> bool:
        """See `Accounts.revert`."""
        return bool(self._written("revert", {"point": point, **_given(writer=writer)}))

    # ---- load shed events ----------------------------------------------------------------

    def create_load_shed_event(self, start: str, duration: int, **fields: Any) -> int:
        """See `Accounts.create_load_shed_event`."""
        given = {"start": start, "duration": duration, **_present(fields)}
        return int(self._written("create_load_shed_event", given))

    def remove_load_shed_event(self, event_id: int) -> None:
        """See `Accounts.remove_load_shed_event`."""
        self._written("remove_load_shed_event", {"event_id": event_id})

    # ---- chargers ------------------------------------------------------------------------

    def command(self, name: str, station: str, port: int | None, value: Any) -> str:
        """See `Accounts.command`."""
        given = {"name": name, "station": station, "port": port, "value": value}
        return str(self._written("command", given))

    def call(
        self,
        station: str,
        action: str,
        payload: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """See `Accounts.call`."""
        given = {"station": station, "action": action, "payload": payload, "timeout": timeout}
        limit_s = self._limit_s
        if isinstance(timeout, (int, float)) and 0 < timeout <= _LONG_S:
            limit_s = max(limit_s, timeout + 2 * _MARGIN_S)
        return _object(self._written("call", given, limit_s), "call")

    def operate(
        self, name: str, station: str, arguments: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """See `Accounts.operate`."""
        given = {"name": name, "station": station, "arguments": arguments}
        return _object(self._written("operate", given), "operate")

    def stored_messages(
        self,
        station: str,
        before: int | None = None,
        limit: int = 100,
        action: str | None = None,
    ) -> tuple[list[dict[str, Any]], int | None]:
        """See `Accounts.stored_messages`."""
        given = {"station": station, **_present({"before": before, "action": action})}
        rows, older = self._read("stored_messages", {**given, "limit": limit})
        return list(rows), older

    # ---- stations, sessions and state ----------------------------------------------------

    def stations(self) -> list[dict[str, Any]]:
        """See `Accounts.stations`."""
        return _list(self._read("stations", {}, _LONG_S), "stations")

    def sessions(
        self, station: str | None, start: str, end: str | None = None
    ) -> list[dict[str, Any]]:
        """See `Accounts.sessions`."""
        given = {"station": station, "start": start, "end": end}
        return _list(self._read("sessions", given, _LONG_S), "sessions")

    def writes(self, most: int = 100) -> list[dict[str, Any]]:
        """Return the newest writes, newest first."""
        return _list(self._read("writes", {"most": most}), "writes")

    def live_status(self, station: str | None = None) -> list[dict[str, Any]]:
        """See `Accounts.live_status`."""
        return _list(self._read("live_status", _present({"station": station})), "live_status")

    def stats(self) -> dict[str, Any]:
        """Return counts: calls sent by operation, their total, records kept."""
        return _object(self._read("stats", {}), "stats")

    def health(self) -> dict[str, Any]:
        """Return {call: error} of what does not work at present."""
        return _object(self._read("health", {}), "health")

    def changes(self, after: str | None, wait_s: float) -> dict[str, Any]:
        """Return news after an id, waiting for some: {"after", "stations", "is_complete"}."""
        query = f"?wait_s={wait_s:g}" + ("" if after is None else f"&after={after}")
        answer = _object(
            self._connections.get(f"/changes{query}", wait_s + 2 * _MARGIN_S), "changes"
        )
        if not isinstance(answer.get("after"), str) or not isinstance(answer.get("stations"), list):
            raise InvalidReplyError("changes: the answer has no ids; use one release for all nodes")
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    # ---- inside --------------------------------------------------------------------------

    def _read(self, method: str, given: Mapping[str, Any], limit_s: float | None = None) -> Any:
        return self._connections.post(
            method, encode(given), is_read=True, limit_s=limit_s or self._limit_s
        )

    def _written(self, method: str, given: Mapping[str, Any], limit_s: float | None = None) -> Any:
        return self._connections.post(
            method, encode(given), is_read=False, limit_s=limit_s or self._limit_s
        )


def encode(arguments: Mapping[str, Any]) -> bytes:
    """Return arguments as JSON. Raises InvalidValueError for what it cannot carry."""
    try:
        return json.dumps(arguments, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValueError(f"the request cannot be sent: {error}; nothing was sent") from None


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _is_reading(answer: Any, names: Mapping[str, Any]) -> bool:
    """Return True if each value and error is of a name that was asked for, as JSON has them."""
    if not isinstance(answer, dict):
        return False
    values, errors, ages_s = (answer.get(each) for each in ("values", "errors", "ages_s"))
    if not (isinstance(values, dict) and isinstance(errors, dict) and isinstance(ages_s, dict)):
        return False
    return (
        values.keys() <= names.keys()
        and errors.keys() <= names.keys()
        and values.keys().isdisjoint(errors)
        and all(isinstance(each, dict) for each in errors.values())
        and all(
            isinstance(each, (int, float)) and math.isfinite(each) and each >= 0
            for each in ages_s.values()
        )
    )


def _object(answer: Any, method: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise InvalidReplyError(f"{method}: the fleet's answer is not an object")
    return answer


def _list(answer: Any, method: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list):
        raise InvalidReplyError(f"{method}: the fleet's answer is not a list")
    return answer
