"""JSON control next to the service: counts, faults, the clock and the real state.

GET  /stats        POST /stats/reset
GET  /faults       POST /faults        DELETE /faults
POST /clock        GET  /world
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .calls import Calls
from .faults import Faults
from .world.state_json import iso, world_json
from .world.world import World

MAX_ADVANCE_S = 31 * 86_400


class InvalidControlError(Exception):
    """The request is invalid; the text has the reason."""


@dataclass(frozen=True)
class Control:
    """The control interface of one simulator."""

    world: World
    faults: Faults
    calls: Calls

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return (HTTP status, JSON object) for a request."""
        routes: Mapping[str, Mapping[str, Callable[[bytes], dict[str, Any]]]] = {
            "/stats": {"GET": self._stats},
            "/stats/reset": {"POST": self._reset},
            "/faults": {"GET": self._faults, "POST": self._set_fault, "DELETE": self._clear},
            "/clock": {"POST": self._advance},
            "/world": {"GET": lambda _: world_json(self.world)},
        }
        if path not in routes:
            return 404, {"error": f"nothing at {path}: use one of {', '.join(sorted(routes))}"}
        action = routes[path].get(method)
        if action is None:
            return 405, {"error": f"{path} takes {', '.join(sorted(routes[path]))}"}
        try:
            return 200, action(body)
        except (InvalidControlError, ValueError) as error:
            return 400, {"error": str(error)}

    def _stats(self, _body: bytes = b"") -> dict[str, Any]:
        return {
            "calls": self.calls.counts(),
            "total": self.calls.total,
            "simulated_time": iso(self.world.now_s()),
            "requests_in_flight": self.calls.in_flight,
        }

    def _reset(self, _body: bytes) -> dict[str, Any]:
        self.calls.reset()
        return self._stats()

    def _faults(self, _body: bytes = b"") -> dict[str, Any]:
        return {"faults": [fault.as_json() for fault in self.faults.active()]}

    def _set_fault(self, body: bytes) -> dict[str, Any]:
        wish = _object(body)
        operation, kind = wish.pop("operation", None), wish.pop("kind", None)
        if not isinstance(operation, str) or not isinstance(kind, str):
            raise InvalidControlError(
                'operation and kind are needed, e.g. {"operation": "*", "kind": ...}'
            )
        times = wish.pop("times", None)
        self.faults.set(operation, kind, times=times, **wish)
        return self._faults()

    def _clear(self, _body: bytes) -> dict[str, Any]:
        self.faults.clear()
        return self._faults()

    def _advance(self, body: bytes) -> dict[str, Any]:
        wish = _object(body)
        seconds = wish.pop("advance_s", None)
        if wish or isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise InvalidControlError('give {"advance_s": seconds} and nothing else')
        if not 0 <= seconds <= MAX_ADVANCE_S:
            raise InvalidControlError(f"advance_s must lie between 0 and {MAX_ADVANCE_S}")
        self.world.clock.advance(seconds)
        return {"simulated_time": iso(self.world.now_s())}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidControlError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidControlError("the body must be a JSON object")
    return value
