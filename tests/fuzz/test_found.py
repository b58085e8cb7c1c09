"""Good input, and everything that a fuzzer has found, passes its target."""

from __future__ import annotations

import pytest

from .targets import TARGETS, replies, seeds

CASES = [(target, number) for target in TARGETS for number in range(len(seeds(target)))]


@pytest.mark.parametrize(("target", "number"), CASES)
def test_input(target: str, number: int) -> None:
    TARGETS[target](seeds(target)[number])


def test_a_target_can_find_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargepoint_driver.backends.soap.parse._chunks", lambda *_: [b"x"] * 99)
    load = next(data for data in seeds("replies") if b"getLoadResponse" in data)
    with pytest.raises((AssertionError, ValueError)):
        replies(load)
