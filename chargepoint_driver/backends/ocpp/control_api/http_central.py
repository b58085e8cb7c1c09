"""The requests of the central-system document, on the control API.

Their paths and names are those of the document; `cpid` is the charger's id. Answers hold the same
as the other routes of the control API.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.timestamps import parse
from chargepoint_driver.backends.ocpp.operations.arguments import IdTag
from chargepoint_driver.backends.ocpp.operations.charger_access import ChargerAccess
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.errors import InvalidValueError, NotFoundError
from chargepoint_driver.http_server import json_answer, read_json
from chargepoint_driver.http_server.answers import long_answer
from chargepoint_driver.process.loop_thread import off_loop

__all__ = [
    "AvailabilityBody",
    "CentralDocument",
    "PlaceBody",
    "ReleaseBody",
    "ResetBody",
    "StartBody",
    "StopBody",
]

# Until a charger begins or ends what it has accepted.
_FOLLOW_S = 10.0
_HISTORY = timedelta(days=31)

Cpid = Annotated[str, Meta(min_length=1, max_length=255, description="id of the charger")]
Connector = Annotated[int, Meta(ge=0, le=1_000, description="connector; 0: the charger")]


class ResetBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Restart a charger."""

    cpid: Cpid
    type: Literal["Soft", "Hard"] = "Soft"


class PlaceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A connector."""

    cpid: Cpid
    connectorId: Connector = 0  # noqa: N815 - the document's


class StartBody(PlaceBody, kw_only=True):
    """Begin a session."""

    id_tag: IdTag


class StopBody(PlaceBody, kw_only=True):
    """End a session: by connector, by transaction, or the only one that runs."""

    transactionId: int | None = None  # noqa: N815


class AvailabilityBody(PlaceBody, kw_only=True):
    """Take a connector in or out of service."""

    type: Literal["Operative", "Inoperative"]


class ReleaseBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Release the plug."""

    cpid: Cpid
    connectorId: Annotated[int, Meta(ge=1, le=1_000)]  # noqa: N815


