"""A simulated garage, and the OpenADR agent on an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from chargepoint_driver.demand_response.chargers import AccountChargers
from chargepoint_driver.demand_response.openadr.agent import OpenAdrAgent
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.state_json import world_json

STATION = "1:34001"
PATIENCE_S = 30.0
_T = TypeVar("_T")


class Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="vtn loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class Garage:
    """A simulator and its account."""

    def __init__(self) -> None:
        self.sim = Simulator(speed=1.0, shed_delay_s=0.0, clear_delay_s=0.0).start()

    def account(self) -> dict[str, Any]:
        return {
            "username": self.sim.username,
            "password": self.sim.password,
            "endpoint": self.sim.soap_url,
            "currencies": {"getLoad": 0},
        }

    def ceiling(self, station: str = STATION, port: int = 1) -> float | None:
        """What a port is held to in kW; None: nothing."""
        actual = self.actual(station, port)
        return actual["allowed_kw"] if actual["shedState"] else None

    def actual(self, station: str = STATION, port: int = 1) -> dict[str, Any]:
        """What is so at a port."""
        (found,) = (s for s in world_json(self.sim.world)["stations"] if s["stationID"] == station)
        return dict(found["ports"][port - 1])

    def energy_kwh(self, station: str = STATION, port: int = 1) -> float:
        """What the session at a port has charged until now."""
        session = self.actual(station, port)["session"]
        return float(session["energy_kwh"])

    def close(self) -> None:
        self.sim.stop()


class Running:
    """The agent with the accounts of a garage, on a thread."""

    def __init__(self, garage: Garage, folder: Path, **fields: Any) -> None:
        fields = {
            "ven_name": "garage-ven",
            "levels": {"1": 5.0, "2": 3.0, "3": 1.5},
            "prices": {"0.50": 2.0},
            "look_seconds": 0.2,
            "lease_seconds": 60,
            "state_file": folder / "openadr.sqlite",
            **fields,
        }
        self.config = OpenAdrConfig.from_dict(fields)
        self.accounts = Accounts()
        assert self.accounts.configure({"accounts": {"garage": garage.account()}}) == []
        self._chargers = AccountChargers(
            self.accounts, [{"station": STATION, "port": 1}], self.config.lease_seconds
        )
        self.statuses: list[dict[str, Any]] = []
        self._loop = Loop()
        self.agent = self._loop.run(self._make())
        self._done = asyncio.run_coroutine_threadsafe(self.agent.run(), self._loop.loop)

    async def _make(self) -> OpenAdrAgent:
        return OpenAdrAgent(self.config, self._chargers, self.statuses.append)

    @property
    def status(self) -> dict[str, Any]:
        return self.statuses[-1]

    def stop(self) -> None:
        self._loop.loop.call_soon_threadsafe(self.agent.stop)
        self._done.result(PATIENCE_S)
        self._loop.close()
        self._chargers.close()


def eventually(ask: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
    """What `ask` answers as soon as it is true."""
    end_s = time.monotonic() + limit_s
    while True:
        try:
            found = ask()
        except (LookupError, AttributeError):
            found = None
        if found:
            return found
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
