"""A real server over a real simulator, both on clocks that stand still, and a real browser."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.service import Service
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.web import Settings, WebServer

TOKEN = "token-of-these-tests"
STATION = "1:34001"  # both ports charge with about 6.4 kW
PATIENCE_S = 60.0


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class Site:
    """A simulator and a server of its account; what tests ask of the two."""

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        web: dict[str, Any] | None = None,
        billing: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.sim = Simulator(**{"clock": ManualClock(), **options})
        self.sim.start()
        self.clock = Time(1_000.0)
        # The server's time of day is the simulator's, so that ages mean something.
        self.wall = Time(self.sim.clock.now_s())
        account = {
            "username": self.sim.username,
            "password": self.sim.password,
            "endpoint": self.sim.soap_url_5_1,
            "api_version": "5.1",
            "timeout": 30,
        }
        self.server = WebServer(
            {
                **(config or {"accounts": {"garage": account}}),
                "web": web or {},
                "billing": billing or {},
            },
            Settings.of("127.0.0.1:0", token=TOKEN),
            serve=self._serve,
            every_s=0.2,
            now=self.wall,
        ).start()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = TOKEN

    def _serve(self, account: AccountConfig) -> Service:
        return Service(
            SoapBackend(account), timeout_s=account.timeout, clock=self.clock, now=self.wall
        )

    def pass_(self, seconds: float) -> None:
        """Let time pass everywhere."""
        self.sim.clock.advance(seconds)
        self.clock.now_s += seconds
        self.wall.now_s += seconds

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        answer = self.session.get(f"{self.server.url}api/v1{path}", timeout=60, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, content: Any, status: int = 200, **options: Any) -> Any:
        url = f"{self.server.url}api/v1{path}"
        given = {"data": content} if isinstance(content, (bytes, str)) else {"json": content}
        answer = self.session.post(url, timeout=30, **given, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def port(self, cpid: str = STATION, number: int = 1) -> dict[str, Any]:
        """A port as the API shows it."""
        ports = self.get("/status", params={"cpid": cpid})["connectors"]
        (found,) = (port for port in ports if port["connectorId"] == number)
        return found

    def ready(self) -> Site:
        """Wait until everything was read once."""
        eventually(lambda: self.get("/state")["sessions"]["readAt"])
        eventually(lambda: self.port()["values"].get("portLoad"))
        return self

    def close(self) -> None:
        self.session.close()
        self.server.stop()
        self.sim.stop()


def eventually(ask: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
    """What `ask` answers as soon as it is true."""
    end_s = time.monotonic() + limit_s
    while True:
        try:
            found = ask()
            if found:
                return found
        # A row of the page may go while it is read.
        except (AssertionError, LookupError, ValueError, StaleElementReferenceException):
            if time.monotonic() > end_s:
                raise
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Sites are closed, and must leave no thread, at the end."""
    before = set(threading.enumerate())
    sites: list[Site] = []

    def make(**options: Any) -> Site:
        sites.append(Site(**options))
        return sites[-1]

    yield make
    for site in sites:
        site.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert [thread.name for thread in set(threading.enumerate()) - before] == []


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Four stations with two ports each."""
    return make_site().ready()


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """Paths of a browser and its driver."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    return browser, driver
