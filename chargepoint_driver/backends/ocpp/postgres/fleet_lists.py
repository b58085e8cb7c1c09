"""Lists of the chargers of all nodes: every node is asked at the same time.

A list is whole, or an error that names what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.live_status import document_of
from chargepoint_driver.backends.ocpp.operations.charger_access import AllChargers
from chargepoint_driver.backends.ocpp.postgres.fleet_views import FleetViews, view_in
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.ownership import Ownership, RunningNode
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.errors import ChargePointError, StoreError, TransientError
from chargepoint_driver.process.loop_thread import off_loop

__all__ = ["FleetLists"]

_LIMIT_S = 30.0
# A list of more chargers than this is made on a thread.
_MANY = 200

Row = dict[str, Any]
Ask = Callable[[RunningNode], Awaitable[list[Row]]]
"""Returns {epoch, view} of each charger of a node. Raises TransientError, StoreError."""


class FleetLists:
    """See the module. On the central system's loop."""

    def __init__(
        self, csms: Csms, membership: Membership, ownership: Ownership, views: FleetViews
    ) -> None:
        self._csms = csms
        self._membership = membership
        self._ownership = ownership
        self._views = views

    async def charge_points(self, ask: Ask) -> AllChargers:
        """Return every charger as it stands. `ask` returns the views of a node. Raises
        TransientError where one cannot be read now."""
        try:
            known, rows = await self._gather(ask, "id")
            own = await self._own(self._view_of)
            others = await self._work(lambda: _newer(rows, own, view_in), rows)
            rest = await self._rest(known, own, others)
            without = await self._ownership.without_node() if rest else []
        except (StoreError, msgspec.ValidationError) as error:
            raise _failed(error) from None
        views = {**{name: view for name, (_, view) in own.items()}, **others, **rest}
        return AllChargers(
            [view for _, view in sorted(views.items())], [name for name in without if name in rest]
        )

    async def live_status(self, ask: Ask) -> list[dict[str, Any]]:
        """Return the latest status of every charger. `ask` returns the documents of a node. Raises
        TransientError where one cannot be read now."""
        statuses = self._csms.statuses
        try:
            known, rows = await self._gather(ask, "charge_point_id")
            own = await self._own(statuses.document)
            others = await self._work(lambda: _newer(rows, own, lambda row: row["view"]), rows)
            rest = await self._rest(known, own, others)
        except StoreError as error:
            raise _failed(error) from None
        documents = {**{name: document for name, (_, document) in own.items()}, **others}
        for name, view in rest.items():
            documents[name] = self.document(view)
        return [document for _, document in sorted(documents.items())]

    def document(self, view: ChargerView) -> dict[str, Any]:
        """Return the latest status of a charger that no node has."""
        return document_of(view, self._csms.statuses.account, self._csms.now())

    # ---- inside --------------------------------------------------------------------------

    async def _gather(self, ask: Ask, key: str) -> tuple[list[str], dict[str, Row]]:
        """Return the ids of all chargers, and by id the row of the newest epoch at other nodes.
        `key` of a view is the id. Raises TransientError, StoreError."""
        # First: who moves meanwhile is found missing, and read again.
        known = await self._views.known()
        nodes = [
            each
            for each in await self._ownership.running_nodes()
            if each.run != self._membership.run
        ]
        asking = asyncio.gather(*map(ask, nodes), return_exceptions=True)
        try:
            answers = await asyncio.wait_for(asking, _LIMIT_S)
        except asyncio.TimeoutError:
            raise TransientError(
                f"the chargers of other nodes were not read within {_LIMIT_S:g} s"
            ) from None
        faults: list[str] = []
        found: dict[str, Row] = {}
        for node, answer in zip(nodes, answers, strict=True):
            if isinstance(answer, ChargePointError):
                faults.append(str(answer))
                continue
            if isinstance(answer, BaseException):
                raise answer
            for row in answer:
                try:
                    name, epoch = row["view"][key], row["epoch"]
                except (KeyError, TypeError):
                    raise TransientError(
                        f"the answer of node {node.node} cannot be read; use one release for all "
                        "nodes"
                    ) from None
                # One that moves just now may be at both.
                if name not in found or found[name]["epoch"] < epoch:
                    found[name] = row
        if faults:
            raise TransientError("; ".join(faults))
        return known, found

    async def _own(self, make: Callable[[str], Any]) -> dict[str, tuple[int, Any]]:
        """Return the chargers here: id to epoch and what `make` returns."""
        epochs, points = self._membership.epochs, self._csms.points

        def own() -> dict[str, tuple[int, Any]]:
            made = {name: (epochs.get(name, 0), make(name)) for name in list(points)}
            return {name: each for name, each in made.items() if each[1] is not None}

        found: dict[str, tuple[int, Any]] = await self._work(own, points)
        return found

    def _view_of(self, name: str) -> ChargerView | None:
        point = self._csms.points.get(name)
        return None if point is None else self._csms.view(point)

    @staticmethod
    async def _work(make: Callable[[], Any], chargers: Mapping[str, Any]) -> Any:
        return await off_loop(make) if len(chargers) > _MANY else make()

    async def _rest(
        self, known: list[str], own: Mapping[str, Any], others: Mapping[str, Any]
    ) -> dict[str, ChargerView]:
        """Return the chargers that no node has listed: those that no running node has, and those
        that moved meanwhile. Raises TransientError where one cannot be read."""
        missing = [name for name in known if name not in own and name not in others]
        found: dict[str, ChargerView] = {}
        for name, view in (await self._views.read(missing)).items():
            if isinstance(view, ChargePointError):
                raise TransientError(f"{name}: {view}")
            found[name] = view
        return found


def _newer(
    rows: Mapping[str, Row], own: dict[str, tuple[int, Any]], make: Callable[[Row], Any]
) -> dict[str, Any]:
    """Return what other nodes have, but for chargers that this one has under a later epoch; those
    that it has under an earlier one go from `own`."""
    found = {}
    for name, row in rows.items():
        if name in own and own[name][0] >= row["epoch"]:
            continue
        own.pop(name, None)
        found[name] = make(row)
    return found


def _failed(error: Exception) -> TransientError:
    return TransientError(f"the chargers of all nodes cannot be read now: {error}")
