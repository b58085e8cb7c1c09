"""A small OpenADR 3 VTN: token, programs, events with pages, reports, VENs, subscriptions.

Not the client's code.
"""

from __future__ import annotations

import itertools
import json
import threading
import urllib.error
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = "secret-of-the-stub"


class StubVtn:
    """Serves until closed. `status` answers every call with that instead. `version` 3.1 has
    resources of their own, and tells requests of a VEN by their type."""

    def __init__(self, context: Any = None, version: str = "3.0") -> None:
        self.version = version
        self.vens: list[dict[str, Any]] = []
        self.resources: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.notified: list[int] = []
        self.events: list[dict[str, Any]] = []
        self.programs = [self._made({"programName": "peaks"}, "PROGRAM", "p1")]
        self.reports: list[dict[str, Any]] = []
        self.status: int | None = None
        self.tokens = itertools.count(1)
        self.numbers = itertools.count()
        self.token: str | None = None
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stub._answer(self)

            def do_POST(self) -> None:
                stub._answer(self)

            def do_DELETE(self) -> None:
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
            known = {each["id"] for each in self.events}
            self.events = [each for each in self.events if each["id"] != name] + [event]
        self._notify("PUT" if name in known else "POST", event)
        return event

    def _notify(self, operation: str, event: dict[str, Any]) -> None:
        """Tell who has subscribed."""
        for subscription in list(self.subscriptions):
            for each in subscription["objectOperations"]:
                if operation in each["operations"] and "EVENT" in each["objects"]:
                    body = {"objectType": "EVENT", "operation": operation, "object": event}
                    token = each["bearerToken"]
                    self.notified.append(notify(each["callbackUrl"], token, body))

    def delete(self, name: str) -> None:
        with self.lock:
            (gone,) = (each for each in self.events if each["id"] == name)
            self.events = [each for each in self.events if each["id"] != name]
        self._notify("DELETE", gone)

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
        kinds = {"/vens": self.vens, "/subscriptions": self.subscriptions}
        if self.version == "3.1":
            kinds["/resources"] = self.resources
        elif path.endswith("/resources"):
            path, kinds["/resources"] = "/resources", self.resources
        if call.command == "POST" and path in kinds:
            fields = json.loads(body)
            if self.version == "3.1" and path != "/subscriptions" and "objectType" not in fields:
                return 400, {"status": 400, "title": "objectType is missing"}
            kind = path.strip("/").removesuffix("s").upper()
            made = self._made(fields, kind, f"{kind}-{next(self.numbers)}")
            kinds[path].append(made)
            return 201, made
        if call.command == "DELETE" and path.startswith("/subscriptions/"):
            gone = path.rpartition("/")[2]
            self.subscriptions[:] = [each for each in self.subscriptions if each["id"] != gone]
            return 200, {}
        known = {"/programs": self.programs, "/events": self.events, **kinds}.get(path)
        if call.command != "GET" or known is None:
            return 404, {"status": 404, "title": "not found"}
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 50))
        return 200, known[skip : skip + limit]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


def notify(url: str, token: str | None, body: Any) -> int:
    """The status with which a callback answers a notification."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
