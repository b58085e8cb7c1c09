"""The same control through the caching agent's door, in words that JSON carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    RefusedError,
)
from chargepoint_driver.service import Accounts, CommandFile, Service

from .conftest import STATION, Rig

GROUP = "39491"
SHED = {"shed_on_write": True, "shed_duration": 60}


class Door:
    """One account behind `Accounts`, on the clocks of a rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._fields = {
            "username": rig.sim.username,
            "password": rig.sim.password,
            "endpoint": rig.sim.soap_url,
            "timeout": 10,
        }
        self.services: list[Service] = []
        self.accounts = self._open()

    def _open(self) -> Accounts:
        accounts = Accounts(self._serve)
        assert accounts.configure({"accounts": {"garage": self._fields}}) == []
        return accounts

    def _serve(self, account: AccountConfig) -> Service:
        path: Path = self.rig.folder / "agent.sqlite"
        self.services.append(
            Service(
                SoapBackend(account),
                timeout_s=10.0,
                clock=lambda: self.rig.now_s,
                now=lambda: self.rig.now_s,
                commands=CommandFile(path, account.key),
            )
        )
        return self.services[-1]

    def restart(self) -> None:
        self.accounts.close()
        self.accounts = self._open()

    def live(self, minutes: float) -> None:
        for _ in range(int(minutes * 2)):
            self.rig.pass_(30)
            self.services[-1].control.supervisor.run_due()

    def _point(self, name: str, group: bool) -> dict[str, Any]:
        where: dict[str, Any] = {"group": GROUP} if group else {"station": STATION, "port": 1}
        return json.loads(json.dumps({"attribute": name, "register": "LoadRegister", **where}))

    def write(self, name: str, value: object, *, group: bool = False, **shed: Any) -> Any:
        return self.accounts.write(self._point(name, group), value, **{**SHED, **shed})

    def revert(self, *, group: bool = False) -> bool:
        return self.accounts.revert(self._point("allowedLoad", group))

    def read(self, name: str, *, group: bool = False) -> Any:
        answer = self.accounts.read({name: {**self._point(name, group), "currency": 0}})
        assert not answer["errors"], answer
        return json.loads(json.dumps(answer["values"][name]))


@pytest.fixture
def door(make_rig: Callable[..., Rig]) -> Iterator[Door]:
    door = Door(make_rig())
    yield door
    door.accounts.close()


def test_the_life_of_a_shed(door: Door) -> None:
    door.write("allowedLoad", 3.0)
    assert (door.read("shedStatus"), door.read("commandedLoad")) == ("pending", 3.0)
    door.live(6)
    assert (door.read("shedStatus"), door.rig.ceiling()) == ("in force", 3.0)
    door.live(100)
    assert door.rig.ceiling() == 3.0
    assert door.revert()
    door.live(11)
    assert (door.read("shedStatus"), door.rig.ceiling()) == ("released", None)


def test_a_limit_that_is_not_obeyed(door: Door) -> None:
    door.rig.sim.faults.set("shedLoad", "ignores_shed")
    door.write("allowedLoad", 3.0)
    door.live(7)
    assert door.read("shedStatus") == "violated"
    assert "6.425 kW" in door.read("shedReason")


def test_deadline_lease_and_the_one_who_writes(door: Door) -> None:
    door.rig.sim.world.shed_delay_s = door.rig.sim.world.clear_delay_s = 0.0
    door.write("allowedLoad", 3.0, minutes=1)
    door.live(2)
    assert (door.read("shedStatus"), door.rig.ceiling()) == ("released", None)
    door.write("allowedLoad", 3.0, command_lease=60.0, writer="dr.agent")
    door.live(2)
    assert door.read("shedReason") == "lease of dr.agent ran out"
    with pytest.raises(InvalidValueError, match="minutes"):
        door.write("allowedLoad", 3.0, minutes=-1)


def test_a_restart_adopts(door: Door) -> None:
    door.write("allowedLoad", 3.0)
    door.live(10)
    door.restart()
    assert door.read("shedStatus") == "adopted"
    door.live(100)
    assert door.rig.ceiling() == 3.0


def test_a_group(door: Door) -> None:
    door.write("allowedLoad", 16.0, group=True)
    assert door.rig.sent("shedLoad") == 1
    door.live(6)
    assert door.read("shedStatus", group=True) == "in force"
    assert door.read("siteHeadroom", group=True) is not None
    with pytest.raises(RefusedError, match="held as part of"):
        door.write("allowedLoad", 9.0)
    assert door.revert(group=True)
    door.live(11)
    assert door.rig.ceiling() is None


def test_an_answer_that_is_lost(door: Door) -> None:
    door.rig.sim.faults.set("shedLoad", "drop_reply", times=1)
    with pytest.raises(OutcomeUnknownError):
        door.write("allowedLoad", 3.0)
    door.restart()
    door.live(7)
    assert (door.read("shedStatus"), door.read("commandedLoad")) == ("in force", 3.0)


@pytest.mark.parametrize(
    ("word", "value"),
    [("shed_duration", -1), ("floor_kw", -1.0), ("division", "by guess"), ("floor", 1.0)],
)
def test_words_that_are_none(door: Door, word: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=word):
        door.write("allowedLoad", 3.0, **{word: value})
    assert door.rig.sent() == 0


@pytest.mark.parametrize("name", ["portLoad", "clearAlarms", "Status"])
def test_what_a_group_does_not_have(door: Door, name: str) -> None:
    with pytest.raises(ConfigurationError):
        door.accounts.write({"attribute": name, "group": GROUP}, 1)
    assert door.rig.sim.calls.total == 0


def test_the_floor_holds_here_too(door: Door) -> None:
    with pytest.raises(InvalidValueError, match="floor_kw"):
        door.write("allowedLoad", 1.0, floor_kw=1.4)
    assert door.rig.sent() == 0
