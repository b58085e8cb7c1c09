"""What an operator may want of a charge point, in whichever protocol version it speaks."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.csms import Csms
from chargepoint_driver.backends.ocpp.model.charger import ChargePoint
from chargepoint_driver.backends.ocpp.protocol.requests import Ask, status_of
from chargepoint_driver.errors import NothingThere, WriteRejected

__all__ = ["availability", "remote_start", "remote_stop", "reset", "unlock"]

_DONE = {"Accepted", "Scheduled", "Unlocked"}


async def remote_start(
    csms: Csms, point: ChargePoint, connector_id: int | None, id_tag: str, start_id: int
) -> None:
    """Begin a transaction."""
    out = csms.outbound(point)
    await _accepted(csms, point, out.remote_start(connector_id, id_tag, start_id))


async def remote_stop(csms: Csms, point: ChargePoint, connector_id: int | None) -> None:
    """End the transaction of a connector; None: the only one that runs."""
    running = [
        each.transaction
        for number, each in point.connectors.items()
        if each.transaction is not None and connector_id in (None, number)
    ]
    if len(running) != 1:
        where = "" if connector_id is None else f" connector {connector_id}"
        many = "no transaction runs" if not running else "several run; name the connector"
        raise NothingThere(f"{point.station_id}{where}: {many}")
    found, out = running[0], csms.outbound(point)
    try:
        await _accepted(csms, point, out.remote_stop(found.wire_id))
    except WriteRejected:
        if found.alias is None:
            raise
        await _accepted(csms, point, out.remote_stop(found.alias))


async def availability(csms: Csms, point: ChargePoint, connector_id: int, operative: bool) -> str:
    """In or out of service. Where 0 is refused, each connector is asked."""
    out = csms.outbound(point)
    try:
        return await _accepted(csms, point, out.availability(connector_id, operative))
    except WriteRejected:
        each = [number for number in point.connectors if number]
        if connector_id or not each:
            raise
    said = [await _accepted(csms, point, out.availability(number, operative)) for number in each]
    return "Scheduled" if "Scheduled" in said else "Accepted"


async def reset(csms: Csms, point: ChargePoint, hard: bool) -> None:
    """Restart."""
    await _accepted(csms, point, csms.outbound(point).reset(hard))


async def unlock(csms: Csms, point: ChargePoint, connector_id: int) -> None:
    """Release the plug."""
    await _accepted(csms, point, csms.outbound(point).unlock(connector_id))


async def _accepted(csms: Csms, point: ChargePoint, ask: Ask) -> str:
    answer: dict[str, Any] = await csms.ask(point, ask)
    status = status_of(answer, ask[0], point.station_id)
    if status not in _DONE:
        raise WriteRejected(
            f"{point.station_id}: the charge point answered {status} to {ask[0]}",
            service_code=status,
        )
    return status
