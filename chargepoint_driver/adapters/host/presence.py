"""Presence of another agent on the message bus.

An RPC call to an agent that is not there is never answered: the bus drops it without a word. The
bus' list of peers tells. It still names an agent that was killed until a message to it could not
be delivered, so that a look at the list after a message is needed, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
from volttron.client.vip.agent.errors import VIPError
from volttron.utils.jsonrpc import Error, RemoteError

from chargepoint_driver.errors import ChargePointError, TransientError

__all__ = ["Presence"]

_LOOK_LIMIT_S = 0.5
# How long an answer is waited for before the list is looked at again; the last one repeats.
_SLICES_S = (0.25, 0.5, 1.0)
# An agent answers this at once unless it hangs, whatever its accounts do.
_PROBE = "inspect"
_PROBE_LIMIT_S = 5.0


class Presence:
    """Reachability of one other agent, and waiting for its answers."""

    def __init__(self, vip: Any, peer: str) -> None:
        """`vip` is the calling agent's."""
        self._vip = vip
        self._peer = peer

    def is_listed(self) -> bool | None:
        """Return True if the bus lists the agent; None when the bus does not say so in time."""
        try:
            return self._peer in self._vip.peerlist().get(timeout=_LOOK_LIMIT_S)
        except (AttributeError, TypeError, VIPError, gevent.Timeout):
            return None

    def require_listed(self) -> None:
        """Raise TransientError when the agent is not on the bus."""
        if self.is_listed() is False:
            raise TransientError(
                f"the caching agent {self._peer} is not on the message bus; nothing was sent. "
                "Start it, or correct cache_agent"
            )

    def require_response(self) -> None:
        """Raise TransientError when the agent is not on the bus or does not respond. What is sent
        for this changes nothing."""
        self.require_listed()
        try:
            self.answer(
                self._vip.rpc.call(self._peer, _PROBE),
                _PROBE_LIMIT_S,
                lambda why: TransientError(
                    f"{why}; nothing was sent. Look at its log, or restart it"
                ),
            )
        except (Error, RemoteError):
            return  # It answers, in its own words.

    def answer(self, asked: Any, limit_s: float, failed: Callable[[str], ChargePointError]) -> Any:
        """Return the answer to an RPC call within `limit_s`. Raises `failed(why)` when there is
        none in time, or when the agent leaves the bus meanwhile."""
        if asked is None:
            raise TransientError("this agent is not connected to the message bus; nothing was sent")
        for slice_s in _slices(limit_s):
            asked.wait(slice_s)
            if asked.ready():
                return asked.get(timeout=0)
            if self.is_listed() is False:
                raise failed(f"the caching agent {self._peer} has left the message bus")
        raise failed(f"the caching agent {self._peer} did not answer within {limit_s:g} s")


def _slices(limit_s: float) -> Iterator[float]:
    """Parts of a time limit in seconds, the first ones short."""
    left_s = limit_s
    for slice_s in _SLICES_S:
        if left_s > 0:
            yield min(slice_s, left_s)
        left_s -= slice_s
    while left_s > 0:
        yield min(_SLICES_S[-1], left_s)
        left_s -= _SLICES_S[-1]
