"""The OpenADR agent of a platform: from a VTN's event to the port, and back as a report."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.demo.platform import temporary_home
from examples.demo.processes import Processes
from examples.demo.run import DRIVER
from tests.unit.demand_response.openadr.vtn3 import SECRET, StubVtn

from .port_site import DEVICE, PortSite

VEN = "openadr.ven"

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None,
        reason="needs a VOLTTRON platform: pip install '.[demo]'",
    ),
]


class Site(PortSite):
    """A platform with one device, and a VTN."""

    def __init__(self, home: Path, processes: Processes, vtn: StubVtn) -> None:
        super().__init__(home, processes, simulator=["--speed=1"], identities=[VEN])
        self.start_driver()
        self.config = {
            "ven_name": "garage-ven",
            "vtns": {
                "utility": {
                    "version": "3",
                    "url": vtn.url,
                    "client_id": "ven",
                    "client_secret_env": "OPENADR_SECRET",
                    "poll_seconds": 0.5,
                }
            },
            "chargers": {"devices": [DEVICE]},
            "levels": {"2": 3.0},
            "look_seconds": 0.1,  # It is stopped in the middle of a look.
            "report_seconds": 2,
            "lease_seconds": 60,
        }
        self.platform.link.subscribe("openadr/status")

    def start(self) -> None:
        self.platform.start_agent(
            VEN,
            "chargepoint_driver.adapters.agents.openadr",
            self.config,
            env={"OPENADR_SECRET": SECRET},
        )

    def stop(self) -> None:
        """Stop the agent as the platform does; what it held is given back by then."""
        self.processes.stop(VEN)
        log = (self.processes.logs / f"{VEN}.log").read_text(errors="replace")
        assert "was killed" not in log, log
        assert self.ceiling_kw() is None, log

    def ceiling_kw(self) -> float | None:
        found: float | None = self.port()["ceiling_kw"]
        return found


@pytest.fixture
def vtn() -> Iterator[StubVtn]:
    found = StubVtn()
    yield found
    found.close()


def test_an_event_reaches_the_port_and_comes_back_as_a_report(vtn: StubVtn, tmp_path: Path) -> None:
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes, vtn)
        site.start()
        vtn.event("peak", "SIMPLE", 2)
        site.processes.wait_for("The limit", lambda: site.ceiling_kw() == 3.0, 60)

        def setpoints() -> list[Any]:
            return [
                payload["values"][0]
                for report in vtn.reports
                for payload in report["resources"][0]["intervals"][0]["payloads"]
                if payload["type"] == "SETPOINT"
            ]

        site.processes.wait_for("A report of the limit", lambda: 3.0 in setpoints(), 40)
        written = (site.processes.logs / f"{DRIVER}.log").read_text(errors="replace")
        assert f"limit 3.0 by {VEN}: sent" in written
        # Stopped in good order it gives back, through the parent.
        site.stop()
        # It goes on with the event that it knows, although the VTN does not answer.
        vtn.status = 503
        site.platform.link.messages()  # those of before
        site.start()
        site.processes.wait_for("The limit again", lambda: site.ceiling_kw() == 3.0, 60)

        def is_reported() -> bool:
            return any(
                not each["message"]["vtns"]["utility"]["reachable"]
                for each in site.platform.link.messages()
                if each["topic"] == "openadr/status"
            )

        site.processes.wait_for("A report of the VTN's silence", is_reported, 60)
        site.stop()
