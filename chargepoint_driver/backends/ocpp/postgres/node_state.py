"""State of nodes, as each reports its own over NATS."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.postgres.ownership import RunningNode, node_subject
from chargepoint_driver.errors import ChargePointError, InvalidReplyError
from chargepoint_driver.messaging.interface import Messaging

__all__ = ["ask_states", "state_of", "state_subject"]

_LIMIT_S = 3.0


def state_subject(fleet: str, run: int) -> str:
    """Return the subject at which a node reports its state."""
    return f"{node_subject(fleet, run)}.state"


def state_of(csms: Csms) -> dict[str, Any]:
    """Return {connected, counters, sinks} of this node: chargers with a socket, what was out of
    order by name, and the state of each of its sinks."""
    return {
        "connected": sum(point.connected for point in csms.points.values()),
        "counters": csms.all_counters(),
        "sinks": [asdict(each) for each in csms.sinks()],
    }


async def ask_states(
    messaging: Messaging, fleet: str, nodes: Sequence[RunningNode]
) -> dict[str, dict[str, Any] | ChargePointError]:
    """Ask nodes at the same time. Returns node to what `state_of` returns there, or to why it does
    not answer."""

    async def ask(node: RunningNode) -> dict[str, Any] | ChargePointError:
        try:
            state = await messaging.request(state_subject(fleet, node.run), {}, _LIMIT_S)
        except ChargePointError as error:
            return error
        if not {"connected", "counters", "sinks"} <= state.keys():
            return InvalidReplyError("its answer cannot be read; use one release for all nodes")
        return state

    answers = await asyncio.gather(*map(ask, nodes))
    return {node.node: answer for node, answer in zip(nodes, answers, strict=True)}
