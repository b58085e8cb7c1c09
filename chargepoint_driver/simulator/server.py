"""HTTP/1.1 on threads: paths, sizes, broken connections, and an orderly end."""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from chargepoint_driver.process import descriptors
from chargepoint_driver.text import get_logger

from .control import Control
from .soap.dispatch import Answer, Cut, Service

log = get_logger(__name__)

SOAP_PATH = "/webservices/chargepoint/services/"
VERSIONS = ("5.0", "5.1")

MAX_REQUEST_BYTES = 1_000_000
IDLE_CONNECTION_S = 60
# At the same time; the one that has waited longest for a request makes room.
MAX_CONNECTIONS = 512

_RESET = struct.pack("ii", 1, 0)


class Server(ThreadingHTTPServer):
    """Serves a service and its control on 127.0.0.1 from `start` to `stop`."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, port: int, service: Service, control: Control) -> None:
        """Bind the port (0: any free one). OSError when it is taken."""
        self.service = service
        self.control = control
        # A connection to the time since when it waits for a request; None while one is served.
        self._connections: dict[socket.socket, float | None] = {}
        self._connections_lock = Lock()
        self._closing = False
        self._thread = Thread(target=self.serve_forever, args=(0.05,), name="simulator")
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`"""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, close every connection and wait for all threads."""
        self.shutdown()
        self._thread.join()
        with self._connections_lock:
            self._closing = True
            for connection in self._connections:
                _hang_up(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can end one that is kept alive."""
        with self._connections_lock:
            if self._closing or not self._has_room():
                _hang_up(request)
            self._connections[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Called by `serve_forever` again and again: end requests that are never sent whole."""
        late_s = time.monotonic() - IDLE_CONNECTION_S
        with self._connections_lock:
            for connection, since_s in self._connections.items():
                if since_s is not None and since_s < late_s:
                    _hang_up(connection)

    def waits(self, connection: socket.socket, since_s: float | None) -> None:
        """A connection waits for its next request since then; None: its request is served."""
        with self._connections_lock:
            if connection in self._connections:
                self._connections[connection] = since_s

    def _has_room(self) -> bool:
        if len(self._connections) < MAX_CONNECTIONS and self.fileno() < descriptors.max_accepted():
            return True
        waiting = {
            one: since_s for one, since_s in self._connections.items() if since_s is not None
        }
        if not waiting:
            return False
        oldest = min(waiting, key=lambda one: waiting[one])
        self._connections[oldest] = None
        _hang_up(oldest)
        return True

    def shutdown_request(self, request: Any) -> None:
        """Close a connection for good."""
        with self._connections_lock:
            self._connections.pop(request, None)
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET)) == _RESET:
            self.close_request(request)  # an orderly shutdown would not be a reset
        else:
            super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Log an error, unless a client only went away."""
        error = sys.exc_info()[1]
        if self._closing and isinstance(error, OSError):
            return  # `stop` has hung up on it
        if not isinstance(error, (ConnectionError, TimeoutError)):
            log.error("request failed", exc_info=error)


class Handler(BaseHTTPRequestHandler):
    """Reads one request after another from a connection."""

    protocol_version = "HTTP/1.1"
    server_version = "ChargePointSimulator"
    sys_version = ""
    timeout = IDLE_CONNECTION_S
    # Headers and body leave in one packet: no waiting for acknowledgements.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Control only."""
        self._serve("GET")

    def do_POST(self) -> None:
        """Serve the service, or control."""
        self._serve("POST")

    def do_DELETE(self) -> None:
        """Control only."""
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        path = self.path.partition("?")[0]
        body = self._read_body()
        if body is None:
            return
        self.server.waits(self.connection, None)
        version = path[len(SOAP_PATH) :] if path.startswith(SOAP_PATH) else ""
        if version not in VERSIONS:
            status, content = self.server.control.answer(method, path, body)
            self._send_json(status, content)
        elif method != "POST":
            self._send_json(405, {"error": "SOAP requests are POSTed"})
        else:
            # Landed before it is sent: who has a reply in hand finds none in flight.
            with self.server.service.calls.counted():
                answer = self.server.service.answer(body, version)
            self._send(answer)
        self.server.waits(self.connection, time.monotonic())

    def _read_body(self) -> bytes | None:
        """Return the body, or None when it was refused (and the refusal sent)."""
        if self.headers.get("Transfer-Encoding"):
            self._refuse_body(411, "a Content-Length is needed")
            return None
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit()):
            self._refuse_body(400, "Content-Length is not a number")
            return None
        if len(text) > len(str(MAX_REQUEST_BYTES)) or int(text) > MAX_REQUEST_BYTES:
            self._refuse_body(413, f"at most {MAX_REQUEST_BYTES} bytes")
            return None
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            self.close_connection = True
            return None
        return body

    def _refuse_body(self, status: int, text: str) -> None:
        # The unread body would be taken for the next request.
        self.close_connection = True
        self._send_json(status, {"error": text})

    def _send_json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self._send(Answer(status, body, "application/json"))

    def _send(self, answer: Answer) -> None:
        if answer.cut is not Cut.NOWHERE:
            self.close_connection = True
        if answer.cut is Cut.BEFORE_REPLY:
            return
        self.send_response(answer.http_status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        end = len(answer.body) if answer.cut is Cut.NOWHERE else len(answer.body) // 2
        self.wfile.write(answer.body[:end])
        self.wfile.flush()
        if answer.cut is Cut.RESET:
            # Nothing lingers: closing it resets it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base has it
        """Requests are of interest only when debugging."""
        log.debug(format, *args)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("connection was closed already")
