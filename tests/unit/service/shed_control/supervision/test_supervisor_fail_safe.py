"""Sheds are renewed while they are wanted, expire, and survive a restart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chargepoint_driver.config import AccountConfig
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service, ShedOptions

from ..conftest import STATION, Rig

DRIVER = """
import json, sys, time
from pathlib import Path
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.config import AccountConfig

account = json.loads(sys.argv[1])
accounts = Accounts(lambda config: Service.of_account(config, Path(sys.argv[2])))
accounts.configure({"accounts": {"garage": account}})
point = {"attribute": "allowedLoad", "register": "LoadRegister", "station": "1:34001", "port": 1}
print(accounts.write(point, 3.0, shed_on_write=True), flush=True)
time.sleep(600)
"""


def test_a_shed_is_renewed_before_it_runs_out(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    for _ in range(60):
        rig.live(5)
        assert rig.ceiling() == 3.0
        assert rig.status() == "in force"
    assert rig.sent("shedLoad") == 1 + 10  # every half hour of five
    assert rig.alerts == []


def test_when_the_driver_dies_charging_comes_back_by_itself(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(40)
    rig.service.close()
    rig.pass_(29 * 60)
    assert rig.ceiling() == 3.0
    rig.pass_(37 * 60)
    assert rig.ceiling() is None


def test_a_driver_that_is_killed_leaves_the_site_unshed(
    make_rig: Callable[..., Rig], tmp_path: Path
) -> None:
    rig = make_rig(shed_delay_s=0.0)
    account = {
        "username": rig.sim.username,
        "password": rig.sim.password,
        "endpoint": rig.sim.soap_url,
    }
    file = tmp_path / "killed.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(account), str(file)],
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline().strip() == "3.0"
        driver.kill()
        assert driver.wait(60) == -9
    rig.pass_(59 * 60)
    assert rig.ceiling() == 3.0
    # What the next one finds: the command, by an account of the same name.
    heir = Service.of_account(AccountConfig(**account), file)
    row = {"Volttron Point Name": "kw", "Attribute Name": "commandedLoad", "Port #": "1"}
    point = build([(2, row)], "test", STATION).points["kw"]
    assert heir.read({"kw": point}).values == {"kw": 3.0}
    heir.close()
    rig.pass_(61)
    assert rig.ceiling() is None


def test_a_shed_without_end_is_not_renewed(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, options=ShedOptions(minutes=0, on_write=True))
    rig.live(300)
    assert (rig.sent("shedLoad"), rig.ceiling()) == (1, 3.0)


def test_a_restart_adopts_what_is_in_force_and_renews_it(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(10)
    rig.restart(after_s=600)
    assert (rig.status(), rig.read("commandedLoad")) == ("adopted", 3.0)
    rig.live(180)
    assert (rig.ceiling(), rig.status()) == (3.0, "adopted")
    assert rig.revert()
    rig.live(11)
    assert (rig.ceiling(), rig.status()) == (None, "released")


def test_a_restart_does_not_bring_back_what_ran_out(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(10)
    rig.restart(after_s=2 * 3_600)
    assert rig.status() == "expired"
    assert rig.read("commandedLoad") is None
    rig.live(60)
    assert (rig.ceiling(), rig.sent("shedLoad")) == (None, 1)


def test_renewals_that_fail_are_tried_again(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(25)
    rig.sim.faults.set("shedLoad", "http", status=503)
    rig.live(15)
    assert rig.sent("shedLoad") > 3
    rig.sim.faults.clear()
    rig.live(180)
    assert (rig.ceiling(), rig.status()) == (3.0, "in force")


def test_a_shed_that_cannot_be_renewed_expires_with_an_alert(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(25)
    rig.sim.faults.set("shedLoad", "http", status=503)
    rig.live(50)
    assert rig.status() == "expired"
    assert [about for about, _ in rig.alerts] == [f"{STATION} port 1"]
    rig.sim.faults.clear()
    rig.live(60)
    assert rig.ceiling() is None


def test_a_percentage_is_not_taken_of_itself_when_it_is_renewed(rig: Rig) -> None:
    before_kw = rig.actual()["load_kw"]
    rig.write("percentShed", 50)
    rig.live(200)
    assert rig.actual()["load_kw"] == pytest.approx(before_kw / 2, abs=0.01)
    assert rig.status() == "in force"
    assert rig.read("commandedPercent") == 50


def test_no_password_in_the_file(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    files = b"".join(path.read_bytes() for path in rig.folder.iterdir())
    assert STATION.encode() in files
    assert rig.account.read_password().encode() not in files
    assert rig.account.username.encode() not in files
