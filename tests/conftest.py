"""What holds for the whole run: hypothesis leaves nothing behind, local calls take no proxy,
the tests under gevent get a process of their own, and so do those that mostly wait."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
UNDER_GEVENT = HERE / "unit" / "adapters"
# What the platform driver runs below the interface: there it lives on greenlets.
ALSO_UNDER_GEVENT = ("unit/cache", "unit/service")
# Whole platforms as child processes: these tests wait for others nearly all of their time.
ON_PLATFORMS = HERE / "system" / "platform"
ALSO_ON_PLATFORMS = ("docs",)
LIMIT_S = 1_800

settings.register_profile("project", deadline=None, database=None)
settings.load_profile("project")


def _is_named(folder: Path) -> bool:
    """Whether a folder, or something in it, is asked for by name on the command line."""
    paths = (Path(word.partition("::")[0]).resolve() for word in sys.argv[1:])
    return any(folder in (path, *path.parents) for path in paths)


# Then its tests run right here, and gevent patches before any other test imports anything.
if _is_named(UNDER_GEVENT) and find_spec("platform_driver") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytest itself has imported much by now
        import platform_driver.agent  # noqa: F401  # patches everything

_PATCHED_FROM_THE_START = "gevent" in sys.modules


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: isinstance(item, ChildRun))  # it is waited for last


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[Any]:
    children = [item for item in session.items if isinstance(item, ChildRun)]
    if session.config.option.collectonly:
        children = []
    try:
        for child in children:
            child.start()
        return (yield)  # type: ignore[return-value]  # of a hook's wrapper
    finally:
        for child in children:
            child.stop()


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Patched late, threads and locks of other tests would be of two kinds; so, where the run
    began without gevent, tests/unit/adapters becomes one item that runs it in a new process. The
    tests on platforms become one as well, beside the others."""
    if path == UNDER_GEVENT and not _PATCHED_FROM_THE_START:
        folders = [path, *(HERE / name for name in ALSO_UNDER_GEVENT)]
        return OwnProcess.from_parent(parent, name=path.name, folders=folders)
    beside = [ON_PLATFORMS, *(HERE / name for name in ALSO_ON_PLATFORMS)]
    if path in beside and not any(map(_is_named, beside)):
        # Of several folders the first stands for all.
        folders = beside if path == ON_PLATFORMS else []
        return OwnProcess.from_parent(parent, name=path.name, folders=folders)
    return None


class OwnProcess(pytest.Collector):
    """A folder of tests that is run as one item. It has its parent's path: a node with the
    folder's own would make pytest import the conftest.py there, which patches."""

    def __init__(self, *, folders: list[Path], **options: Any) -> None:
        super().__init__(**options)
        self._folders = folders

    def collect(self) -> Iterator[pytest.Item]:
        if self._folders:
            name = "in-a-process-of-its-own"
            yield ChildRun.from_parent(self, name=name, folders=self._folders)


class ChildRun(pytest.Item):
    """A pytest process for the tests of some folders."""

    def __init__(self, *, folders: list[Path], **options: Any) -> None:
        super().__init__(**options)
        self._folders = folders
        self.add_marker(pytest.mark.timeout(LIMIT_S + 20))
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: Any = None

    def start(self) -> None:
        """Begin beside the other tests: it is half of the work, and needs nothing of theirs."""
        if find_spec("platform_driver") is None:
            return
        chosen = self.config.option
        options = [f"--rootdir={self.config.rootpath}", f"-c{self.config.inipath}", "-ra"]
        options += [f"--tb={chosen.tbstyle}", f"--show-capture={chosen.showcapture}"]
        keyword, marks = chosen.keyword, chosen.markexpr
        options += [f"-k{keyword}"] * bool(keyword) + [f"-m{marks}"] * bool(marks)
        self._printed = tempfile.TemporaryFile(  # noqa: SIM115 - `stop` closes it
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *map(str, self._folders)],
            cwd=self.config.rootpath,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
        )

    def runtest(self) -> None:
        if self._process is None:
            pytest.skip("needs a platform driver: pip install '.[volttron]'")
        code = self._process.wait(LIMIT_S)
        self._printed.seek(0)
        printed = self._printed.read()
        self.add_report_section("call", "child", printed)
        if code and code != pytest.ExitCode.NO_TESTS_COLLECTED:
            raise ChildFailedError(printed)

    def stop(self) -> None:
        """End it where the run is broken off."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
            self._process.wait(LIMIT_S)
            self._printed.close()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ChildFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        names = ", ".join(folder.name for folder in self._folders)
        return self.path, None, f"{names}, in a process of their own"


class ChildFailedError(Exception):
    """Tests failed there; the text is what they printed."""
