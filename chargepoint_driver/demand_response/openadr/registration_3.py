"""Objects that a VEN of OpenADR 3 makes at its VTN: its VEN object, its resource, and
subscriptions.

Source: OpenADR 3.0.1 and 3.1.0 definitions, `vens`, `resources` and `subscriptions`.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.demand_response.openadr.transport import RequestFailedError
from chargepoint_driver.demand_response.openadr.ven import Ven
from chargepoint_driver.text import get_logger

__all__ = ["Registration"]

_log = get_logger(__name__)

_OPERATIONS = ["POST", "PUT", "DELETE"]
Ask = Callable[..., Awaitable[Any]]
"""(method, path, json=, params=) to the answer. Raises RequestFailedError."""


class Registration:
    """Makes what is missing at one VTN; what is there already stays."""

    def __init__(self, name: str, config: VtnConfig, ven: Ven, ask: Ask) -> None:
        self._name = name
        self._config = config
        self._ven = ven
        self._ask = ask
        self._subscribed: set[str] = set()
        self._is_registered = False

    @property
    def token(self) -> str:
        """Return the token that notifications bring; the same after a restart."""
        fact = f"callback_token/{self._name}"
        known = self._ven.fact(fact)
        if known is None:
            known = secrets.token_urlsafe(32)
            self._ven.set_fact(fact, known)
        return str(known)

    async def register(self) -> None:
        """Make the VEN object and its resource. Raises RequestFailedError."""
        if self._is_registered:
            return
        name = self._ven.config.ven_name
        found = await self._ask("GET", "vens", params={"venName": name})
        ours = [each for each in _objects(found, "vens") if each.get("venName") == name]
        ven = ours[0] if ours else await self._make("vens", {"venName": name}, "VEN_VEN_REQUEST")
        ven_id = str(ven["id"])
        self._ven.set_fact(f"ven_id/{self._name}", ven_id)
        known = {each.get("resourceName") for each in ven.get("resources") or []}
        if name not in known:
            await self._make_resource(ven_id, name)
        self._is_registered = True

    async def _make_resource(self, ven_id: str, name: str) -> None:
        body = {"resourceName": name, "venID": ven_id}
        nested = f"vens/{ven_id}/resources"
        # 3.1 has resources of their own; 3.0 has them below the VEN.
        with suppress(RequestFailedError):
            found = _objects(await self._ask("GET", nested), nested)
            if any(each.get("resourceName") == name for each in found):
                return
            await self._ask("POST", nested, json=body)
            return
        found = await self._ask("GET", "resources", params={"resourceName": name})
        if not any(each.get("venID") == ven_id for each in _objects(found, "resources")):
            await self._make("resources", body, "VEN_RESOURCE_REQUEST")

    async def _make(self, where: str, body: dict[str, Any], kind: str) -> dict[str, Any]:
        """Make an object. 3.1 tells requests of a VEN by their type, which 3.0 does not know."""
        try:
            made = await self._ask("POST", where, json=body)
        except RequestFailedError:
            made = await self._ask("POST", where, json={"objectType": kind, **body})
        return _objects([made], where)[0]

    async def subscribe(self, programs: Collection[str], url: str) -> None:
        """Have the events of these programs notified. Raises RequestFailedError."""
        wanted = set(programs)
        if wanted == self._subscribed:
            return
        client = self._ven.config.ven_name
        found = await self._ask("GET", "subscriptions", params={"clientName": client})
        kept: set[str] = set()
        for each in _objects(found, "subscriptions"):
            if each.get("clientName") != client:
                continue
            program = str(each.get("programID"))
            if program in wanted - kept and self._is_ours(each, url):
                kept.add(program)
            else:
                await self._ask("DELETE", f"subscriptions/{each['id']}")
        for program in sorted(wanted - kept):
            operation = {
                "objects": ["EVENT"],
                "operations": _OPERATIONS,
                "callbackUrl": url,
                "bearerToken": self.token,
            }
            body = {"clientName": client, "programID": program, "objectOperations": [operation]}
            await self._ask("POST", "subscriptions", json=body)
        self._subscribed = wanted

    def _is_ours(self, subscription: dict[str, Any], url: str) -> bool:
        operations = subscription.get("objectOperations") or []
        return any(
            each.get("callbackUrl") == url and each.get("bearerToken") == self.token
            for each in operations
        )


def _objects(answer: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list) or not all(
        isinstance(each, dict) and "id" in each for each in answer
    ):
        raise RequestFailedError(f"/{where} did not answer objects with an id")
    return answer
