"""0 written to allowedLoad: charging stops, is released, or the write is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import ShedOptions

from ..conftest import Rig

STOP = ShedOptions(on_write=True)
RELEASE = replace(STOP, zero="release")
REFUSE = replace(STOP, zero="refuse")
GROUP = "39491"


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A service that acts at once."""
    return make_rig(shed_delay_s=0.0, clear_delay_s=0.0)


@pytest.mark.parametrize("port", [1, None])
@pytest.mark.parametrize("options", [RELEASE, replace(RELEASE, on_write=False)])
def test_release_charges_after_save_and_restore(
    rig: Rig, port: int | None, options: ShedOptions
) -> None:
    saved = rig.read("allowedLoad", port)
    assert saved == 0.0
    rig.write("allowedLoad", 2.0, port, options=options)
    if not options.on_write:
        rig.write("shedState", 1, port, options=options)
    assert rig.ceiling() is not None
    rig.write("allowedLoad", saved, port, options=options)
    assert rig.ceiling() is None
    assert rig.alerts == []
    sent = rig.sent()
    rig.write("allowedLoad", saved, port, options=options)
    assert rig.sent() == sent


def test_release_forgets_what_was_staged(rig: Rig) -> None:
    options = replace(RELEASE, on_write=False)
    rig.write("allowedLoad", 2.0, options=options)
    rig.write("allowedLoad", 0, options=options)
    assert rig.read("stagedLoad") is None
    with pytest.raises(InvalidValueError):
        rig.write("shedState", 1, options=options)
    assert rig.sent() == 0


def test_release_of_a_group(rig: Rig) -> None:
    rig.write("allowedLoad", 20.0, group=GROUP, options=RELEASE)
    rig.write("allowedLoad", 0, group=GROUP, options=RELEASE)
    assert rig.read("shedState", group=GROUP) == 0


def test_stop_stops_and_raises_an_alert_that_names_the_cure(rig: Rig) -> None:
    saved = rig.read("allowedLoad")
    rig.write("allowedLoad", 2.0, options=STOP)
    rig.write("allowedLoad", saved, options=STOP)
    assert rig.ceiling() == 0.0
    ((about, what),) = rig.alerts
    assert about == "station 1:34001 port 1" or "34001" in about
    assert "zero_limit" in what
    assert "point limit" in what
    # Once, until it is resolved.
    rig.write("allowedLoad", 0, options=STOP)
    assert len(rig.alerts) == 1
    rig.write("shedState", 0)
    rig.write("allowedLoad", 2.0, options=STOP)
    rig.write("allowedLoad", 0, options=STOP)
    assert len(rig.alerts) == 2


def test_stop_raises_it_also_for_a_staged_zero(rig: Rig) -> None:
    staged = ShedOptions()
    rig.write("allowedLoad", 2.0, options=staged)
    rig.write("shedState", 1, options=staged)
    rig.write("allowedLoad", 0.0, options=staged)
    assert rig.ceiling() == 0.0
    assert len(rig.alerts) == 1


@pytest.mark.parametrize("options", [STOP, ShedOptions()])
def test_a_zero_that_follows_no_limit_is_meant(rig: Rig, options: ShedOptions) -> None:
    rig.write("allowedLoad", 0, options=options)
    rig.write("shedState", 1, options=options)
    assert rig.ceiling() == 0.0
    rig.write("shedState", 0)
    rig.write("allowedLoad", 0, options=options)
    rig.write("shedState", 1, options=options)
    assert rig.alerts == []


def test_refuse_sends_nothing_and_names_the_cure(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0, options=REFUSE)
    sent = rig.sent()
    with pytest.raises(InvalidValueError, match="shedState 0 to release"):
        rig.write("allowedLoad", 0, options=REFUSE)
    assert rig.sent() == sent
    assert rig.ceiling() == 2.0


@pytest.mark.parametrize("options", [STOP, RELEASE, REFUSE])
def test_other_numbers_are_limits(rig: Rig, options: ShedOptions) -> None:
    rig.write("allowedLoad", 0.1, options=options)
    assert rig.ceiling() == 0.1
