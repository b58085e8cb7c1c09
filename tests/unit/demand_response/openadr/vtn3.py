"""A small OpenADR 3 VTN: token, programs, events with pages, reports. Not the client's code."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = "secret-of-the-stub"


class StubVtn:
    """Serves until closed. `status` answers every call with that instead."""

    def __init__(self, context: Any = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.programs = [self._made({"programName": "peaks"}, "PROGRAM", "p1")]
        self.reports: list[dict[str, Any]] = []
        self.status: int | None = None
        self.tokens = itertools.count(1)
        self.token: str | None = None
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stub._answer(self)

            def do_POST(self) -> None:
                stub._answer(self)

            def log_message(self, *words: Any) -> None:
                del words

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if context is not None:
            scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/openadr3/3.0.1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @staticmethod
    def _made(fields: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
        now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
        return {
            "id": name,
            "createdDateTime": now,
            "modificationDateTime": now,
            "objectType": kind,
            **fields,
        }

    def event(self, name: str, kind: str, *values: float, **fields: Any) -> dict[str, Any]:
        """Add an event, or replace the one of that id."""
        start = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
        made = {
            "programID": "p1",
            "eventName": name,
            "intervalPeriod": {"start": start.replace("+00:00", "Z"), "duration": "PT10M"},
            "intervals": [
                {"id": index, "payloads": [{"type": kind, "values": [value]}]}
                for index, value in enumerate(values)
            ],
            **fields,
        }
        event = self._made(made, "EVENT", name)
        with self.lock:
            self.events = [each for each in self.events if each["id"] != name] + [event]
        return event

    def delete(self, name: str) -> None:
        with self.lock:
            self.events = [each for each in self.events if each["id"] != name]

    def _answer(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        parts = urlsplit(call.path)
        path = parts.path.removeprefix("/openadr3/3.0.1")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.lock:
            code, answer = self._route(call, path, query, body)
        sent = json.dumps(answer).encode()
        call.send_response(code)
        call.send_header("Content-Type", "application/json")
        call.send_header("Content-Length", str(len(sent)))
        call.end_headers()
        call.wfile.write(sent)

    def _route(  # noqa: PLR0911 - one for each answer
        self, call: BaseHTTPRequestHandler, path: str, query: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if self.status is not None:
            return self.status, {"status": self.status, "title": "the stub refuses"}
        if (call.command, path) == ("POST", "/auth/token"):
            given = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if given.get("client_secret") != SECRET:
                return 401, {"error": "invalid_client"}
            self.token = f"token-{next(self.tokens)}"
            return 200, {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        if self.token is None or call.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"status": 401, "title": "no token"}
        if (call.command, path) == ("POST", "/reports"):
            report = self._made(json.loads(body), "REPORT", f"r{len(self.reports)}")
            self.reports.append(report)
            return 201, report
        known = {"/programs": self.programs, "/events": self.events}.get(path)
        if call.command != "GET" or known is None:
            return 404, {"status": 404, "title": "not found"}
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 50))
        return 200, known[skip : skip + limit]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
