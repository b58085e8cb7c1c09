"""A store that several processes share fails at each write of a shed in turn: nothing is sent that
it does not have, and what was sent gets there later."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import (
    FencedError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
)
from chargepoint_driver.service import CommandFile, ShedOptions

from ..conftest import STATION, Rig

PORT = Target(STATION, 1)


class Shared(CommandFile):
    """A file that counts as shared. `fails` has the numbers of the writes that fail, from 1 on."""

    is_shared = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.writes_begun = 0
        self.fails: set[int] = set()
        self.error: type[StoreError] = StoreError
        self.is_lost = False

    def _begin(self) -> None:
        self.writes_begun += 1
        if self.writes_begun in self.fails:
            raise self.error("asked for")

    def check(self) -> None:
        if self.is_lost:
            raise FencedError("asked for")

    def save(self, *arguments: Any) -> None:
        self._begin()
        super().save(*arguments)

    def save_period(self, *arguments: Any) -> None:
        self._begin()
        super().save_period(*arguments)

    def save_lease(self, *arguments: Any) -> None:
        self._begin()
        super().save_lease(*arguments)


@pytest.fixture
def shared(make_rig, monkeypatch) -> tuple[Rig, Shared]:
    monkeypatch.setattr("tests.unit.service.shed_control.conftest.CommandFile", Shared)
    rig = make_rig()
    return rig, rig.service.control._command_log._stored.store


def sheds(rig: Rig) -> int:
    return rig.sim.calls.count("shedLoad")


# What was before, the doubt, and that it is handed over.
@pytest.mark.parametrize("number", [1, 2, 3])
def test_nothing_is_sent_that_the_store_does_not_have(shared, number) -> None:
    rig, store = shared
    store.fails = {number}
    with pytest.raises(TransientError, match="nothing was sent") as refused:
        rig.write("allowedLoad", 3.0)
    assert not isinstance(refused.value, OutcomeUnknownError)
    assert sheds(rig) == 0
    assert not rig.service.control._command_log.before(PORT)
    assert rig.status() in ("none", "failed")
    assert rig.write("allowedLoad", 3.0) is not None
    assert sheds(rig) == 1
    rig.restart()
    assert rig.status() == "pending"
    assert rig.read("commandedLoad") == 3.0


def test_what_was_sent_gets_to_the_store_later(shared) -> None:
    rig, store = shared
    store.fails = {4}
    rig.write("allowedLoad", 3.0)
    (state,) = store.load()[0].values()
    assert state.doubt is not None
    assert state.doubt.sending
    rig.service.control.supervisor.run_due()
    (state,) = store.load()[0].values()
    assert state.doubt is None
    assert sheds(rig) == 1


def test_a_process_that_lost_the_commands_does_not_report_success(shared) -> None:
    rig, store = shared
    store.fails, store.error = {4}, FencedError
    with pytest.raises(OutcomeUnknownError, match="read back"):
        rig.write("allowedLoad", 3.0)
    assert sheds(rig) == 1


def test_a_process_that_lost_the_commands_sends_nothing(shared) -> None:
    rig, store = shared
    store.is_lost = True
    with pytest.raises(TransientError, match="nothing was sent") as refused:
        rig.write("allowedLoad", 3.0)
    assert not isinstance(refused.value, OutcomeUnknownError)
    store.is_lost = False
    rig.write("allowedLoad", 3.0, options=ShedOptions(minutes=30, on_write=True))
    store.is_lost = True
    rig.live(16)  # its renewal is due
    assert sheds(rig) == 1


def test_a_lease_is_stored_before_it_counts(shared) -> None:
    rig, store = shared
    store.fails = {1}
    leases = rig.service.control.leases
    with pytest.raises(TransientError):
        leases.write(PORT, 60.0, ShedOptions())
    assert rig.service.control._command_log.lease_s(PORT) is None
    leases.write(PORT, 60.0, ShedOptions())
    assert store.load_more()[0] == {PORT: 60.0}
