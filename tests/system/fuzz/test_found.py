"""Good input, and everything that a fuzzer has found, passes its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .targets import TARGETS, frames, replies, seeds

CASES = [(target, number) for target in TARGETS for number in range(len(seeds(target)))]


@pytest.mark.parametrize(("target", "number"), CASES)
def test_input(target: str, number: int) -> None:
    TARGETS[target](seeds(target)[number])


def test_a_target_can_find_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "chargepoint_driver.backends.soap.station_pieces._Pieces.read", lambda *_: []
    )
    load = next(data for data in seeds("replies") if b"getLoadResponse" in data)
    with pytest.raises((AssertionError, ValueError)):
        replies(load)


@pytest.mark.parametrize(
    ("broken", "by", "said"),
    [
        ("protocol.handlers.iso", lambda _: 7, "is not an answer to BootNotification"),
        ("transport.frame_handler.FrameHandler._answer", lambda *_: 1 / 0, "internal_errors"),
        ("transport.frame_handler.FrameHandler.take", lambda *_: None, "neither an answer nor"),
        ("storage.store.Store.active", lambda *_: [], "a restart makes"),
    ],
)
def test_so_can_the_door_of_ocpp(
    broken: str, by: Callable[..., Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"chargepoint_driver.backends.ocpp.{broken}", by)
    with pytest.raises(AssertionError, match=said):
        _throw_all(seeds("frames"))


def _throw_all(thrown: list[bytes]) -> None:
    for data in thrown:
        frames(data)
