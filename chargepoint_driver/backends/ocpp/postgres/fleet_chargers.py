"""Chargers of all nodes of a fleet: a request goes to the node that has the charger's socket.

PostgreSQL has which node that is, and under which epoch. A request names the epoch, and the other
node begins nothing under another one. So a request is repeated only where it was certainly not
begun, once, at the node that PostgreSQL names then.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.charger_events import Listener
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.operations.charger_access import (
    REQUESTS,
    AllChargers,
    LocalChargers,
)
from chargepoint_driver.backends.ocpp.postgres.fleet_events import FleetEvents
from chargepoint_driver.backends.ocpp.postgres.fleet_lists import FleetLists
from chargepoint_driver.backends.ocpp.postgres.fleet_views import FleetViews
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.node_state import state_of, state_subject
from chargepoint_driver.backends.ocpp.postgres.ownership import (
    Owner,
    Ownership,
    RunningNode,
    node_subject,
)
from chargepoint_driver.backends.ocpp.postgres.stored_chargers import StoredChargers
from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.process.loop_thread import off_loop

__all__ = ["FleetChargers"]

# A node that is frozen has lost its lease by then.
_READ_S = 5.0
# A page of more chargers than this is made on a thread.
_MANY = 200
# A request that has come later than that is not begun: NATS or the node was frozen.
_BEGIN_S = 5.0
# How often the node that was asked is asked whether it still carries the request out, and how long
# an answer may be on its way.
_LOOK_S = 5.0
_ON_ITS_WAY_S = 1.0
_CLAIMED_S = 0.1
_PAGE_BYTES = 262_144


class _UnsentError(Exception):
    """A request that has not reached the node."""


class _NoNodeError(TransientError):
    """No running node has the charger."""


class _Request(msgspec.Struct):
    """A request of another node. `id` is of this request only. `is_last`: it is not asked again
    elsewhere. It is not begun after `expires_s` (seconds since 1970)."""

    id: str
    do: str
    station: str
    epoch: int
    fields: dict[str, Any]
    expires_s: float
    is_last: bool = False


class FleetChargers:
    """See the module, and `charger_access.ChargerAccess`. `serve` before others can ask."""

    def __init__(
        self,
        csms: Csms,
        membership: Membership,
        ownership: Ownership,
        messaging: Messaging,
        events: FleetEvents,
        stored: StoredChargers,
    ) -> None:
        """`stored` reads chargers that no running node has."""
        self._csms = csms
        self._local = LocalChargers(csms)
        self._membership = membership
        self._ownership = ownership
        self._messaging = messaging
        self._events = events
        self.views = FleetViews(csms, membership, ownership, stored, self.rows_of)
        self._lists = FleetLists(csms, membership, ownership, self.views)
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._ids = itertools.count(1)
        # Ids of the requests of other nodes that are carried out now.
        self._under_way: set[str] = set()

    async def serve(self) -> None:
        """Answer requests of other nodes. Raises StoreError."""
        own = await self._subject(self._membership.run)
        self._ends.append(await self._messaging.serve(own, self._answer))
        self._ends.append(await self._messaging.serve(f"{own}.views", self._answer_views))
        self._ends.append(
            await self._messaging.serve(f"{own}.live_status", self._answer_live_status)
        )
        self._ends.append(await self._messaging.serve(f"{own}.under_way", self._answer_under_way))
        state = state_subject(await self._ownership.fleet(), self._membership.run)
        self._ends.append(await self._messaging.serve(state, self._answer_state))

    async def end(self) -> None:
        """Take no more requests; those that run go on."""
        ends, self._ends = self._ends, []
        for each in ends:
            await each()

    def listen(self, callback: Listener) -> Callable[[], None]:
        """See `ChargerAccess`: also events of other nodes, within about a second."""
        return self._events.listen(callback)

    # ---- requests to other nodes ---------------------------------------------------------

    async def ask(self, station_id: str, name: str, fields: Mapping[str, Any]) -> Any:
        """See `ChargerAccess`. What no running node has is read from PostgreSQL."""
        try:
            return await self._ask(station_id, name, fields)
        except _NoNodeError:
            if not REQUESTS[name].is_read:
                raise
            view = await self.views.stored(station_id)
        return view if name == "view" else self._lists.document(view)

    async def _ask(self, station_id: str, name: str, fields: Mapping[str, Any]) -> Any:
        point = self._csms.points.get(station_id)
        if point is not None and (point.connected or REQUESTS[name].is_read):
            return await self._local.ask(station_id, name, fields)
        try:
            owner = await self._owner_of(station_id)
        except TransientError:
            if point is None:
                raise
            owner = None
        return await self._ask_elsewhere(owner, station_id, name, fields)

    async def _ask_elsewhere(
        self, owner: Owner | None, station_id: str, name: str, fields: Mapping[str, Any]
    ) -> Any:
        for is_last in (False, True):
            if owner is None:
                return await self._local.ask(station_id, name, fields)
            if owner.run == self._membership.run:
                if await self._is_connecting(station_id, owner.epoch):
                    break
                return await self._local.ask(station_id, name, fields)
            unsent = None
            try:
                answer = await self._ask_node(owner, station_id, name, fields, is_last=is_last)
                if not answer.get("moved"):
                    return _content(answer)
            except _UnsentError as error:
                unsent = error
            before, owner = owner, await self._owner_of(station_id)
            if unsent is not None and (is_last or owner == before):
                raise TransientError(f"{station_id} is connected to {before.node}: {unsent}")
        raise TransientError(f"{station_id} connects just now; nothing was sent; ask again")

    async def _is_connecting(self, station_id: str, epoch: int) -> bool:
        """Return True if PostgreSQL has a claim of this node that the node does not know yet."""
        if station_id in self._csms.points:
            return False
        # A claim that has just ended has its charger in a moment.
        await asyncio.sleep(_CLAIMED_S)
        return station_id not in self._csms.points and (
            self._membership.epochs.get(station_id) != epoch
        )

    async def _owner_of(self, station_id: str) -> Owner | None:
        try:
            owner = await self._ownership.owner_of(station_id)
        except StoreError as error:
            raise TransientError(f"{station_id}: {error}; nothing was sent") from None
        if owner is not None and not owner.is_running:
            raise _NoNodeError(
                f"{station_id}: no running node has it (the last was {owner.node}); nothing was "
                "sent"
            )
        return owner

    async def _ask_node(
        self, owner: Owner, station_id: str, name: str, fields: Mapping[str, Any], *, is_last: bool
    ) -> dict[str, Any]:
        kind = REQUESTS[name]
        limit_s = kind.limit_s(fields, self._csms.config.call_timeout_s)
        expires_s = self._csms.now() + _BEGIN_S
        own_id = f"{self._membership.run}-{next(self._ids)}"
        request = _Request(own_id, name, station_id, owner.epoch, dict(fields), expires_s, is_last)
        try:
            subject = await self._subject(owner.run)
        except StoreError as error:
            raise _UnsentError(f"{error}; nothing was sent") from None
        try:
            return await self._request(subject, request, limit_s)
        except OutcomeUnknownError as error:
            if kind.is_read:
                raise TransientError(f"{station_id}: node {owner.node}: {error}") from None
            raise OutcomeUnknownError(
                f"{station_id}: node {owner.node} did not report the outcome: {error}"
            ) from None
        except TransientError as error:
            raise _UnsentError(str(error)) from None

    async def _request(self, subject: str, request: _Request, limit_s: float) -> dict[str, Any]:
        """Wait for the answer as long as the node carries the request out. Raises as
        `Messaging.request`."""
        fields = msgspec.to_builtins(request)
        asking = asyncio.ensure_future(self._messaging.request(subject, fields, limit_s))
        try:
            while True:
                await asyncio.wait({asking}, timeout=_LOOK_S)
                if not asking.done() and not await self._is_under_way(subject, request.id):
                    await asyncio.wait({asking}, timeout=_ON_ITS_WAY_S)
                    if not asking.done():
                        raise OutcomeUnknownError("it does not carry the request out now")
                if asking.done():
                    return asking.result()
        finally:
            asking.cancel()

    async def _is_under_way(self, subject: str, request_id: str) -> bool:
        """Return True if a node carries a request out now; False also where it does not answer."""
        try:
            answer = await self._messaging.request(
                f"{subject}.under_way", {"id": request_id}, _LOOK_S
            )
        except TransientError:
            return False
        return bool(answer["under_way"])

    async def _subject(self, run: int) -> str:
        return node_subject(await self._ownership.fleet(), run)

    async def charge_points(self) -> AllChargers:
        """See `ChargerAccess`."""
        return await self._lists.charge_points(lambda node: self.rows_of(node, None))

    async def live_status(self) -> list[dict[str, Any]]:
        """See `ChargerAccess`."""
        return await self._lists.live_status(lambda node: self._pages(node, "live_status", {}))

    async def rows_of(
        self, node: RunningNode, station_ids: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        """Return {epoch, view} of the chargers of another node: of these, or of all. Raises
        TransientError, StoreError."""
        fields = {} if station_ids is None else {"stations": list(station_ids)}
        return await self._pages(node, "views", fields)

    async def _pages(
        self, node: RunningNode, kind: str, fields: dict[str, Any]
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            try:
                subject = f"{await self._subject(node.run)}.{kind}"
                page = await self._messaging.request(subject, {**fields, "after": after}, _READ_S)
            except (TransientError, OutcomeUnknownError) as error:
                raise TransientError(f"the chargers of node {node.node}: {error}") from None
            rows += page["views"]
            after = page["next"]
        return rows

    # ---- requests of other nodes ---------------------------------------------------------

    async def _answer(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            request = msgspec.convert(fields, _Request)
        except msgspec.ValidationError as error:
            raise InvalidValueError(f"the request of a node cannot be read: {error}") from None
        self._under_way.add(request.id)
        try:
            return await self._carry_out(request)
        finally:
            self._under_way.discard(request.id)

    async def _answer_under_way(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"under_way": fields.get("id") in self._under_way}

    async def _carry_out(self, request: _Request) -> dict[str, Any]:
        kind = REQUESTS.get(request.do)
        if kind is None:
            raise InvalidValueError(
                f"this node does not know {request.do[:64]!r}; use one release for all nodes"
            )
        late_s = self._csms.now() - request.expires_s
        if late_s > 0 and not kind.is_read:
            # This node or NATS was frozen, or the clocks of the two differ.
            raise TransientError(
                f"the request came {late_s + _BEGIN_S:.0f} s after it was sent, by the clock of "
                "this node; nothing was sent to the charger; check that both clocks are "
                "synchronized"
            )
        if self._membership.epochs.get(request.station) != request.epoch:
            return {"moved": True}
        await self._is_connecting(request.station, request.epoch)
        point = self._csms.points.get(request.station)
        is_away = point is not None and not point.connected
        if is_away and not kind.is_read and not request.is_last:
            return {"moved": True}
        try:
            return {"result": await self._local.ask(request.station, request.do, request.fields)}
        except CallRefusedError as error:
            refused = {
                "action": error.action,
                "code": error.service_code,
                "description": error.description,
                "details": error.details,
            }
            return {"refused": refused}
        except ChargePointError as error:
            return {"failed": error.to_dict()}

    async def _answer_state(self, fields: dict[str, Any]) -> dict[str, Any]:
        del fields
        return state_of(self._csms)

    async def _answer_views(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return a page of {epoch, view}, and the id to go on after; None at the end. `stations`
        in the request: of these only."""
        points, wanted = self._csms.points, fields.get("stations")
        names = list(points if wanted is None else points.keys() & set(map(str, wanted)))
        return await self._page(fields, names, lambda name: self._csms.view(points[name]))

    async def _answer_live_status(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the same of the latest status of each charger."""
        return await self._page(fields, list(self._csms.points), self._csms.statuses.document)

    async def _page(
        self, fields: dict[str, Any], names: list[str], make: Callable[[str], Any]
    ) -> dict[str, Any]:
        """Return what `make` returns of these chargers; of many it is made on a thread."""
        after, epochs = str(fields.get("after") or ""), self._membership.epochs

        def page() -> dict[str, Any]:
            rows: list[msgspec.Raw] = []
            size = 0
            for name in sorted(each for each in names if each > after):
                content = make(name)
                if content is None:
                    continue  # it has moved meanwhile
                row = msgspec.json.encode({"epoch": epochs.get(name, 0), "view": content})
                rows.append(msgspec.Raw(row))
                size += len(row)
                if size > _PAGE_BYTES:
                    return {"views": rows, "next": name}
            return {"views": rows, "next": None}

        return await off_loop(page) if len(names) > _MANY else page()


def _content(answer: dict[str, Any]) -> Any:
    """Return the result of a request. Raises its error."""
    if "refused" in answer:
        raise CallRefusedError(**answer["refused"])
    if "failed" in answer:
        raise error_from_dict(answer["failed"])
    return answer["result"]