class CentralDocument:
    """Handlers of the document's requests."""

    def __init__(self, csms: Csms, chargers: ChargerAccess, follow_s: float = _FOLLOW_S) -> None:
        self._csms = csms
        self._chargers = chargers
        self._follow_s = follow_s

    # ---- commands ------------------------------------------------------------------------

    async def document_start(self, request: web.Request) -> web.Response:
        """Begin a session, and wait for it: `transactionId` is null where it did not begin."""
        body = await _body(request, StartBody)
        fields = {"connector": body.connectorId, "id_tag": body.id_tag}
        return await self._follow(body.cpid, "start", fields)

    async def document_stop(self, request: web.Request) -> web.Response:
        """End a session, and wait for its end: `ended` is false where it did not come."""
        body = await _body(request, StopBody)
        fields = {"connector": body.connectorId, "transaction": body.transactionId}
        return await self._follow(body.cpid, "stop", fields)

    async def document_charge_stop(self, request: web.Request) -> web.Response:
        """End what runs on a connector, if anything does: `status` is then NotRunning."""
        body = await _body(request, PlaceBody)
        return await self._follow(body.cpid, "stop_any", {"connector": body.connectorId})

    async def _follow(self, cpid: str, name: str, fields: dict[str, Any]) -> web.Response:
        fields = {**fields, "follow_s": self._follow_s}
        return json_answer(await self._chargers.ask(cpid, name, fields))

    async def document_release(self, request: web.Request) -> web.Response:
        body = await _body(request, ReleaseBody)
        return await self._operate(body.cpid, "unlock", {"connector": body.connectorId})

    async def document_availability(self, request: web.Request) -> web.Response:
        body = await _body(request, AvailabilityBody)
        arguments = {"connector": body.connectorId, "operative": body.type == "Operative"}
        return await self._operate(body.cpid, "availability", arguments)

    async def document_reset(self, request: web.Request) -> web.Response:
        body = await _body(request, ResetBody)
        return await self._operate(body.cpid, "reset", {"hard": body.type == "Hard"})

    async def _operate(self, cpid: str, name: str, arguments: dict[str, Any]) -> web.Response:
        fields = {"operation": name, "arguments": arguments}
        return json_answer(await self._chargers.ask(cpid, "operate", fields))

    # ---- reading -------------------------------------------------------------------------

    async def document_active(self, request: web.Request) -> web.Response:
        csms, of = self._csms, request.query.get("cpid")
        rows = await csms.read(lambda: csms.queries.running(of))
        return json_answer({"sessions": [_session(row) for row in rows]})

    async def document_history(self, request: web.Request) -> web.Response:
        """The sessions that touch the time from `start` (by default 31 days ago) to `end`."""
        csms, query = self._csms, request.query
        month_ago = datetime.fromtimestamp(csms.now(), timezone.utc) - _HISTORY
        since_s = parse(query.get("start", month_ago.isoformat()))
        until_s = parse(query.get("end"))
        if since_s is None or (until_s is None and "end" in query):
            raise InvalidValueError("start, end: expected times like 2026-11-28T00:00:00Z")
        of = query.get("cpid")
        rows = await csms.read(lambda: csms.queries.sessions(of, since_s, until_s))
        return json_answer({"sessions": [_session(row) for row in rows]})

    async def document_status(self, request: web.Request) -> web.Response:
        cpid = request.query.get("cpid")
        if cpid is None:
            views = (await self._chargers.charge_points()).views
        else:
            views = await self._one(cpid)
        rows = await off_loop(lambda: [each for view in views for each in _connectors(view)])
        return await long_answer(rows, "connectors")

    async def _one(self, cpid: str) -> list[ChargerView]:
        """Return the charger of that id, of any node; empty where none is known."""
        try:
            found = await self._chargers.ask(cpid, "view", {})
        except NotFoundError:
            return []
        if isinstance(found, ChargerView):
            return [found]
        return [msgspec.convert(found, ChargerView, str_keys=True)]

    async def document_stations(self, request: web.Request) -> web.Response:
        del request
        views = (await self._chargers.charge_points()).views
        return await long_answer(await off_loop(lambda: list(map(_station, views))), "stations")

    async def document_health(self, request: web.Request) -> web.Response:
        del request
        points = list(self._csms.points.values())
        connected = sum(point.connected for point in points)
        return json_answer({"status": "ok", "connected": connected, "known": len(points)})


def _station(charger: ChargerView) -> dict[str, Any]:
    """A charger in the document's words."""
    return {
        "cpid": charger.id,
        "connected": charger.connected,
        "vendor": charger.boot.get("vendor"),
        "model": charger.boot.get("model"),
        "ocppVersion": charger.ocpp_version,
        "connectors": _connectors(charger),
    }


def _connectors(charger: ChargerView) -> list[dict[str, Any]]:
    """The connectors of a charger in the document's words."""
    return [
        {
            "cpid": charger.id,
            "connectorId": number,
            "status": view.ocpp_status,
            "reachable": view.status != "UNREACHABLE",
            "load_kw": view.load_kw,
            "transactionId": None if view.transaction is None else view.transaction.transaction_id,
        }
        for number, view in sorted(charger.connectors.items())
        if number
    ]


def _session(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction in the document's words. Energy and meters in Wh; null: not known."""
    return {
        "cpid": row["charge_point"],
        "connectorId": row["connector"],
        "transactionId": row["id"],
        "id_tag": row["id_tag"],
        "startTime": row["start"],
        "endTime": row["stop"],
        "durationSecs": row["duration_s"],
        "meterStart": row["meter_start_wh"],
        "meterStop": row["meter_stop_wh"],
        "energy": row["energy_wh"],
        "state": row["state"],
    }


async def _body(request: web.Request, kind: Any) -> Any:
    return await read_json(request, kind, f"an object of {', '.join(kind.__struct_fields__)}")
