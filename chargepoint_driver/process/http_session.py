"""HTTP sessions with one limit for the whole answer, connections kept open, no login and no
redirects. They work with threads and with gevent's greenlets."""

from __future__ import annotations

import functools
import io
import queue
import time
from contextlib import suppress
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

__all__ = ["Deadline", "IdleConnectionPool", "Session"]

# Less than servers usually keep an idle connection (Apache 5 s, many load balancers 60 s).
_IDLE_S = 4.0


class Deadline(io.RawIOBase):
    """Data of a socket, until a deadline. A socket's own timeout starts again with each byte, so
    that an answer that trickles in, headers included, would never run into it."""

    def __init__(self, sock: socket.socket, silence_s: float | None = None) -> None:
        """The socket's timeout is the limit of all. `silence_s` is that of each wait."""
        self._sock = sock
        self._silence_s = silence_s
        self._timeout_s = sock.gettimeout()
        self._ends = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._ends is not None:
            left_s = self._ends - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the answer is not complete in time")
            silence_s = left_s if self._silence_s is None else self._silence_s
            self._sock.settimeout(min(left_s, silence_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            with suppress(OSError):  # the socket is closed already
                self._sock.settimeout(self._timeout_s)  # for the next request on it
        super().close()


class _Response(HTTPResponse):
    def __init__(self, silence_s: float | None, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(Deadline(sock, silence_s))


class IdleConnectionPool(queue.LifoQueue[Any]):
    """Idle connections, newest first. The queue that urllib3 takes otherwise tries its own
    lock twice with each use; under gevent each try gives the turn away, and in rare cases it
    was never given back. Nobody ever waits here: see `pool_block` of requests.

    One that was idle for long is made again: a server that closes it after a minute would do so
    just when the next poll is sent."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        del block, timeout
        try:
            connection, since_s = self.queue.pop()
        except IndexError:
            raise queue.Empty from None
        if connection is not None and time.monotonic() - since_s > _IDLE_S:
            connection.close()  # urllib3 connects it again
        return connection

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        del block, timeout
        if len(self.queue) >= self.maxsize:
            raise queue.Full
        self.queue.append((item, time.monotonic()))

    def qsize(self) -> int:
        return len(self.queue)


@functools.cache
def _pools(silence_s: float | None) -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools of connections by scheme."""
    response = functools.partial(_Response, silence_s)
    http = type("_Http", (HTTPConnection,), {"response_class": response})
    https = type("_Https", (HTTPSConnection,), {"response_class": response})
    queues = {"QueueCls": IdleConnectionPool}
    return {
        "http": type("_HttpPool", (HTTPConnectionPool,), {"ConnectionCls": http, **queues}),
        "https": type("_HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": https, **queues}),
    }


class _NoLogin(AuthBase):
    """No HTTP login. The request holds the account's; without this the library would add the one
    that ~/.netrc or $NETRC names for the host. Proxies of the environment stay in use."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


class Session(requests.Session):
    """A session to which an answer that points elsewhere is an answer like any other: it does
    not even read where to."""

    def __init__(self, silence_s: float | None = None) -> None:
        """`silence_s`: the limit of each wait for more of an answer; None: only that of all."""
        super().__init__()
        self.auth = _NoLogin()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(silence_s))

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


class _Adapter(HTTPAdapter):
    """Connections, direct or through a proxy, whose read timeout is for the whole answer."""

    def __init__(self, silence_s: float | None) -> None:
        self._pools = _pools(silence_s)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
