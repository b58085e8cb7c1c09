"""Fixtures of the OpenADR tests; everything is closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import Garage, Running


@pytest.fixture
def garage() -> Iterator[Garage]:
    found = Garage()
    yield found
    found.close()


@pytest.fixture
def start(garage: Garage, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start an agent with the fields of its config that differ."""
    running: list[Running] = []

    def make(**fields: Any) -> Running:
        running.append(Running(garage, tmp_path, **fields))
        return running[-1]

    yield make
    for each in running:
        if not each._done.done():
            each.stop()
