"""The platform's alert agents with the samples of `chargepoint_driver/examples/alerts`, on a real
platform."""

from __future__ import annotations

import importlib.util
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.demo.platform import Platform, temporary_home
from examples.demo.processes import Processes

from .demos import Mark

SAMPLES = Path(__file__).parents[3] / "chargepoint_driver" / "examples" / "alerts"
AGENTS = {
    "threshold-detection": "threshold_detection",
    "topic-watcher": "topic_watcher",
    "emailer": "emailer",
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.config").read_text())
    return found


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[str] = []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join(60)


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Mailbox)
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    yield mailbox
    mailbox.end()


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Platform, Callable[[str, Callable[[], bool]], None]]]]:
    """Starts a platform with one agent, and gives what waits for something on it."""
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:

        def start(name: str, config: dict[str, Any]) -> Any:
            module = AGENTS[name]
            if importlib.util.find_spec(module) is None:
                missing = f"needs the agent: pip install --pre --no-deps volttron-{name}"
                if os.environ.get("CHARGEPOINT_HOST_AGENTS") == "required":
                    pytest.fail(missing)
                pytest.skip(missing)
            platform = Platform(home, processes)
            platform.launch()
            platform.connect()
            identity = f"platform.{module}"
            platform.add_credentials(identity)
            # The topic watcher's log is there, and it does not make the folder.
            (home / "agents" / identity / "data").mkdir(parents=True)
            platform.link.subscribe("alerts")
            platform.start_agent(identity, ["chargepoint_driver.examples.alerts", module], config)

            return platform, lambda what, probe: processes.wait_for(what, probe, 90.0)

        yield start
    assert mark.alive() == []


def published(platform: Platform, words: str) -> Callable[[], bool]:
    """Return whether an alert with that text has come."""
    seen: list[str] = []

    def probe() -> bool:
        seen.extend(str(message["message"]) for message in platform.link.messages())
        return any(words in each for each in seen)

    return probe


def publishing(platform: Platform, topic: str, message: Any, probe: Callable[[], bool]) -> Any:
    """A probe that publishes first: nothing shows when an agent has subscribed."""

    def both() -> bool:
        platform.link.publish(topic, message)
        return probe()

    return both


def test_a_load_above_the_threshold(start) -> None:
    config = sample("threshold-detection")
    ((topic, points),) = config.items()
    ((point, limits),) = points.items()
    platform, wait_for = start("threshold-detection", config)
    high = [{point: limits["threshold_max"] + 1.0}, {}]
    probe = published(platform, "is above acceptable limit")
    wait_for("the alert", publishing(platform, topic, high, probe))


def test_a_point_that_is_not_published(start) -> None:
    config = sample("topic-watcher")
    ((topic, watched),) = config["chargers"].items()
    watched["seconds"] = 2
    platform, wait_for = start("topic-watcher", config)
    probe = published(platform, "portLoad")
    # The device goes on, without the point that cannot be read.
    wait_for("the alert", publishing(platform, topic, [{"Status": "INUSE"}, {}], probe))


def test_an_alert_for_a_station_becomes_an_email(start, mailbox) -> None:
    config = {**sample("emailer"), "smtp-port": mailbox.server_address[1]}
    platform, wait_for = start("emailer", config)
    platform.link.call("platform.auth", "create_credentials", identity="driver.of.this.test")
    alert = Path(__file__).with_name("station_alert.py")
    platform._start(  # an agent that raises it as the driver does
        "raiser",
        ["python", str(alert)],
        {
            **platform._env,
            "AGENT_VIP_IDENTITY": "driver.of.this.test",
            "AGENT_CREDENTIALS": str(
                platform.home / "credentials_store" / "driver.of.this.test.json"
            ),
        },
    )
    wait_for("the email", lambda: bool(mailbox.mails))
    (mail, *_) = mailbox.mails
    assert "operator@example.org" in mail
    assert "out of reach for 31 minutes" in mail
    assert "chargepoint/station/station 1:34001" in mail.replace("\n", "")
