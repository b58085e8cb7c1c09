"""Nodes on a real PostgreSQL that share an account of a simulator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.simulator import Simulator
from tests.postgres_server import Postgres, postgres_server

LIMIT_S = 60.0
ACCOUNT = "main"
STATION = "1:34001"  # both ports charge with about 6.4 kW


def eventually(true: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Look until it is so."""
    end = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def records(postgres) -> str:
    """The DSN of a new database with the tables of a fleet."""
    dsn = postgres.database()
    import_module("tests.unit.backends.ocpp.nodes").make_tables(dsn)
    return dsn


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def holders(records) -> Iterator[Any]:
    """Nodes that take the lease of one account, one after the other."""
    made = import_module("tests.unit.fleet.leased").Holders(records)
    yield made
    made.stop()


class FleetNode:
    """A node in this process, with its accounts."""

    def __init__(self, folder: Path, dsn: str, name: str, accounts: dict[str, Any]) -> None:
        node = import_module("chargepoint_driver.backends.ocpp.postgres.node")
        fleet = import_module("chargepoint_driver.fleet.node_accounts")
        config = import_module("chargepoint_driver.config.fleet").NodeConfig.model_validate(
            {
                "node": name,
                "postgres": {"dsn": dsn},
                "lease_s": 2,
                "accounts": accounts,
                "central_system": {
                    "listen": "127.0.0.1:0",
                    "database": folder / f"{name}.db",
                    "configuration_delay_s": None,
                    "charge_points": "*",
                },
            }
        )
        self.system = node.Node(config)
        self.accounts = fleet.NodeAccounts(self.system)

    def start(self) -> FleetNode:
        self.system.start()
        self.accounts.start()
        return self

    def stop(self) -> None:
        self.accounts.stop()
        self.system.stop()

    def ask(self, method: str, account: str = ACCOUNT, **arguments: Any) -> Any:
        """Return the answer to a request to an account."""
        try:
            return self.system.run_on_loop(
                lambda: self.accounts.request(account, method, arguments), 60
            )
        except ChargePointError as error:
            # What is not of the tree comes wrapped out of the loop.
            raise (error.__cause__ or error) from None

    def holder(self, account: str = ACCOUNT) -> Any:
        return self.system.run_on_loop(lambda: self.accounts.holder(account), 10)

    def read(self, attribute: str, station: str = STATION, port: int | None = 1, **fields: Any):
        """Return (value, age in seconds) of a point."""
        point = {"attribute": attribute, "station": station, "port": port, **fields}
        answer = self.ask("read", points={"it": point})
        assert not answer["errors"], answer["errors"]
        return answer["values"]["it"], answer["ages_s"]["it"]

    def write(
        self, attribute: str, value: Any, station: str = STATION, port: int | None = 1, **how
    ):
        point = {"attribute": attribute, "station": station, "port": port}
        return self.ask("write", point=point, value=value, **how)


@pytest.fixture
def account(sim) -> dict[str, Any]:
    """The account of the simulator, as a node's config has it."""
    return {
        "username": sim.username,
        "password": sim.password,
        "endpoint": sim.soap_url,
        "timeout": 5,
    }


@pytest.fixture
def start_node(records, tmp_path: Path, account) -> Iterator[Callable[..., FleetNode]]:
    """Start nodes; they end, and leave no thread, at the end of the test."""
    before = set(threading.enumerate())
    nodes: list[FleetNode] = []

    def make(name: str = "node-1", **accounts: Any) -> FleetNode:
        node = FleetNode(tmp_path, records, name, accounts or {ACCOUNT: account})
        nodes.append(node)
        return node.start()

    yield make
    for node in nodes:
        node.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(LIMIT_S)
    assert set(threading.enumerate()) <= before
