"""The page's database on disk, and a clock that tests set."""

from __future__ import annotations

import pytest

from chargepoint_driver.web.store import Database


class Clock:
    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "page.sqlite")
    yield made
    made.close()
