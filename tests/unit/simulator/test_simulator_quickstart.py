"""The site of the quick start: its clock is the driver's, sheds stay, and loads last."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.cli.commands import sim as command
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service, ShedOptions
from chargepoint_driver.simulator import ManualClock, Simulator

QUICK_START = Path(__file__).parents[3] / "docs" / "tutorial" / "quickstart.md"
STATION = "1:34001"
STEP_S = 60.0


def started() -> list[list[str]]:
    """The words of each `sim` command of the quick start."""
    found = re.findall(r"^chargepoint-driver sim (.*?) *&?$", QUICK_START.read_text(), re.M)
    return [line.split() for line in found]


class Site:
    """What the quick start sets up; the simulator's clock and the driver's move together."""

    def __init__(self) -> None:
        (words,) = started()
        context = command.sim.make_context("sim", list(words))
        # Nothing else makes the two clocks one.
        assert context.params["speed"] == 1.0
        self.clock = ManualClock()
        self.simulator = Simulator(
            stations=context.params["stations"], seed=context.params["seed"], clock=self.clock
        )
        account = AccountConfig(
            username=self.simulator.username,
            password=self.simulator.password,
            endpoint=self.simulator.soap_url,
        )
        self.simulator.start()
        now = self.clock.now_s
        self.service = Service(SoapBackend(account), timeout_s=10, clock=now, now=now)
        names = ("portLoad", "allowedLoad", "shedState", "shedStatus")
        rows = [
            {
                "Volttron Point Name": name,
                "Attribute Name": name,
                "Register Name": "LoadRegister",
                "Port #": "1",
                "Writable": "TRUE" if name == "allowedLoad" else "FALSE",
                "Currency": "0",
            }
            for name in names
        ]
        registry = build(enumerate(rows, start=2), "test", STATION)
        registry.raise_faults()
        self.points = registry.points

    def read(self) -> dict[str, object]:
        reading = self.service.read(self.points)
        assert not reading.errors
        return dict(reading.values)

    def minutes(self, number: int):
        """What each minute shows, as a driver that polls and renews sees it."""
        for _ in range(number):
            self.clock.advance(STEP_S)
            self.service.control.supervisor.run_due()
            yield self.read()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.service.close()
    site.simulator.stop()


def test_loads_do_not_end_after_minutes(site):
    loads = [seen["portLoad"] for seen in site.minutes(180)]
    assert min(loads) > 5


def test_a_first_shed_is_in_force_and_stays_so(site):
    options = ShedOptions(on_write=True)
    site.service.write(site.points["allowedLoad"], 3.0, options)
    first = site.read()
    assert (first["shedStatus"], first["portLoad"]) == ("in force", 3.0)
    for seen in site.minutes(150):
        assert (seen["shedStatus"], seen["shedState"], seen["allowedLoad"]) == ("in force", 1, 3.0)
        assert seen["portLoad"] <= 3.0
    # It was renewed meanwhile: each lasts for timeInterval minutes of the clock of both.
    sent = [each for each in site.simulator.world.commands if each.operation == "shedLoad"]
    assert len(sent) > 1
    assert {each.arguments["timeInterval"] for each in sent} == {60}


def test_a_shed_that_is_not_renewed_ends_after_its_time_interval(site):
    site.service.write(site.points["allowedLoad"], 3.0, ShedOptions(minutes=30, on_write=True))
    site.clock.advance(29 * 60)
    assert site.read()["shedState"] == 1
    site.clock.advance(2 * 60)
    assert site.read()["shedState"] == 0


def test_sessions_follow_the_clock_of_both(site):
    (station,) = [one for one in site.simulator.world.stations if one.station_id == STATION]
    before = site.clock.now_s()
    site.clock.advance(3600)
    (session,) = [
        each.session
        for each in site.simulator.world.sessions([station], from_s=before)
        if each.port.number == 1
    ]
    assert before - 2 * 3600 < session.start_s < before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stations", "0", "--charge-points", "1", "--soap-port", "1"), "--soap-port is for"),
        (("--kind", "DC"), "--kind is for twins"),
        (("--visits-per-day", "2"), "--visits-per-day is for twins"),
    ],
)
def test_options_that_would_be_ignored_are_errors(words, said):
    done = CliRunner().invoke(command.sim, list(words))
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_another_speed_says_what_it_means(monkeypatch):
    monkeypatch.setattr(command, "run", lambda **_: 0)
    fast = CliRunner().invoke(command.sim, ["--speed", "60"])
    assert "a shed of 60 minutes ends after 60 s" in fast.output
    assert CliRunner().invoke(command.sim, []).output == ""
    assert isinstance(command.sim, click.Command)
