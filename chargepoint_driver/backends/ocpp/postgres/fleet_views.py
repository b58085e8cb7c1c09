"""Chargers of all nodes as they stand: each is read where it is.

A node remembers which node has a charger, and the answer shows whether that is still so. So a read
asks PostgreSQL only for chargers that moved, or that no node has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.ownership import Owner, Ownership, RunningNode
from chargepoint_driver.backends.ocpp.postgres.stored_chargers import StoredChargers
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.errors import ChargePointError, NotFoundError, StoreError, TransientError
from chargepoint_driver.process.loop_thread import off_loop

__all__ = ["FleetViews"]

# Views of more chargers than this are made on a thread.
_FEW = 20

Row = dict[str, Any]
"""{"epoch", "view"} of a charger, as a node answers."""
Ask = Callable[[RunningNode, "Sequence[str] | None"], Awaitable[list[Row]]]
"""Returns the rows of a node's chargers: of these, or of all. Raises TransientError."""


class FleetViews:
    """See the module. On the central system's loop."""

    def __init__(
        self,
        csms: Csms,
        membership: Membership,
        ownership: Ownership,
        stored: StoredChargers,
        ask: Ask | None,
    ) -> None:
        """`ask` is None where nodes cannot reach each other."""
        self._csms = csms
        self._membership = membership
        self._ownership = ownership
        self._stored = stored
        self._ask = ask
        self._owners: dict[str, Owner] = {}

    async def known(self) -> list[str]:
        """Return the ids of the chargers of all nodes. Raises TransientError."""
        try:
            stored = await self._ownership.known()
        except StoreError as error:
            raise TransientError(f"the chargers of all nodes: {error}") from None
        # One that has just connected may not be written yet.
        return sorted({*stored, *self._csms.points})

    async def read(self, station_ids: Iterable[str]) -> dict[str, ChargerView | ChargePointError]:
        """Return charger to its view now, or to why it cannot be read now; those that never
        connected are missing."""
        found: dict[str, ChargerView | ChargePointError] = {}
        others = []
        points = self._csms.points
        for name in dict.fromkeys(station_ids):
            if name in points:
                found[name] = self._csms.view(points[name])
            else:
                others.append(name)
        if not others:
            return found
        remembered = {name: self._owners[name] for name in others if name in self._owners}
        answers = await self._read_owned(remembered)
        # Whatever failed is looked up: the charger may be elsewhere by now.
        found.update(
            {name: it for name, it in answers.items() if not isinstance(it, ChargePointError)}
        )
        found.update(await self._look_up([name for name in others if name not in found]))
        return found

    async def _look_up(self, names: list[str]) -> dict[str, ChargerView | ChargePointError]:
        """Read chargers where PostgreSQL names their nodes."""
        if not names:
            return {}
        try:
            owners = await self._ownership.owners_of(names)
        except StoreError as error:
            return dict.fromkeys(names, TransientError(f"which node has it is not known: {error}"))
        running = {name: owner for name, owner in owners.items() if owner.is_running}
        self._owners.update(running)
        found = await self._read_owned(running)
        # No running node has it, or its node has forgotten it, or does not know it yet.
        without = [name for name in names if name not in found]
        for name in without:
            self._owners.pop(name, None)
        if without:
            found.update(await self._read_stored(without))
        return found

    async def _read_owned(
        self, owners: dict[str, Owner]
    ) -> dict[str, ChargerView | ChargePointError]:
        """Ask the nodes at the same time. Those that their nodes do not know are missing."""
        by_node: dict[RunningNode, list[str]] = {}
        for name, owner in owners.items():
            by_node.setdefault(RunningNode(owner.node, owner.run), []).append(name)
        found: dict[str, ChargerView | ChargePointError] = {}
        nodes = list(by_node)
        answers = await asyncio.gather(
            *(self._ask_node(node, by_node[node]) for node in nodes), return_exceptions=True
        )
        for node, answer in zip(nodes, answers, strict=True):
            names = by_node[node]
            if isinstance(answer, ChargePointError):
                found.update(dict.fromkeys(names, answer))
                continue
            if isinstance(answer, BaseException):
                raise answer
            for name in names:
                if name in answer:
                    epoch, view = answer[name]
                    found[name] = view if epoch == owners[name].epoch else _moved()
        return found

    async def _ask_node(
        self, node: RunningNode, names: Sequence[str]
    ) -> dict[str, tuple[int, ChargerView]]:
        """Return charger to its epoch and its view there."""
        if node.run == self._membership.run:
            # Claimed here, and not connected yet.
            return {}
        if self._ask is None:
            raise TransientError(
                f"node {node.node} has it, and this node cannot reach it; add nats to both configs"
            )
        rows = await self._ask(node, names)
        try:
            return {row["view"]["id"]: (row["epoch"], view_in(row)) for row in rows}
        except (msgspec.ValidationError, KeyError, TypeError) as error:
            raise TransientError(
                f"the answer of node {node.node} cannot be read ({error}); use one release for all "
                "nodes"
            ) from None

    async def _read_stored(self, names: list[str]) -> dict[str, ChargerView | ChargePointError]:
        """Return chargers that no running node has. Those without a row are missing."""
        try:
            chargers = await self._stored.read(names, self._csms.now())
        except StoreError as error:
            return dict.fromkeys(names, TransientError(f"no running node has it, and {error}"))

        def views() -> dict[str, ChargerView | ChargePointError]:
            return {name: self._csms.view(charger) for name, charger in chargers.items()}

        return await off_loop(views) if len(chargers) > _FEW else views()

    async def stored(self, station_id: str) -> ChargerView:
        """Return a charger that no running node has. Raises NotFoundError, TransientError."""
        return _found(station_id, await self._read_stored([station_id]))

    async def one(self, station_id: str) -> ChargerView:
        """Return a charger as it stands. Raises NotFoundError, TransientError."""
        return _found(station_id, await self.read([station_id]))


def _found(station_id: str, views: Mapping[str, ChargerView | ChargePointError]) -> ChargerView:
    found = views.get(station_id)
    if found is None:
        raise NotFoundError(f"charger {station_id[:128]!r} has never connected")
    if isinstance(found, ChargePointError):
        raise TransientError(f"{station_id}: {found}")
    return found


def _moved() -> TransientError:
    return TransientError("it connects to another node just now; read it again")


def view_in(row: Row) -> ChargerView:
    """Return the view in a row of a node. Raises msgspec.ValidationError."""
    return msgspec.convert(row["view"], ChargerView, str_keys=True)
