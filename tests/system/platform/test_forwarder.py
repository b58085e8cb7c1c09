"""The forward historian between two platforms, as the docs have it, over an outage of the other."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from examples.demo.platform import Platform, free_port, temporary_home
from examples.demo.processes import Processes

from .demos import Mark

SAMPLE = Path(__file__).parents[3] / "chargepoint_driver/examples/historians/forward.config"
MODULE = "chargepoint_driver.examples.historians.forwarder"
FORWARDER, HISTORIAN = "platform.forwarder", "platform.historian"
TOPIC = "devices/campus/garage/s1/port1/all"
BEGIN_S = 1_700_000_000
# Longer than the platform's own attempts to connect again: after that it ends the connection.
OUTAGE_S = 30.0
# The agent waits 30 s for an answer, then 60 s before it tries again, then 30 s for a connection.
CAUGHT_UP_S = 240.0

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None,
        reason="needs a VOLTTRON platform: pip install '.[demo]'",
    ),
    pytest.mark.timeout(400),
]


class TwoPlatforms:
    """The forwarder runs here, and the SQLite historian there."""

    def __init__(self, homes: list[Path], processes: list[Processes]) -> None:
        self._processes, self._ended = processes
        self.here = Platform(homes[0], processes[0])
        self.there = Platform(homes[1], processes[1])
        self._address = f"tcp://127.0.0.1:{free_port()}"
        self._database = homes[1] / "historian.sqlite"
        self.sent = 0

    def start(self) -> None:
        """Start both, with the keys of the other where the docs put them."""
        self.here.launch()
        self.start_there()
        self.here.connect()
        self.here.add_credentials(FORWARDER)
        own = _public_key(self.here, FORWARDER)
        self.there.link.call(
            "platform.auth", "create_credentials", identity=FORWARDER, publickey=own
        )
        config = {
            **json.loads(SAMPLE.read_text()),
            "destination-vip": self._address,
            "destination-serverkey": _public_key(self.there, "platform"),
        }
        self.here.start_agent(FORWARDER, MODULE, config)

    def start_there(self) -> None:
        self.there.launch(self._address)
        self.there.connect()
        self.there.add_credentials(HISTORIAN)
        connection = {"type": "sqlite", "params": {"database": str(self._database)}}
        self.there.start_agent(HISTORIAN, "historian.sql.historian", {"connection": connection})

    def stop_there(self) -> None:
        for name in (HISTORIAN, "link", "volttron"):
            self._ended.stop(name)
        (self.there.home / "VOLTTRON_PID").unlink(missing_ok=True)

    def publish(self) -> None:
        """Publish one more reading: its value is its number."""
        self.sent += 1
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(BEGIN_S + self.sent))
        meta = {"units": "kW", "type": "float", "tz": "UTC"}
        self.here.link.publish(
            TOPIC, [{"portLoad": self.sent}, {"portLoad": meta}], {"Date": at, "TimeStamp": at}
        )

    def stored(self) -> dict[str, float]:
        """Return time to value, of all that is stored there."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT ts, value_string FROM data").fetchall()
        return {at: float(json.loads(text)) for at, text in rows}

    def newest(self) -> float:
        """Return the number of the newest reading there; 0 for none."""
        try:
            return max(self.stored().values(), default=0.0)
        except sqlite3.OperationalError:
            return 0.0

    def wait_for(self, what: str, probe: Callable[[], Any], limit_s: float) -> Any:
        return self._processes.wait_for(what, probe, limit_s)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoPlatforms]:
    if importlib.util.find_spec("historian.forwarder") is None:
        missing = "needs the agent: pip install --pre --no-deps volttron-forward-historian"
        if os.environ.get("CHARGEPOINT_HOST_AGENTS") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with ExitStack() as stack:
        homes = [stack.enter_context(temporary_home()) for _ in range(2)]
        processes = [stack.enter_context(Processes(tmp_path / name)) for name in ("here", "there")]
        yield TwoPlatforms(homes, processes)
    assert mark.alive() == []


def _public_key(platform: Platform, identity: str) -> str:
    path = platform.home / "credentials_store" / f"{identity}.json"
    return str(json.loads(path.read_text())["publickey"])


def test_what_is_published_during_an_outage_is_there_afterwards(two) -> None:
    two.start()

    def arrives() -> bool:
        two.publish()
        return bool(two.newest())

    two.wait_for("The first reading on the other platform", arrives, 60)
    # A historian that is stopped forgets what it has not stored yet.
    two.wait_for("The others", lambda: two.newest() == two.sent, 60)
    begin = two.newest()
    two.stop_there()
    end_s = time.monotonic() + OUTAGE_S
    while time.monotonic() < end_s:
        two.publish()
        time.sleep(1)
    two.start_there()

    wanted = set(range(int(begin), two.sent + 1))
    two.wait_for(
        "What was published during the outage",
        lambda: wanted <= set(two.stored().values()),
        CAUGHT_UP_S,
    )
