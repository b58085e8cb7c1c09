"""Requests about one charger, by name and with fields as JSON has them.

The control API and the calls of Python go through `ChargerAccess`. `LocalChargers` knows those of
this process; a node of a fleet also reaches those of other nodes (`postgres/fleet_chargers.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from chargepoint_driver.backend import Limit
from chargepoint_driver.backends.ocpp.csms.charger_events import Listener
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.plan import read_plan
from chargepoint_driver.backends.ocpp.operations import commands
from chargepoint_driver.backends.ocpp.operations.operations import operate
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.errors import NotFoundError, WriteRejectedError
from chargepoint_driver.process.loop_thread import off_loop

__all__ = ["REQUESTS", "AllChargers", "ChargerAccess", "ChargerRequest", "LocalChargers"]

_CALLS_AT_MOST = 4


@dataclass(frozen=True)
class ChargerRequest:
    """One kind of request. `is_read`: it sends nothing to the charger and changes nothing."""

    run: Callable[[Csms, Charger, Mapping[str, Any]], Awaitable[Any]]
    is_read: bool = False

    def limit_s(self, fields: Mapping[str, Any], call_timeout_s: float) -> float:
        """Return the seconds that the request may take: several calls in a row, the time of its
        own that it asks for, and the time that it follows what it began."""
        own_s = float(fields.get("timeout_s") or 0.0) + float(fields.get("follow_s") or 0.0)
        return 10.0 if self.is_read else _CALLS_AT_MOST * call_timeout_s + own_s + 20.0


class AllChargers(NamedTuple):
    """Chargers as they stand, by id, and the ids of those among them that no running node has."""

    views: list[ChargerView]
    without_node: list[str]


class ChargerAccess(Protocol):
    """Requests about chargers, and their events, on the central system's loop."""

    async def ask(self, station_id: str, name: str, fields: Mapping[str, Any]) -> Any:
        """Carry out one of `REQUESTS` once and return its answer. Raises NotFoundError for a
        charger that never connected, TransientError (not sent), OutcomeUnknownError (no answer),
        and the errors of the request."""

    async def charge_points(self) -> AllChargers:
        """Return the chargers of all nodes. Raises TransientError where one cannot be read now: a
        part of the list never looks like the whole."""

    async def live_status(self) -> list[dict[str, Any]]:
        """Return the latest status (see `events.live_status`) of the chargers of all nodes, by
        id. Raises TransientError as `charge_points` does."""

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Call back for each event, of chargers of this process before it is answered; return how
        to end it. After the event `EventsLost` everything is to be read again. From any thread;
        the callback runs on the loop's and never waits."""


class LocalChargers:
    """See `ChargerAccess`: the chargers of this process."""

    def __init__(self, csms: Csms) -> None:
        self._csms = csms

    async def ask(self, station_id: str, name: str, fields: Mapping[str, Any]) -> Any:
        """See `ChargerAccess`."""
        csms = self._csms
        return await REQUESTS[name].run(csms, csms.point(station_id), fields)

    async def charge_points(self) -> AllChargers:
        """See `ChargerAccess`."""
        csms = self._csms
        return AllChargers([csms.view(point) for _, point in sorted(csms.points.items())], [])

    async def live_status(self) -> list[dict[str, Any]]:
        """See `ChargerAccess`."""
        # Made on a thread: of many chargers it takes its time.
        return await off_loop(self._csms.statuses.documents)

    def listen(self, callback: Listener) -> Callable[[], None]:
        """See `ChargerAccess`."""
        return self._csms.log.listen(callback)


# ---- requests --------------------------------------------------------------------------------


