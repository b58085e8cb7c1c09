"""What holds for the whole run: hypothesis leaves nothing behind, local calls take no proxy,
and the tests under gevent get a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
UNDER_GEVENT = HERE / "interface"
# What the platform driver runs below the interface: there it lives on greenlets.
ALSO_UNDER_GEVENT = ("cache", "service", "control")
LIMIT_S = 600

settings.register_profile("project", deadline=None, database=None)
settings.load_profile("project")


def _named_on_the_command_line() -> bool:
    """Whether tests/interface, or something in it, is asked for by name."""
    paths = (Path(word.partition("::")[0]).resolve() for word in sys.argv[1:])
    return any(UNDER_GEVENT in (path, *path.parents) for path in paths)


# Then its tests run right here, and gevent patches before any other test imports anything.
if _named_on_the_command_line() and find_spec("platform_driver") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytest itself has imported much by now
        import platform_driver.agent  # noqa: F401  # patches everything

_PATCHED_FROM_THE_START = "gevent" in sys.modules


def pytest_configure(config: pytest.Config) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = "127.0.0.1,localhost"


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Patched late, threads and locks of other tests would be of two kinds; so, where the run
    began without gevent, tests/interface becomes one item that runs it in a new process."""
    if path != UNDER_GEVENT or _PATCHED_FROM_THE_START:
        return None
    return OwnProcess.from_parent(parent, name=path.name)


class OwnProcess(pytest.Collector):
    """A folder of tests that is run as one item. It has its parent's path: a node with the
    folder's own would make pytest import the conftest.py there, which patches."""

    def collect(self) -> Iterator[pytest.Item]:
        yield ChildRun.from_parent(self, name="in-a-process-of-its-own")


class ChildRun(pytest.Item):
    """A pytest process for the tests that need the platform driver, and for those below it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_marker(pytest.mark.timeout(LIMIT_S + 20))

    def runtest(self) -> None:
        if find_spec("platform_driver") is None:
            pytest.skip("needs a platform driver: pip install '.[volttron]'")
        folders = [UNDER_GEVENT, *(HERE / name for name in ALSO_UNDER_GEVENT)]
        chosen = self.config.option
        options = [f"--rootdir={self.config.rootpath}", f"-c{self.config.inipath}", "-ra"]
        options += [f"--tb={chosen.tbstyle}", f"--show-capture={chosen.showcapture}"]
        keyword, marks = chosen.keyword, chosen.markexpr
        options += [f"-k{keyword}"] * bool(keyword) + [f"-m{marks}"] * bool(marks)
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *map(str, folders)],
            cwd=self.config.rootpath,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        self.add_report_section("call", "child", finished.stdout)
        nothing_selected = finished.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
        if finished.returncode and not nothing_selected:
            raise ChildFailed(finished.stdout + finished.stderr)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ChildFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, "tests/interface in a process of its own"


class ChildFailed(Exception):
    """Tests failed there; the text is what they printed."""
