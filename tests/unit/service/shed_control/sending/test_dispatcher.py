"""Commands that got no answer: looked for, never repeated, and in the end one or the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.errors import ChargePointError, OutcomeUnknownError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import AT_ONCE, STATION, Rig

CARRIED_OUT = ("drop_reply", "drop_middle", "truncated_xml", "malformed_xml", "empty_body")
NOT_CARRIED_OUT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop", {}),
    ("http", {"status": 502}),
    ("soap_fault", {}),
)
REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("http", {"status": 503}),
    ("http", {"status": 429}),
    ("refused", {"code": "101"}),
    ("refused", {"code": "119"}),
    ("refused", {"code": "126"}),
)


def lose(rig: Rig, operation: str, kind: str, **options: Any) -> None:
    rig.sim.faults.set(operation, kind, times=1, **options)


@pytest.mark.parametrize("kind", CARRIED_OUT)
def test_a_shed_that_was_carried_out_becomes_the_command(rig: Rig, kind: str) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(6)
    lose(rig, "shedLoad", kind)
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 3.0)
    assert (rig.status(), rig.read("commandedLoad")) == ("pending", 5.0)
    assert "allowedLoad 3 kW got no answer" in str(rig.read("shedReason"))
    rig.live(4.5)
    assert (rig.status(), rig.read("commandedLoad")) == ("pending", 5.0)
    rig.live(1.5)
    assert (rig.status(), rig.read("commandedLoad"), rig.ceiling()) == ("in force", 3.0, 3.0)
    assert (rig.sent("shedLoad"), rig.alerts) == (2, [])
    rig.live(120)
    assert rig.ceiling() == 3.0


@pytest.mark.parametrize(("kind", "options"), NOT_CARRIED_OUT)
def test_a_shed_that_was_not_leaves_the_one_before_with_an_alert(
    rig: Rig, kind: str, options: dict[str, Any]
) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(6)
    lose(rig, "shedLoad", kind, **options)
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 3.0)
    rig.live(9)
    assert (rig.status(), rig.alerts) == ("pending", [])
    rig.live(3)
    assert (rig.status(), rig.read("commandedLoad")) == ("in force", 5.0)
    assert rig.sent("shedLoad") == 2
    ((about, what),) = rig.alerts
    assert about == f"{STATION} port 1"
    assert "allowedLoad 3 kW got no answer and was not seen within 10 min" in what
    rig.live(120)
    assert rig.ceiling() == 5.0


@pytest.mark.parametrize(("kind", "options"), REFUSED)
def test_a_refused_command_changes_nothing(rig: Rig, kind: str, options: dict[str, Any]) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(6)
    for operation, name, value in (
        ("shedLoad", "allowedLoad", 3.0),
        ("shedLoad", "percentShed", 40),
        ("clearShedState", "shedState", 0),
    ):
        lose(rig, operation, kind, **options)
        with pytest.raises(ChargePointError) as caught:
            rig.write(name, value)
        assert not isinstance(caught.value, OutcomeUnknownError)
        assert (rig.status(), rig.read("commandedLoad")) == ("in force", 5.0)
    rig.live(100)
    assert (rig.ceiling(), rig.alerts) == (5.0, [])


@pytest.mark.parametrize("kind", CARRIED_OUT)
def test_a_clear_that_was_carried_out(rig: Rig, kind: str) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(6)
    lose(rig, "clearShedState", kind)
    with pytest.raises(OutcomeUnknownError):
        rig.write("shedState", 0)
    rig.live(11)
    assert (rig.status(), rig.read("commandedLoad")) == ("released", None)
    assert rig.sent() == 2
    rig.live(60)
    assert (rig.ceiling(), rig.sent(), rig.alerts) == (None, 2, [])


def test_a_clear_that_was_not_leaves_the_shed(rig: Rig) -> None:
    rig.write("allowedLoad", 5.0)
    rig.live(6)
    lose(rig, "clearShedState", "drop")
    with pytest.raises(OutcomeUnknownError):
        rig.write("shedState", 0)
    rig.live(90)
    assert (rig.status(), rig.ceiling(), len(rig.alerts)) == ("in force", 5.0, 1)


def test_the_first_command_of_all(rig: Rig) -> None:
    lose(rig, "shedLoad", "drop")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 3.0)
    assert rig.read("commandedLoad") is None
    rig.live(12)
    assert (rig.status(), rig.ceiling(), rig.sent()) == ("failed", None, 1)
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    assert rig.status() == "in force"


def test_one_doubt_after_the_other(rig: Rig) -> None:
    lose(rig, "shedLoad", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 5.0)
    lose(rig, "shedLoad", "http", status=503)
    with pytest.raises(ChargePointError):
        rig.write("allowedLoad", 2.0)
    rig.live(6)
    # The refused one has not made the one before forgotten.
    assert (rig.status(), rig.read("commandedLoad"), rig.ceiling()) == ("in force", 5.0, 5.0)


def test_a_station_s_doubt_is_not_sent_over_by_its_ports(rig: Rig) -> None:
    for port in (1, 2):
        rig.write("allowedLoad", 3.0, port)
    rig.live(28)
    lose(rig, "shedLoad", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 10.0, port=None)
    rig.live(6)
    assert rig.sent("shedLoad") == 3
    assert (rig.status(None, STATION), rig.read("commandedLoad", None)) == ("in force", 10.0)
    rig.live(60)
    assert (rig.ceiling(1), rig.ceiling(2)) == (5.0, 5.0)


def test_a_station_s_doubt_that_came_to_nothing_leaves_its_ports(rig: Rig) -> None:
    for port in (1, 2):
        rig.write("allowedLoad", 3.0, port)
    rig.live(6)
    lose(rig, "shedLoad", "drop")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 10.0, port=None)
    rig.live(90)
    assert (rig.ceiling(1), rig.ceiling(2)) == (3.0, 3.0)
    assert [rig.status(port) for port in (1, 2)] == ["in force", "in force"]


def test_a_port_s_command_over_a_station_s_doubt(rig: Rig) -> None:
    lose(rig, "shedLoad", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 8.0, port=None)
    rig.write("allowedLoad", 3.0, port=1)
    rig.live(7)
    assert [rig.read("commandedLoad", port) for port in (1, 2)] == [3.0, 4.0]
    rig.live(90)
    assert [rig.ceiling(port) for port in (1, 2)] == [3.0, 4.0]


def test_what_was_acknowledged_runs_out_while_the_other_is_looked_for(rig: Rig) -> None:
    rig.write("allowedLoad", 5.0, options=ShedOptions(minutes=12, on_write=True))
    rig.live(2)
    lose(rig, "shedLoad", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        rig.write("allowedLoad", 3.0)
    rig.sim.faults.set("getLoad", "http", status=503)
    rig.sim.faults.set("shedLoad", "http", status=503)
    rig.live(12)
    rig.sim.faults.clear()
    rig.live(10)
    assert (rig.status(), rig.read("commandedLoad"), rig.ceiling()) == ("in force", 3.0, 3.0)


class TestRestart:
    @pytest.mark.parametrize("kind", ["drop_reply", "drop"])
    def test_during_a_doubt(self, rig: Rig, kind: str) -> None:
        rig.write("allowedLoad", 5.0)
        rig.live(6)
        lose(rig, "shedLoad", kind)
        with pytest.raises(OutcomeUnknownError):
            rig.write("allowedLoad", 3.0)
        rig.restart(after_s=60)
        assert rig.status() == "pending"
        rig.live(14)
        kw = 3.0 if kind == "drop_reply" else 5.0
        assert (rig.read("commandedLoad"), rig.ceiling(), rig.sent()) == (kw, kw, 2)
        rig.live(120)
        assert rig.ceiling() == kw

    def test_between_the_file_and_the_wire(self, rig: Rig, monkeypatch: Any) -> None:
        """The process is killed after the command was written down and before it was answered."""

        class Killed(BaseException):
            pass

        def die(*_: object) -> None:
            raise Killed

        rig.write("allowedLoad", 5.0)
        rig.live(6)
        monkeypatch.setattr(rig.service._backend, "shed", die)
        with pytest.raises(Killed):
            rig.write("allowedLoad", 3.0)
        rig.restart()
        assert "allowedLoad 3 kW got no answer" in str(rig.read("shedReason"))
        rig.live(12)
        assert (rig.status(), rig.read("commandedLoad"), rig.ceiling()) == ("adopted", 5.0, 5.0)

    def test_while_pending(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.restart(after_s=60)
        assert rig.status() == "pending"
        rig.live(5)
        assert (rig.status(), rig.ceiling(), rig.sent()) == ("adopted", 3.0, 1)

    def test_during_a_clear(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.live(6)
        rig.write("shedState", 0)
        rig.restart(after_s=60)
        assert rig.status() == "pending"
        rig.live(10)
        assert (rig.status(), rig.ceiling(), rig.sent()) == ("released", None, 2)

    @pytest.mark.parametrize("shift_s", [-86_400.0, -600.0, 600.0])
    def test_a_clock_that_was_set(self, rig: Rig, shift_s: float) -> None:
        """Renewed in time all the same; what is later than thought costs one renewal."""
        rig.write("allowedLoad", 3.0)
        rig.live(20)
        rig.now_s += shift_s
        rig.restart()
        for _ in range(120):
            rig.live(1)
            assert rig.ceiling() == 3.0
        assert rig.status() == "adopted"

    def test_a_clock_that_was_set_back_over_a_long_pause(self, rig: Rig) -> None:
        """When the shed ends is no longer known: it is renewed at once."""
        rig.write("allowedLoad", 3.0)
        rig.live(6)
        rig.service.close()
        rig.sim.clock.advance(45 * 60)
        rig.now_s -= 86_400
        rig.restart()
        for _ in range(60):
            rig.live(1)
            assert rig.ceiling() == 3.0

    def test_a_clock_that_was_set_back_in_a_doubt(self, rig: Rig) -> None:
        lose(rig, "shedLoad", "drop")
        with pytest.raises(OutcomeUnknownError):
            rig.write("allowedLoad", 3.0)
        rig.now_s -= 86_400
        rig.restart()
        rig.live(12)
        assert rig.status() == "failed"

    def test_a_clock_that_was_set_a_day_forward(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.live(20)
        rig.now_s += 86_400
        rig.restart()
        assert rig.status() == "expired"
        assert "allowedLoad 3 kW is reported" in str(rig.read("shedReason"))
        rig.live(60)
        assert (rig.ceiling(), rig.sent()) == (None, 1)


def test_a_doubt_that_came_to_nothing_leaves_the_period_as_it_was(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    for kind in ("drop", "http"):
        rig.sim.faults.set("shedLoad", kind, times=1, **({"status": 503} if kind == "http" else {}))
        with pytest.raises(ChargePointError):
            rig.write("allowedLoad", 3.0)
        rig.live(12)
    rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(allowed_kw=4.0))
    rig.live(6)
    rig.write("allowedLoad", 1.0, options=AT_ONCE)
    rig.live(6)
    assert rig.revert()
    rig.live(6)
    assert rig.ceiling() == 2.0
