"""Events of a fleet to play with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import pytest


@pytest.fixture
def play(records) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Runs a coroutine of `outbox_play.Play`."""
    # The module needs asyncpg, which may be missing.
    module = import_module(f"{__package__}.outbox_play")
    return lambda what: module.run(records, what)
