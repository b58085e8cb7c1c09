"""A node of a fleet as clients see it, on greenlets: the paths of `AccountApi` over accounts."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import gevent
from gevent.pywsgi import WSGIServer

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service import Accounts

__all__ = ["FleetNode"]

TOKEN = "t" * 16


class FleetNode:
    """One node that holds the account `garage`. `news` are the stations of the next long poll."""

    def __init__(self, account: dict[str, Any]) -> None:
        self.accounts = Accounts()
        assert self.accounts.configure({"accounts": {"garage": account}}) == []
        self.backend = account.get("backend", "chargepoint")
        self.news: list[str] = []
        self.asked: list[str] = []
        self._number = 0
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, error_log=None)
        self._server.start()

    @property
    def access(self) -> dict[str, Any]:
        """Return the keys of a device that reach it. The token is in FLEET_TOKEN."""
        return {
            "backend": "fleet",
            "nodes": [f"http://127.0.0.1:{self._server.server_port}"],
            "token_env": "FLEET_TOKEN",
            "account": "garage",
            "account_backend": self.backend,
        }

    def stop(self) -> None:
        self._server.stop(timeout=1)
        self.accounts.close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        assert environ["HTTP_AUTHORIZATION"] == f"Bearer {TOKEN}"
        _, _, account, *rest = environ["PATH_INFO"].split("/")
        assert account == "garage"
        start("200 OK", [("X-Account-Backend", self.backend)])
        if not rest:
            return [b'{"answer": {}}']
        if rest == ["changes"]:
            gevent.sleep(0.1)
            self._number += 1
            stations, self.news = self.news, []
            found = {"after": str(self._number), "stations": stations, "is_complete": True}
            return [json.dumps({"answer": found}).encode()]
        body = environ["wsgi.input"].read()
        if environ.get("HTTP_CONTENT_ENCODING") == "deflate":
            body = zlib.decompress(body)
        self.asked.append(rest[0])
        try:
            answer = getattr(self.accounts, rest[0])(**json.loads(body), account="garage")
            return [json.dumps({"answer": answer}).encode()]
        except ChargePointError as error:
            return [json.dumps({"error": {**error.to_dict(), "of_account": True}}).encode()]
