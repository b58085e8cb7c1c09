"""Statuses one after another, as time goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .scheduler import Agenda


def play(
    agenda: Agenda,
    start_s: float,
    step_s: float,
    steps: Sequence[str],
    tell: Callable[[str], None],
    finished: Callable[[], None] | None = None,
) -> None:
    """Tell each of the steps, the first at `start_s`, the next `step_s` later and so on."""

    def one(index: int) -> None:
        tell(steps[index])
        if index + 1 < len(steps):
            agenda.after(step_s, lambda: one(index + 1))
        elif finished is not None:
            finished()

    agenda.at(start_s, lambda: one(0))
