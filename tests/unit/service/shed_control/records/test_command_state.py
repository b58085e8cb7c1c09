"""What may be in force, judged by what was commanded alone."""

from __future__ import annotations

import math
from dataclasses import replace

from chargepoint_driver.backend import Limit
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    Status,
    UnconfirmedCommand,
    shed_status,
)
from chargepoint_driver.service.shed_control.records.reported_state import PortReport, Report

FIVE = CommandState(Limit(allowed_load_kw=5.0), seen=True)


def doubted(kw: float | None) -> CommandState:
    limit = None if kw is None else Limit(allowed_load_kw=kw)
    return replace(FIVE, doubt=UnconfirmedCommand(limit, ShedOptions(), 0.0))


def test_until_it_is_seen_the_limit_before_may_be_in_force() -> None:
    assert FIVE.most_kw() == 5.0
    assert replace(FIVE, seen=False, before_kw=8.0).most_kw() == 8.0
    assert replace(FIVE, seen=False, before_kw=3.0).most_kw() == 5.0
    assert replace(FIVE, seen=False).most_kw() == math.inf
    assert replace(FIVE, expired=True).most_kw() == math.inf


def test_what_is_in_doubt_may_be_in_force_too() -> None:
    assert doubted(8.0).most_kw() == 8.0
    assert doubted(3.0).most_kw() == 5.0
    assert doubted(None).most_kw() == math.inf


def test_a_limit_that_ends_a_moment_before_its_deadline_has_not_failed() -> None:
    free = Report({1: PortReport(shed=False, allowed_kw=0.0, percent=0, load_kw=7.0)})
    wanted = replace(FIVE, deadline_s=600.0)
    assert shed_status(wanted, free, 598.0)[0] is Status.RELEASED
    assert shed_status(wanted, free, 500.0)[0] is Status.FAILED
    assert shed_status(replace(wanted, seen=False, tries=1), free, 598.0)[0] is Status.FAILED
