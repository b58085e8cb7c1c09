"""The JSON control of the twins: what is asked for by method and path.

GET    /charge-points                 POST /charge-points
GET    /charge-points/<id>            DELETE /charge-points/<id>
GET    /charge-points/<id>/messages   POST /charge-points/<id>/<action>
GET    /actions   GET /quirks   GET /stats   GET /clock   POST /clock   POST /scenario
POST   /plug/<connector>              POST /unplug/<connector>            where one twin runs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .moments import iso
from .power.station import NotNowError
from .quirks.quirks import QUIRKS
from .scenarios.actions import ACTIONS
from .scenarios.fleet import Fleet, UnknownTwinError
from .scenarios.scenario import play, read_scenario
from .scenarios.state_json import state_of

MAX_ADVANCE_S = 31 * 86_400
Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class HttpApi:
    """The control of one fleet."""

    fleet: Fleet

    async def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Return (HTTP status, JSON object) for a request."""
        parts = [unquote(part) for part in path.partition("?")[0].strip("/").split("/")]
        try:
            return await self._route(method, parts, _object(body))
        except UnknownTwinError as error:
            return 404, {"error": str(error)}
        except (NotNowError, ConnectionError) as error:
            return 409, {"error": str(error)}
        except ValueError as error:
            return 400, {"error": str(error)}

    async def _route(  # noqa: PLR0911 - one for each path
        self, method: str, parts: list[str], body: dict[str, Any]
    ) -> Answer:
        if parts[0] == "charge-points" and len(parts) <= 3:
            return await self._twins(method, parts[1:], body)
        if len(parts) == 2 and parts[0] in ("plug", "unplug"):
            return await self._only(method, parts[0], parts[1], body)
        if len(parts) != 1 or parts[0] not in ("actions", "quirks", "stats", "clock", "scenario"):
            return 404, {"error": f"nothing at /{'/'.join(parts)}; see docs/reference/twins.md"}
        if method == "GET" and parts[0] != "scenario":
            return 200, self._show(parts[0])
        if method == "POST" and parts[0] == "clock":
            return 200, self._advance(body)
        if method == "POST" and parts[0] == "scenario":
            scenario = read_scenario(body)
            await play(self.fleet, scenario)
            return 200, {"steps": len(scenario.steps)}
        return 405, {"error": f"/{parts[0]} does not take {method}"}

    async def _twins(  # noqa: PLR0911 - one for each path
        self, method: str, parts: list[str], body: dict[str, Any]
    ) -> Answer:
        fleet = self.fleet
        if not parts:
            if method == "GET":
                return 200, {"charge_points": [state_of(one) for one in fleet.points.values()]}
            if method == "POST":
                return 201, {"id": fleet.create(body)}
        elif len(parts) == 1:
            if method == "GET":
                return 200, state_of(fleet.point(parts[0]))
            if method == "DELETE":
                await fleet.remove(parts[0])
                return 200, {}
        elif method == "GET" and parts[1] == "messages":
            return 200, {"messages": fleet.point(parts[0]).link.message_log.as_json()}
        elif method == "POST":
            return await self._act(parts[0], parts[1], body)
        return 405, {"error": f"{method} does not go here; see docs/reference/twins.md"}

    async def _only(self, method: str, action: str, number: str, body: dict[str, Any]) -> Answer:
        """An action on a connector of the only twin."""
        if method != "POST":
            return 405, {"error": f"/{action} takes POST"}
        identities = list(self.fleet.points)
        if len(identities) != 1:
            raise NotNowError(
                f"{len(identities)} twins run: use /charge-points/<id>/{action} to name one"
            )
        if not number.isdecimal() or len(number) > 4:
            raise ValueError(f"/{action}/<connector>: the connector is a whole number")
        return await self._act(identities[0], action, {**body, "connector": int(number)})

    async def _act(self, identity: str, action: str, body: dict[str, Any]) -> Answer:
        point = self.fleet.point(identity)
        if action not in ACTIONS:
            return 404, {"error": f"no action {action!r}: use one of {', '.join(sorted(ACTIONS))}"}
        result = await self.fleet.act(identity, action, body)
        return 200, {**result, "state": state_of(point)}

    def _show(self, name: str) -> dict[str, Any]:
        if name == "stats":
            return self.fleet.stats()
        if name == "clock":
            return {"simulated_time": iso(self.fleet.scheduler.now_s())}
        rows: Mapping[str, Any] = ACTIONS if name == "actions" else QUIRKS
        return {
            name: {
                key: {
                    "effect": row.effect,
                    "parameters": {key: one.wanted for key, one in row.parameters.items()},
                }
                for key, row in rows.items()
            }
        }

    def _advance(self, body: dict[str, Any]) -> dict[str, Any]:
        seconds = body.pop("advance_s", None)
        if body or type(seconds) not in (int, float) or not 0 <= seconds <= MAX_ADVANCE_S:
            raise ValueError(f'give {{"advance_s": seconds}}, from 0 to {MAX_ADVANCE_S}')
        self.fleet.advance(seconds)
        return {"simulated_time": iso(self.fleet.scheduler.now_s())}


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")
    return value
