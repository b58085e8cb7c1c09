"""Start of the platform's forward historian, so that it gets over an outage of the other platform:
`python -m chargepoint_driver.examples.historians.forwarder`.

volttron-forward-historian 2.0.0rc0 on volttron-core 2.0.0rc38 hangs for good when the other
platform is away for about ten seconds. The platform ends a connection after 50 attempts to connect
again, and waits without a limit until its goodbye is sent. Here a connection tries to connect again
without end, and each wait has a limit. The config is that of the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent
from historian.forwarder import forwarder
from volttron.client.vip.agent import Agent

__all__ = ["main"]

_PING_S = 10.0
_SUBSCRIBE_S = 10.0
_NEVER = -(1 << 60)


class _Connection:
    """Makes the agent with which the forwarder connects, and keeps it."""

    def __init__(self) -> None:
        self.agent: Any = None

    def __call__(self, **settings: Any) -> Any:
        self.agent = agent = Agent(**settings)
        # The attempt after which the platform ends the connection.
        agent.core._reconnect_attempt = _NEVER
        ping = agent.vip.ping
        agent.vip.ping = lambda peer: _Ping(lambda: ping(peer).get())
        return agent

    def is_ready(self, agents: Iterable[str]) -> bool:
        """Return True if the other platform answers, and these agents of it."""
        self._forget_half_sent()
        try:
            for identity in ("", *agents):
                self.agent.vip.ping(identity).get()
        except Exception:  # noqa: BLE001 - whatever it is, the connection cannot be used now
            return False
        return True

    def _forget_half_sent(self) -> None:
        """A send whose wait was ended counts as half done in the platform's socket, which then
        refuses all others. Nothing of it has left."""
        socket = self.agent.core.connection._socket
        lock = socket._Socket__send_lock
        if lock.acquire(blocking=False):  # else somebody sends
            try:
                socket._send_state = 0
            finally:
                lock.release()


class _Ping:
    """A ping with a limit, for the sending too: it waits while the connection is lost."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask

    def get(self) -> Any:
        """Return the answer. Raises TimeoutError: for the forwarder the connection is lost."""
        with gevent.Timeout(_PING_S, False):
            return self._ask()
        raise TimeoutError(f"no answer to a ping within {_PING_S:g} s")


_connection = _Connection()
_original_setup = forwarder.ForwardHistorian.historian_setup


def _set_up(self: Any) -> None:
    """Connect, or use the connection again that was given up."""
    if _connection.agent is None:
        _original_setup(self)
    elif _connection.is_ready(self.required_target_agents):
        # A historian that has just started answers before it subscribes to anything.
        gevent.sleep(_SUBSCRIBE_S)
        self._target_platform = _connection.agent


def _tear_down(self: Any) -> None:
    """Do not use the connection now. It goes on to connect."""
    self._target_platform = None


def main() -> None:
    """Run the agent as the platform starts agents."""
    forwarder.Agent = _connection
    # Its own methods name the class, so that a class of ours cannot stand in its place.
    forwarder.ForwardHistorian.historian_setup = _set_up
    forwarder.ForwardHistorian.historian_teardown = _tear_down
    forwarder.main()


if __name__ == "__main__":
    main()
