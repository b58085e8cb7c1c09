"""Rules for every run: hypothesis stores nothing, local calls take no proxy, and tests that
gevent must patch for are skipped where it has not."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
UNDER_GEVENT = HERE / "unit" / "adapters"
ON_PLATFORMS = (HERE / "system" / "platform", HERE / "docs")

settings.register_profile("project", deadline=None, database=None)
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background of a shell: every program that is started here, and is to end
        # on an interrupt, would inherit that it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = "127.0.0.1,localhost"


@pytest.fixture(autouse=True)
def root_level() -> Iterator[None]:
    """A command that is run within a test sets the level of the root logger: put it back."""
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Skip a whole folder that cannot run in this process."""
    if path in (UNDER_GEVENT, *ON_PLATFORMS) and find_spec("platform_driver") is None:
        reason = "needs a platform driver: pip install '.[volttron]'"
    elif path == UNDER_GEVENT and "tests.under_gevent" not in sys.modules:
        reason = "needs a process of its own: python -m pytest tests/unit/adapters"
    else:
        return None
    return SkippedFolder.from_parent(parent, name=path.name, reason=reason)


class SkippedFolder(pytest.Collector):
    """A folder of tests as one skipped item. Its path is its parent's: pytest would import the
    conftest.py of the folder's own path, which patches."""

    def __init__(self, *, reason: str, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._reason = reason

    def collect(self) -> Iterator[pytest.Item]:
        yield SkippedItem.from_parent(self, name="all", reason=self._reason)


class SkippedItem(pytest.Item):
    def __init__(self, *, reason: str, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._reason = reason

    def runtest(self) -> None:
        pytest.skip(self._reason)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.parent.name if self.parent else ''}: skipped"