async def _view(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> Any:
    del fields
    return csms.view(point)


async def _live_status(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> Any:
    """Return the latest status (see `events.live_status`)."""
    del fields
    return csms.statuses.document(point.station_id)


async def _forget(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    del fields
    await csms.forget(point)
    return {}


async def _call(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    return await csms.call(point, fields["action"], fields["payload"], fields["timeout_s"])


async def _operate(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    return await operate(csms, point, fields["operation"], fields["arguments"])


async def _cancel_reservation(
    csms: Csms, point: Charger, fields: Mapping[str, Any]
) -> dict[str, Any]:
    return await commands.cancel_reservation(csms, point, fields["reservation"])


async def _start(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Begin a session, and wait for it: `transactionId` is null where it did not begin."""
    connector, before = fields["connector"], set(_running(point))
    arguments = {"connector": connector, "id_tag": fields["id_tag"]}
    answer = await operate(csms, point, "remote_start", arguments)

    def begun() -> list[int]:
        return [
            transaction
            for transaction, place in _running(point).items()
            if transaction not in before and connector in (0, place)
        ]

    await _until(csms, lambda: bool(begun()), fields["follow_s"])
    found = begun()
    return {**answer, "transactionId": found[0] if found else None}


async def _stop(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    """End a session, and wait for its end: `ended` is false where it did not come."""
    connector, named = fields["connector"], fields["transaction"]
    before = _running(point)
    arguments = {"connector": connector, "transaction": named}
    answer = await operate(csms, point, "remote_stop", arguments)
    stopped = [
        transaction
        for transaction, place in before.items()
        if named in (None, transaction) and connector in (0, place)
    ]
    ended = await _until(
        csms, lambda: not any(each in _running(point) for each in stopped), fields["follow_s"]
    )
    return {**answer, "transactionId": stopped[0], "ended": ended}


async def _stop_any(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    """End what runs on a connector, if anything does: `status` is then NotRunning."""
    connector, follow_s = fields["connector"], fields["follow_s"]

    def runs() -> dict[int, int]:
        return {
            transaction: place
            for transaction, place in _running(point).items()
            if connector in (0, place)
        }

    stopped = list(runs())
    for place in runs().values():
        try:
            await commands.remote_stop(csms, point, place)
        except (WriteRejectedError, NotFoundError):
            # It may be ending already, by the stop before this one.
            if not await _until(csms, lambda: not runs(), follow_s):
                raise
    ended = await _until(
        csms, lambda: not any(each in _running(point) for each in stopped), follow_s
    )
    return {
        "status": "Accepted" if stopped else "NotRunning",
        "transactionId": stopped[0] if stopped else None,
        "ended": ended,
    }


async def _shed(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    limit = Limit(fields["allowed_load_kw"], fields["percent_shed"])
    await csms.limiter.shed(point, fields["connector"], limit, fields["minutes"])


async def _contradict(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> bool:
    return await csms.limiter.contradict(point, fields["connector"])


async def _clear(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    await csms.limiter.clear(point, fields["connector"])


async def _remote_start(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    await commands.remote_start(
        csms, point, fields["connector"], fields["id_tag"], fields["start_id"]
    )


async def _remote_stop(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    await commands.remote_stop(csms, point, fields["connector"])


async def _availability(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> str:
    return await commands.availability(csms, point, fields["connector"], fields["operative"])


async def _reset(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    await commands.reset(csms, point, fields["hard"])


async def _unlock(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    await commands.unlock(csms, point, fields["connector"])


async def _put_plan(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> str:
    plan = read_plan(fields["plan"], csms.now())
    return await csms.plans.put(point, fields["connector"], plan)


async def _reserve(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> dict[str, Any]:
    return await commands.reserve(
        csms, point, fields["connector"], fields["id_tag"], fields["expires_s"]
    )


async def _clear_alarms(csms: Csms, point: Charger, fields: Mapping[str, Any]) -> None:
    del fields
    await csms.clear_alarms(point)


def _running(point: Charger) -> dict[int, int]:
    """Transaction to connector, of what runs."""
    return {
        each.transaction.transaction_id: number
        for number, each in sorted(point.connectors.items())
        if each.transaction is not None
    }


async def _until(csms: Csms, is_so: Callable[[], bool], limit_s: float) -> bool:
    """Wait for messages of chargers until something is so, for a limited time."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()

    def wake(_: dict[str, Any]) -> None:
        came.set()

    end = csms.log.listen(wake)
    end_s = loop.time() + limit_s
    try:
        while not is_so() and loop.time() < end_s:
            came.clear()
            try:
                await asyncio.wait_for(came.wait(), end_s - loop.time())
            except asyncio.TimeoutError:
                break
    finally:
        end()
    return is_so()


REQUESTS: dict[str, ChargerRequest] = {
    "view": ChargerRequest(_view, is_read=True),
    "live_status": ChargerRequest(_live_status, is_read=True),
    "forget": ChargerRequest(_forget),
    "call": ChargerRequest(_call),
    "operate": ChargerRequest(_operate),
    "cancel_reservation": ChargerRequest(_cancel_reservation),
    "start": ChargerRequest(_start),
    "stop": ChargerRequest(_stop),
    "stop_any": ChargerRequest(_stop_any),
    "shed": ChargerRequest(_shed),
    "contradict": ChargerRequest(_contradict),
    "clear": ChargerRequest(_clear),
    "remote_start": ChargerRequest(_remote_start),
    "remote_stop": ChargerRequest(_remote_stop),
    "availability": ChargerRequest(_availability),
    "reset": ChargerRequest(_reset),
    "unlock": ChargerRequest(_unlock),
    "put_plan": ChargerRequest(_put_plan),
    "reserve": ChargerRequest(_reserve),
    "clear_alarms": ChargerRequest(_clear_alarms),
}
"""Name to kind of request. Nodes name them to each other: keep the names."""
