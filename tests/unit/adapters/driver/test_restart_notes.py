"""What is stored while the driver runs: what needs a restart is reported once, and old values are
not repeated on `/all`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from volttron.utils import get_aware_utc_now

from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import Simulator

from ..bus import behind
from ..conftest import Driver
from ..devices import device, rows

ONE, TWO = "a/one", "b/two"
ALL = {"publish_depth_first_all": True, "all_publish_interval": 30}


def said(driver: Driver, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings that name a restart, when everything is stored."""
    for remote in driver.remotes:
        remote.interface._restart_notes.check()
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return [text for text in found if "estart" in text]


def test_a_move_to_the_caching_agent(
    driver: Driver,
    sim: Simulator,
    accounts: Accounts,
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver.start({ONE: device(sim, "1:34001"), TWO: device(sim, "1:34004")})
    assert said(driver, caplog) == []
    driver.update(ONE, behind())
    driver.update(TWO, behind("1:34004"))
    (warning,) = said(driver, caplog)
    assert f"devices/{ONE}, devices/{TWO}: reached in another way now" in warning
    assert "vctl restart platform.driver" in warning
    assert said(driver, caplog) == []


def test_a_move_back(
    driver: Driver,
    sim: Simulator,
    accounts: Accounts,
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver.start({ONE: behind()})
    driver.update(ONE, device(sim, "1:34001"))
    (warning,) = said(driver, caplog)
    assert "reached in another way" in warning


def test_what_is_followed_at_once_says_nothing(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({ONE: device(sim, "1:34001", host=ALL)})
    driver.update(ONE, device(sim, "1:34004", host=ALL, shed_duration=15))
    driver.add(TWO, device(sim, "1:34003"))  # never on /all
    assert said(driver, caplog) == []


@pytest.mark.parametrize(
    "change", [{"all_publish_interval": 60}, {"publish_depth_first_all": False}]
)
def test_other_publishing_on_all(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    driver.start({ONE: device(sim, "1:34001", host=ALL)})
    driver.update(ONE, device(sim, "1:34001", host={**ALL, **change}))
    (warning,) = said(driver, caplog)
    assert f"devices/{ONE}: published on /all as stored now only after a restart" in warning


def test_a_device_that_is_added_while_the_driver_runs(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({ONE: device(sim, "1:34001", host=ALL)})
    driver.add(TWO, device(sim, "1:34004", host=ALL))
    (warning,) = said(driver, caplog)
    assert f"devices/{TWO}: published on /all" in warning


def test_many_devices_are_one_warning(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({ONE: device(sim, "1:34001", host=ALL)})
    for number in range(8):
        driver.add(f"c/{number}", device(sim, "1:34004", host=ALL))
    (warning,) = said(driver, caplog)
    assert "and 3 more" in warning


def test_it_is_said_without_being_asked(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({ONE: device(sim, "1:34001", host=ALL)})
    driver.add(TWO, device(sim, "1:34004", host=ALL))
    driver.wait_for(lambda: "published on /all" in caplog.text)


def test_files_of_an_account_are_opened_at_its_start(
    driver: Driver, sim: Simulator, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    driver.start({ONE: device(sim, "1:34001")})
    driver.update(ONE, device(sim, "1:34001", cache_file=str(tmp_path / "cache.json"), timeout=5))
    (warning,) = said(driver, caplog)
    assert "cache_file: changed, and used only after a restart" in warning
    driver.update(ONE, device(sim, "1:34001", cache_file=str(tmp_path / "cache.json"), timeout=6))
    assert said(driver, caplog) == []


# ---- old values on /all ------------------------------------------------------------------


def is_repeated(driver: Driver, age_s: float) -> bool:
    """Whether `/all` still has a value of that age."""
    tree = driver.agent.equipment_tree
    node = tree.get_node(f"devices/{ONE}/portLoad")
    node.last_value = 6.6
    node.data["last_updated"] = get_aware_utc_now() - timedelta(seconds=age_s)
    return node in tree.non_stale_points([node])


@pytest.mark.parametrize(
    ("settings", "row", "repeated_s", "gone_s"),
    [
        ({"interval": 60}, {}, 85, 95),
        ({"interval": 60}, {"Scrape Interval": "300"}, 445, 455),
        ({"interval": 60}, {"stale_timeout": 600}, 590, 610),
        ({"interval": 60, "stale_timeout": 600}, {}, 590, 610),
        ({"interval": 60, "stale_timeout_multiplier": 5}, {}, 290, 310),
    ],
)
def test_an_old_value_is_not_repeated_for_longer_than_an_interval(
    driver: Driver,
    sim: Simulator,
    settings: dict[str, Any],
    row: dict[str, Any],
    repeated_s: float,
    gone_s: float,
) -> None:
    registry = [{**each, **row} for each in rows() if each["Attribute Name"] == "portLoad"]
    driver.start({ONE: device(sim, "1:34001", registry, host={**ALL, **settings})})
    assert is_repeated(driver, repeated_s)
    assert not is_repeated(driver, gone_s)


def test_the_driver_s_own_setting_stands(driver: Driver, sim: Simulator) -> None:
    driver.start({ONE: device(sim, "1:34001", host={"interval": 60})}, stale_timeout=500)
    assert is_repeated(driver, 490)


def test_another_interval_is_another_limit(driver: Driver, sim: Simulator) -> None:
    driver.start({ONE: device(sim, "1:34001", host={**ALL, "interval": 60})})
    driver.update(ONE, device(sim, "1:34001", host={**ALL, "interval": 10}))
    assert is_repeated(driver, 14)
    assert not is_repeated(driver, 16)
