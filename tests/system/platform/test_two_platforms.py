"""Two real platforms on one fleet: one call for both, and a shed of one is seen by the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chargepoint_driver.simulator import Simulator
from examples.demo.platform import temporary_home
from examples.demo.processes import Processes
from examples.demo.run import DRIVER
from tests.system.fleet.site import site as nodes_site

from .test_fleet import PASSWORD, PORT, Site, pytestmark, sim

__all__ = ["pytestmark", "sim"]

# Longer than the test: what one platform has read is new enough for the other.
CURRENCY_S = 300.0


@pytest.fixture
def platforms(sim: Simulator, tmp_path: Path) -> Iterator[list[Site]]:
    """Two platforms, which ask the two nodes in another order."""
    garage = {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}
    with ExitStack() as stack:
        fleet = stack.enter_context(nodes_site(2, accounts={"garage": garage}, lease_s=4))
        first, second = fleet.nodes
        yield [
            Site(
                nodes,
                stack.enter_context(temporary_home()),
                stack.enter_context(Processes(tmp_path / name)),
                CURRENCY_S,
            )
            for name, nodes in (("one", [first, second]), ("two", [second, first]))
        ]


def test_both_read_one_account_and_see_each_others_sheds(platforms, sim) -> None:
    one, two = platforms
    for each in platforms:
        each.wait_for("A load on the bus", lambda it=each: it.values(PORT, "portLoad") or None)
    assert one.latest(PORT, "portLoad") == two.latest(PORT, "portLoad")
    # Both poll each second; the account was asked once.
    for each in platforms:
        polls = len(each.values(PORT, "portLoad"))
        each.wait_for(
            "More polls", lambda it=each, polls=polls: len(it.values(PORT, "portLoad")) > polls + 2
        )
    assert sim.calls.count("getLoad") == 1

    assert one.platform.link.call(DRIVER, "set_point", PORT, "allowedLoad", 3.0) == 3.0
    two.wait_for("The limit on the other platform", lambda: two.latest(PORT, "allowedLoad") == 3.0)
    assert two.platform.link.call(DRIVER, "get_point", PORT, "shedStatus") == "in force"
    assert two.platform.link.call(DRIVER, "get_point", PORT, "commandedLoad") == 3.0
    # The other one changes the limit of the fleet, and does not add its own.
    assert two.platform.link.call(DRIVER, "set_point", PORT, "allowedLoad", 2.0) == 2.0
    one.wait_for("The new limit", lambda: one.latest(PORT, "allowedLoad") == 2.0)
    assert sim.calls.count("shedLoad") == 2

    one.platform.link.call(DRIVER, "revert_point", PORT, "allowedLoad")
    two.wait_for("The end of the limit", lambda: two.latest(PORT, "shedState") == 0)
    assert sim.calls.count("clearShedState") == 1
