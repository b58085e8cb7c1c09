"""Metrics of a VOLTTRON process for Prometheus: a small HTTP listener on the process's own hub.

It runs as greenlets, since the locks of the services are greenlets' locks in this process. All
accounts of the process show at its one port.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from chargepoint_driver.config.common import metrics_address
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.metrics import CONTENT_TYPE, Exposition, of_service
from chargepoint_driver.process.loop_delay import LoopDelay
from chargepoint_driver.service import Service
from chargepoint_driver.text import get_logger

__all__ = ["DRIVER", "DriverMetrics", "MetricsListener"]

_log = get_logger(__name__)

PATH = "/metrics"
_MAX_CONNECTIONS = 16
_CONNECTION_S = 10.0
_EVERY_S = 0.5

Services = Callable[[], Iterable[tuple[str, Service]]]


def _pause() -> None:
    gevent.sleep(0)


class _Server(WSGIServer):  # type: ignore[misc]  # gevent has no types
    """Ends a connection that lasts longer than a scrape does."""

    def handle(self, client_socket: Any, address: Any) -> None:
        """Serve one connection within the time limit."""
        with gevent.Timeout(_CONNECTION_S, False):
            super().handle(client_socket, address)


class MetricsListener:
    """The listener of this process. `services` gives the accounts with their names."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._given: int | str | None = None
        self._server: _Server | None = None
        self._delay = LoopDelay()
        self._sampler: gevent.Greenlet | None = None
        self.port: int | None = None

    def configure(self, given: int | str | None) -> None:
        """Listen at a `metrics_port`, or no more with None. What does not work is logged: the
        process goes on without metrics."""
        if given == self._given:
            return
        self.stop()
        self._given = given
        try:
            address = metrics_address(given)
            if address is None:
                return
            exposition = Exposition(
                lambda: [of_service(name, service, _pause) for name, service in self._services()],
                {"hub": lambda: self._delay},
            )
            self._server = _Server(
                _socket_at(address),
                _application(exposition),
                spawn=Pool(_MAX_CONNECTIONS),
                log=None,
                error_log=None,
            )
            self._server.start()
        except (ConfigurationError, ValueError) as error:
            _log.error("metrics_port: %s; this process goes on without metrics", error)
            return
        except OSError as error:
            _log.error(
                "metrics_port: %s cannot be used (%s); choose another port. This process goes on "
                "without metrics",
                given,
                os.strerror(error.errno or 0),
            )
            return
        self.port = self._server.server_port
        self._sampler = gevent.spawn(self._sample)
        _log.info("metrics at %s:%d%s", address[0], self.port, PATH)

    def stop(self) -> None:
        """Listen no more. Safe to call more than once."""
        server, self._server, self._given, self.port = self._server, None, None, None
        if self._sampler is not None:
            self._sampler.kill(block=False)
            self._sampler = None
        if server is not None:
            server.stop(timeout=1)

    def _sample(self) -> None:
        while True:
            due_s = time.monotonic() + _EVERY_S
            gevent.sleep(_EVERY_S)
            self._delay.add(time.monotonic() - due_s)


class DriverMetrics:
    """The metrics of the platform driver's process: each of its accounts joins."""

    def __init__(self) -> None:
        self._joined: dict[str, Service] = {}
        self.listener = MetricsListener(lambda: list(self._joined.items()))

    def join(self, name: str, service: Service, port: int | str | None) -> None:
        """Show an account; of two with one name the second gets a number. `port`: the
        `metrics_port` of its device, None for none. The first one that is given counts."""
        unique, number = name, 1
        while unique in self._joined:
            number += 1
            unique = f"{name} ({number})"
        self._joined[unique] = service
        if port is not None and self.listener.port is None:
            self.listener.configure(port)

    def leave(self, service: Service) -> None:
        """Show an account no more; with the last one the listener ends."""
        self._joined = {name: each for name, each in self._joined.items() if each is not service}
        if not self._joined:
            self.listener.stop()


DRIVER = DriverMetrics()
"""Of this process."""


def _socket_at(address: tuple[str, int]) -> Any:
    """Return a socket that listens. Raises OSError, and then none is left open."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_MAX_CONNECTIONS)
    except BaseException:
        made.close()
        raise
    return made


def _application(exposition: Exposition) -> Callable[..., list[bytes]]:
    """Return the WSGI application."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] != PATH:
            status, kind, body = "404 Not Found", "text/plain", b"only /metrics is here\n"
        elif environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            status, kind, body = "405 Method Not Allowed", "text/plain", b"only GET\n"
        else:
            status, kind, body = "200 OK", CONTENT_TYPE, exposition.text()
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer
