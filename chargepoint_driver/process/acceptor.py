"""Accepting connections within limits, counted from accept on.

One for all listeners of an event loop: the page, the control API, OCPP and the simulator. It
needs no login or handshake to count a connection, and a TLS handshake is part of the limits.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext, SSLError
from typing import TYPE_CHECKING, Any

from chargepoint_driver.process import descriptors
from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["Acceptor", "ConnectionLimits"]

# One loop turn accepts at most this many, so that handshakes go on meanwhile.
_MAX_IN_TURN = 64
# The system takes its own limit where that is lower (Linux: net.core.somaxconn).
_MAX_BACKLOG = 65_535
# A connection before login stays for this long at least, where the limit allows no further one: a
# busy server makes chargers that come back together wait, and they are not to be ended for it.
_GRACE_S = 2.0
_PAUSE_S = 0.05
# After an error of accept itself.
_ERROR_PAUSE_S = 1.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one listener.

    `max_connections`: after login or handshake. `max_unauthenticated`: before it.
    `max_per_address`: both together from one address; loopback is not limited by it, since a
    proxy may be there. `open_timeout_s`: from accept to login or handshake.
    """

    max_connections: int
    max_unauthenticated: int
    max_per_address: int
    open_timeout_s: float


def _plain_socket() -> Any:
    """Return the class of sockets, also where gevent has replaced it: an event loop waits for
    them."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        return monkey.get_original("socket", "socket")
    return socket.socket


if TYPE_CHECKING:
    _Plain = socket.socket
else:
    _Plain = _plain_socket()


class _Connection(_Plain):
    """An accepted socket. The acceptor counts it until its descriptor is free again."""

    def __init__(self, accepted: socket.socket, address: str, now_s: float) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.address = address
        self.accepted_s = now_s
        self.is_authenticated = False
        self.protocol: asyncio.BaseProtocol | None = None
        self.forget: Callable[[_Connection], None] | None = None

    def close(self) -> None:
        """Close the socket; an asyncio transport calls this at its end."""
        super().close()
        self._forget_once()

    def detach(self) -> int:
        """Return what uvloop calls instead, which closes the descriptor then."""
        descriptor = super().detach()
        self._forget_once()
        return descriptor

    def _forget_once(self) -> None:
        forget, self.forget = self.forget, None
        if forget is not None:
            forget(self)

    def hang_up(self, *, reset: bool = True) -> None:
        """End it at once, whatever it does at present; its event loop sees the end.

        `reset` leaves nothing of it to the system.
        """
        if reset:
            with suppress(OSError):
                self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Acceptor:
    """Accepts on one socket from `start` to `close`. Belongs to the running loop.

    Where the limit before login is reached, the oldest connection of the address that has the
    most of them makes room. Somebody who opens connections and sends nothing pushes out his own.
    """

    def __init__(
        self,
        address: tuple[str, int],
        make_protocol: Callable[[], asyncio.BaseProtocol],
        limits: ConnectionLimits,
        log: RateLimitedLog,
        tls: SSLContext | None = None,
    ) -> None:
        """Binds the address; port 0 takes any free one. Raises OSError."""
        self.limits = limits
        self._make_protocol = make_protocol
        self._log = log
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._unauthenticated: dict[_Connection, None] = {}
        self._authenticated: dict[_Connection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._by_protocol: dict[asyncio.BaseProtocol, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._is_open = False
        host, port = address
        self._sock = _Plain(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.bind((host, port))
            self._sock.listen(_MAX_BACKLOG)
            self._sock.setblocking(False)
        except OSError:
            self._sock.close()
            raise
        self.port: int = self._sock.getsockname()[1]

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Accept from now on."""
        self._is_open = True
        self._resume()

    def close(self) -> None:
        """Accept no more, and end what has not logged in. Safe to call more than once."""
        if self._is_open:
            self._pause(None)
        self._is_open = False
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._sock.close()
        for connection in list(self._unauthenticated):
            connection.hang_up()

    async def wait_closed(self) -> None:
        """Wait for handshakes that `close` has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_open(self) -> bool:
        """Return True if it accepts."""
        return self._is_open

    def counts(self) -> dict[str, int]:
        """Connections now: `authenticated` and `unauthenticated`."""
        return {
            "authenticated": len(self._authenticated),
            "unauthenticated": len(self._unauthenticated),
        }

    @property
    def is_full(self) -> bool:
        """Return True if no further connection may log in."""
        return len(self._authenticated) >= self.limits.max_connections

    def authenticate(self, protocol: Any) -> bool:
        """The connection of this protocol has logged in, or is through its handshake; False
        where there are as many as allowed. Of a connection already logged in, or of another
        listener: True."""
        connection = self._by_protocol.get(protocol)
        if connection is None or connection.is_authenticated:
            return True
        if self.is_full:
            self._log.warning(
                "too_many_connections",
                address=connection.address,
                reason=f"{len(self._authenticated)} are open, as many as allowed",
            )
            return False
        connection.is_authenticated = True
        del self._unauthenticated[connection]
        self._authenticated[connection] = None
        return True

    # ---- accepting -----------------------------------------------------------------------

    def _resume(self) -> None:
        self._timer = None
        if self._is_open:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _pause(self, seconds: float | None) -> None:
        """Leave further connections in the backlog, for so long; None: until the end."""
        self._loop.remove_reader(self._sock.fileno())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        for _ in range(_MAX_IN_TURN):
            if len(self._unauthenticated) >= self.limits.max_unauthenticated:
                self._make_room()
                self._pause(_PAUSE_S)
                return
            try:
                accepted, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._log.error(
                    "accept_errors", reason=f"accept failed: {error.strerror}; see ulimit -n"
                )
                self._make_room()
                self._pause(_ERROR_PAUSE_S)
                return
            connection = _Connection(accepted, str(address[0]), self._loop.time())
            if not self._admit(connection):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.close()

    def _admit(self, connection: _Connection) -> bool:
        address = connection.address
        if connection.fileno() >= descriptors.max_accepted():
            self._log.warning(
                "no_descriptors",
                address=address,
                reason="the rest of the open files is reserved; raise the limit (ulimit -n)",
            )
            self._make_room()
            return False
        if (
            self._addresses[address] >= self.limits.max_per_address
            and not ipaddress.ip_address(address.partition("%")[0]).is_loopback
        ):
            self._log.warning(
                "too_many_per_address",
                address=address,
                reason=f"{self.limits.max_per_address} connections are open from there",
            )
            return False
        connection.setblocking(False)
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.forget = self._forget
        self._addresses[address] += 1
        self._unauthenticated[connection] = None
        task = self._loop.create_task(self._open(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self.limits.open_timeout_s, self._end_late)
        return True

    async def _open(self, connection: _Connection) -> None:
        def make() -> asyncio.BaseProtocol:
            protocol = self._make_protocol()
            connection.protocol = protocol
            self._by_protocol[protocol] = connection
            return protocol

        timeout_s = self.limits.open_timeout_s
        try:
            await self._loop.connect_accepted_socket(
                make,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else timeout_s,
            )
        except (OSError, SSLError) as error:
            connection.close()
            self._log.warning(
                "failed_tls_handshakes" if self._tls else "failed_connections",
                address=connection.address,
                reason=type(error).__name__,
            )

    # ---- making room ---------------------------------------------------------------------

    def _make_room(self) -> None:
        """End the oldest connection before login of the address that has the most of them."""
        if not self._unauthenticated:
            return
        numbers = Counter(each.address for each in self._unauthenticated)
        most, number = numbers.most_common(1)[0]
        oldest = next(each for each in self._unauthenticated if each.address == most)
        if self._loop.time() - oldest.accepted_s < _GRACE_S:
            return
        # All that have had their time, not one of them: the backlog is waiting.
        for each in [one for one in self._unauthenticated if one.address == most]:
            if self._loop.time() - each.accepted_s >= _GRACE_S:
                each.hang_up()
        self._log.warning(
            "pushed_out",
            address=most,
            reason=f"{number} connections from there have sent nothing that lets them in",
        )

    def _end_late(self) -> None:
        """End the connections that have not logged in in time."""
        self._sweep = None
        timeout_s, now_s = self.limits.open_timeout_s, self._loop.time()
        for connection in list(self._unauthenticated):
            left_s = connection.accepted_s + timeout_s - now_s
            if left_s > 0:
                self._sweep = self._loop.call_later(left_s, self._end_late)
                return
            connection.hang_up(reset=False)
            self._log.warning(
                "late_connections",
                address=connection.address,
                reason=f"not let in within {timeout_s:g} s",
            )

    def _forget(self, connection: _Connection) -> None:
        self._unauthenticated.pop(connection, None)
        self._authenticated.pop(connection, None)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
        if connection.protocol is not None:
            self._by_protocol.pop(connection.protocol, None)
            connection.protocol = None
