"""The page while the time of day is set: what is due and how old it is does not follow."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoint_driver.web.live import account_poller
from chargepoint_driver.web.live.account_poller import _Cell


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0])
def test_what_was_known_keeps_its_age(step_s: float) -> None:
    known: dict[str, tuple[Any, float]] = {}
    _Cell(known, 100.0, 1_800_000_000.0).read("portLoad", "getLoad", 5.0, 10.0)
    cell = _Cell(known, 160.0, 1_800_000_060.0 + step_s)
    cell.failed("portLoad", {"code": "try_later", "message": "m", "retry_after_s": None})
    _, _, last, _ = cell.parts()
    shown = account_poller.iso(1_800_000_060.0 + step_s - 70.0)
    assert last["portLoad"].readAt == shown


def test_nothing_that_is_due_goes_by_the_time_of_day() -> None:
    """`_now` is for what is shown, `_clock` for what is due."""
    with open(account_poller.__file__, encoding="utf-8") as file:  # noqa: PTH123
        lines = [line for line in file if "due_s" in line]
    assert lines
    assert not [line for line in lines if "_now()" in line]
