"""A central system on a free port, raw sockets that stand for charge points, a clock to set."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import ClientConnection, connect

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.errors import NotFoundError
from tests.postgres_server import Postgres, postgres_server
from tests.unit.events.engines import Engine, nats_server

LIMIT_S = 60.0
TOKEN = "t" * 16
BOOT = {"chargePointVendor": "Test Works", "chargePointModel": "Raw"}


class Clock:
    """The time of day, moved by hand. Starts now, since twins have clocks of their own."""

    def __init__(self) -> None:
        self.start_s = float(int(time.time()))
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return self.start_s + self.ahead_s

    def iso(self, ago_s: float = 0.0) -> str:
        moment = time.gmtime(self() - ago_s)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)


class Charger:
    """A charge point made of raw frames."""

    def __init__(self, url: str, station_id: str, password: str | None = None, **options: Any):
        options.setdefault("subprotocols", ["ocpp1.6"])
        headers = options.pop("additional_headers", {})
        if password is not None:
            pair = base64.b64encode(f"{station_id}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        self._stack = ExitStack()
        opening = connect(
            f"{url}/{quote(station_id, safe='')}",
            compression=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            additional_headers=headers,
            **options,
        )
        self.ws: ClientConnection = self._stack.enter_context(opening)
        self._number = 0

    def send(self, text: str | bytes) -> Any:
        """Send any text and return the frame that comes back."""
        self.ws.send(text)
        return self.receive()

    def receive(self) -> Any:
        return json.loads(self.ws.recv(LIMIT_S))

    def request(self, action: str, payload: Any) -> Any:
        """The frame that answers a request."""
        self._number += 1
        answer = self.send(json.dumps([2, f"m{self._number}", action, payload]))
        assert answer[1] == f"m{self._number}", answer
        return answer

    def ask(self, action: str, payload: Any) -> dict[str, Any]:
        """Return the payload of the answer, which must not be an error."""
        answer = self.request(action, payload)
        assert answer[0] == 3, answer
        return answer[2]

    def boot(self) -> None:
        assert self.ask("BootNotification", BOOT)["status"] == "Accepted"

    def status(self, status: str, connector: int = 1, **fields: Any) -> None:
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status, **fields}
        self.ask("StatusNotification", payload)

    def start(self, at: str, connector: int = 1, meter: int = 0, tag: str = "tag") -> int:
        payload = {"connectorId": connector, "idTag": tag, "timestamp": at, "meterStart": meter}
        return int(self.ask("StartTransaction", payload)["transactionId"])

    def stop(self, transaction: int, at: str, meter: int, **fields: Any) -> None:
        payload = {"transactionId": transaction, "timestamp": at, "meterStop": meter, **fields}
        self.ask("StopTransaction", payload)

    def meter(self, at: str, transaction: int | None = None, connector: int = 1, **by: str) -> None:
        """MeterValues of measurands given as Power_Active_Import="3500"."""
        values = [{"measurand": name.replace("_", "."), "value": v} for name, v in by.items()]
        payload = {
            "connectorId": connector,
            "meterValue": [{"timestamp": at, "sampledValue": values}],
        }
        if transaction is not None:
            payload["transactionId"] = transaction
        self.ask("MeterValues", payload)

    def close(self) -> None:
        self._stack.close()


class Site:
    """A running central system and its chargers."""

    def __init__(
        self, config: OcppConfig, clock: Clock, system: CentralSystem | None = None, **start: Any
    ) -> None:
        self.clock = clock
        self.config = config
        self.system = CentralSystem(config, clock) if system is None else system
        self.chargers: list[Charger] = []
        self.system.start(**start)

    def charger(self, station_id: str = "CP1", **options: Any) -> Charger:
        charger = Charger(self.system.ocpp_url, station_id, **options)
        self.chargers.append(charger)
        return charger

    def point(self, station_id: str = "CP1") -> Any:
        return self.system.charge_point(station_id)

    def connector(self, number: int = 1, station_id: str = "CP1") -> Any:
        return self.point(station_id).connectors[number]

    def month(self) -> list[dict[str, Any]]:
        return self.system.transactions(self.clock.iso()[:7])

    def stop(self) -> None:
        for charger in self.chargers:
            charger.close()
        self.system.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Site]]:
    """Start central systems; they end, and leave no thread, at the end of the test."""
    before = set(threading.enumerate())
    sites: list[Site] = []

    def make(start_options: dict[str, Any] | None = None, **fields: Any) -> Site:
        given = {
            "listen": "127.0.0.1:0",
            "database": tmp_path / "ocpp.db",
            "boot_grace_s": 60,
            "configuration_delay_s": None,
            "call_timeout_s": 5,
            **fields,
        }
        sites.append(Site(OcppConfig.from_dict(given), clock, **(start_options or {})))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()
    eventually(lambda: set(threading.enumerate()) <= before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def records(postgres) -> str:
    """The DSN of a new database with the tables of a fleet."""
    dsn = postgres.database()
    _nodes().make_tables(dsn)
    return dsn


@pytest.fixture
def start_node(records, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Site]]:
    """Start nodes on one PostgreSQL; they end, and leave no thread, at the end of the test."""
    before = set(threading.enumerate())
    sites: list[Site] = []

    def make(
        node: str = "node-1", start_options: dict[str, Any] | None = None, **fields: Any
    ) -> Site:
        system = _nodes().make_node(records, tmp_path, clock, node, **fields)
        sites.append(Site(system.config, clock, system, **(start_options or {})))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()
    eventually(lambda: set(threading.enumerate()) <= before)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Engine]:
    with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
def two(nats: Engine, start_node: Callable[..., Site]) -> tuple[Site, Site]:
    """Two nodes with a control API each, and NATS between them."""
    options = {"control": "127.0.0.1:0", "token": TOKEN}
    found = [
        start_node(
            f"node-{each}", options, nats={"servers": [f"nats://127.0.0.1:{nats.port}"]},
            lease_s=2, call_timeout_s=3,
        )
        for each in (1, 2)
    ]  # fmt: skip
    return found[0], found[1]


def _nodes() -> Any:
    """The module for nodes: it needs asyncpg, which may be missing."""
    return import_module(f"{__package__}.nodes")


@pytest.fixture
def site(start: Callable[..., Site]) -> Site:
    return start()


def eventually(true: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Look until it is so. A charger is not known at once after its handshake."""
    end = time.monotonic() + limit_s
    while True:
        try:
            found = true()
        except NotFoundError as error:
            found, last = None, error
        else:
            last = found
        if found:
            return found
        assert time.monotonic() < end, f"still {last!r}"
        time.sleep(0.01)
