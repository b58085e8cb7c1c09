"""Who owns a limit: deleted devices, lost limits, other controllers, commands never sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import AT_ONCE, STATION, Rig

ONE = Target(STATION, 1)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


def look(rig: Rig) -> None:
    rig.service.control.supervisor.run_due()


class TestDeleted:
    def test_its_limit_is_cleared(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        assert rig.service.control.owners.release(ONE)
        assert rig.ceiling() is None
        (alert,) = rig.alerts
        assert "its device was deleted" in alert[1]
        assert not rig.service.control.owners.release(ONE)

    def test_or_lapses(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        assert rig.service.control.owners.release(ONE, "lapse")
        assert rig.ceiling() == 3.0
        assert "ends in 60 min" in rig.alerts[0][1]
        rig.live(61)
        assert rig.ceiling() is None
        assert rig.sent("shedLoad") == 1

    def test_where_it_cannot_be_cleared_it_is_renewed_no_more(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.sim.faults.set("clearShedState", "http", status=503)
        with pytest.raises(Exception, match="503"):
            rig.service.control.owners.release(ONE)
        rig.sim.faults.clear()
        rig.live(61)
        assert rig.ceiling() is None
        assert "could not be cleared" in rig.alerts[0][1]

    def test_what_no_device_owns(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.write("allowedLoad", 3.0, 2, options=ShedOptions(on_write=True, lease_s=600.0))
        orphans = rig.service.control.owners.orphans
        assert orphans([ONE]) == orphans([Target(STATION)]) == []
        assert orphans([Target("1:34004", 1)]) == [ONE]  # the lease has an owner of its own


class TestLost:
    def test_a_poll_that_shows_it_has_it_sent_again(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        look(rig)
        rig.pass_(60)
        rig.sim.world.clear_shed(rig.sim.world.stations[:1])
        assert rig.status() == "failed"
        look(rig)  # what the poll has woken
        assert rig.ceiling() == 3.0
        assert len(rig.alerts) == 1
        assert rig.sent("shedLoad") == 2

    def test_the_thread_is_woken(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        look(rig)
        rig.service.control._command_log.changed.clear()
        rig.pass_(60)
        rig.status()
        assert not rig.service.control._command_log.changed.is_set()
        rig.sim.world.clear_shed(rig.sim.world.stations[:1])
        rig.pass_(1)
        rig.status()
        assert rig.service.control._command_log.changed.is_set()


class TestTwoControllers:
    def test_they_do_not_fight_for_ever(self, rig: Rig, make_rig: Any) -> None:
        other = make_rig(shed_delay_s=0.0, clear_delay_s=0.0)
        other.service.close()
        other.sim.stop()
        other.sim, other.account = rig.sim, rig.account
        other.service = other._serve()
        other.pass_ = lambda seconds: None
        try:
            rig.write("allowedLoad", 2.0)
            look(rig)
            other.write("allowedLoad", 4.0)
            for _ in range(60):
                rig.pass_(30)
                other.now_s += 30
                for each in (rig, other):
                    each.status()
                    each.service.control.supervisor.run_due()
            sent = rig.sent("shedLoad")
            assert sent < 8
            states = {rig.status(), other.status()}
            assert states == {"contested", "in force"}
            assert [len(rig.alerts), len(other.alerts)] == [1, 1]
            ceiling = rig.ceiling()
            loser = rig if rig.status() == "contested" else other
            assert "contested" in loser.alerts[0][1]
            assert "another limit stands in its place" in loser.read("shedReason")
            loser.revert()  # what is not ours is left alone
            assert rig.ceiling() == ceiling
        finally:
            other.service.close()
            other.sim = make_rig().sim

    def test_ours_comes_back_when_the_other_limit_is_gone(self, rig: Rig) -> None:
        rig.write("allowedLoad", 2.0)
        look(rig)
        for _ in range(2):
            foreign(rig, 4.0)
            rig.pass_(60)
            rig.status()
            look(rig)
            rig.pass_(60)
            rig.status()
            look(rig)
        assert rig.status() == "contested"
        rig.sim.world.clear_shed(rig.sim.world.stations[:1])
        rig.pass_(60)
        rig.status()
        look(rig)
        assert rig.ceiling() == 2.0

    def test_an_own_write_settles_it(self, rig: Rig) -> None:
        self.test_contested_says_so(rig)
        rig.write("allowedLoad", 2.5)
        look(rig)
        assert rig.status() == "in force"

    def test_contested_says_so(self, rig: Rig) -> None:
        rig.write("allowedLoad", 2.0)
        look(rig)
        for _ in range(2):
            foreign(rig, 4.0)
            rig.pass_(60)
            rig.status()
            look(rig)
            rig.pass_(1)
            look(rig)
        rig.live(120)
        assert rig.status() == "contested"
        assert rig.ceiling() == 4.0
        assert len(rig.alerts) == 1


def foreign(rig: Rig, kw: float) -> None:
    """Somebody else limits port 1."""
    station = rig.sim.world.stations[0]
    assert station.station_id == STATION
    rig.sim.world.shed([station], Limit(), 0, [(station.ports[0], Limit(allowed_kw=kw))])


class TestNeverSent:
    @pytest.mark.parametrize("port", [1, None])
    def test_a_command_that_was_noted_and_not_sent_is_settled_at_once(
        self, rig: Rig, monkeypatch: Any, port: int | None
    ) -> None:
        class Killed(BaseException):
            pass

        def die(*args: Any, **kwargs: Any) -> None:
            raise Killed

        monkeypatch.setattr(rig.service.control._commands, "send", die)
        with pytest.raises(Killed):
            rig.write("allowedLoad", 3.0, port)
        monkeypatch.undo()
        rig.restart()
        assert rig.status(port=port) == "failed"
        assert "never sent" in rig.read("shedReason", port)
        assert rig.read("commandedLoad", port) is None

    def test_what_was_in_force_before_stands(self, rig: Rig, monkeypatch: Any) -> None:
        rig.write("allowedLoad", 5.0)
        look(rig)

        def die(*args: Any, **kwargs: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(rig.service.control._commands, "send", die)
        with pytest.raises(KeyboardInterrupt):
            rig.write("allowedLoad", 3.0)
        monkeypatch.undo()
        rig.restart()
        assert (rig.status(), rig.read("commandedLoad")) == ("adopted", 5.0)

    def test_a_clear_in_doubt_is_settled_at_the_first_reading(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.sim.faults.set("clearShedState", "drop_reply", times=1)
        with pytest.raises(Exception, match="not known"):
            rig.write("shedState", 0, options=AT_ONCE)
        rig.restart()
        look(rig)
        assert rig.status() == "released"
        assert rig.read("commandedLoad") is None
