"""`vctl install` of every distribution below agents/, on a real platform.

The platform runs in an environment of its own, on top of this one, so that an installation
changes nothing here. `poetry` is a stand-in that runs pip: the real one asks a package index.
"""

from __future__ import annotations

import importlib.util
import json
import os
import site
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.platform import AS_USER, child_environment, free_port, temporary_home
from examples.demo.processes import Processes

ROOT = Path(__file__).resolve().parents[3]
AGENTS = sorted(path.parent for path in (ROOT / "agents").glob("*/pyproject.toml"))
BUILD = "from poetry.core.masonry import api; print(api.build_wheel({0!r}))"
STAND_IN = """#!{python}
import subprocess, sys
words = [word for word in sys.argv[1:] if not word.startswith("-")]
if "add" in words:
    what = words[-1]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    sys.exit(subprocess.run([*pip, what], check=False).returncode)
print("stand-in for poetry")
"""

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None,
        reason="needs a VOLTTRON platform: pip install '.[demo]'",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("poetry") is None, reason="needs poetry, which VOLTTRON brings"
    ),
]


def quick_start_project() -> str:
    """The pyproject.toml that the quick start writes."""
    page = (ROOT / "docs" / "tutorial" / "quickstart.md").read_text(encoding="utf-8")
    (line,) = (each for each in page.splitlines() if each.startswith("printf '[project]"))
    return line.split("'")[1].replace("\\n", "\n")


class Host:
    """A platform in an environment where packages can be installed."""

    def __init__(self, folder: Path, home: Path, processes: Processes) -> None:
        self.home = home
        self.bin = folder / "env" / "bin"
        venv.create(folder / "env", with_pip=True)
        (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
        below = site.getsitepackages()[0]
        (packages / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
        self._script("poetry", STAND_IN.format(python=self.bin / "python"))
        for name in ("volttron", "vctl"):
            text = (Path(sys.executable).parent / name).read_text().splitlines()
            self._script(name, "\n".join([f"#!{self.bin / 'python'}", *text[1:]]) + "\n")
        self.env = child_environment(home)
        self.env["PATH"] = f"{self.bin}{os.pathsep}{self.env['PATH']}"
        self._prefix = AS_USER if os.getuid() == 0 else ()
        (home / "pyproject.toml").write_text(quick_start_project())
        address = f"tcp://127.0.0.1:{free_port()}"
        processes.start(
            "volttron",
            [*self._prefix, str(self.bin / "volttron"), "-v", "--dev", "--address", address],
            env=self.env,
            cwd=home,
        )
        processes.wait_for("The platform", (home / "VOLTTRON_PID").exists, 60)

    def _script(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def vctl(self, *words: str) -> str:
        done = subprocess.run(
            [*self._prefix, str(self.bin / "vctl"), *words],
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self, identity: str) -> str:
        """The line of `vctl status` of an agent."""
        lines = self.vctl("status").splitlines()
        return next((line for line in lines if identity in line), "")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("vctl")
    with temporary_home() as home, Processes(folder) as processes:
        yield Host(folder, home, processes)


@pytest.mark.parametrize("folder", AGENTS, ids=lambda folder: folder.name)
def test_an_agent_is_installed_started_and_stays(host: Host, folder: Path, tmp_path: Path) -> None:
    identity = (folder / f"{folder.name}-default-vip-id").read_text().strip()
    (config,) = folder.glob("*.config")
    assert json.loads(config.read_text())
    built = subprocess.run(
        [sys.executable, "-c", BUILD.format(str(tmp_path))],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    wheel = tmp_path / built.stdout.strip().splitlines()[-1]
    host.vctl("install", str(wheel), "--agent-config", str(config))
    host.vctl("start", folder.name)
    # An entry point that is not an agent runs for a moment, and never connects.
    end_s = time.monotonic() + 120
    while identity not in host.vctl("peerlist"):
        assert time.monotonic() < end_s, host.status(identity)
    assert "running" in host.status(identity)
    host.vctl("stop", folder.name)
    assert "running" not in host.status(identity)


def test_the_script_by_the_distributions_name_is_the_caching_agent() -> None:
    from importlib import metadata  # noqa: PLC0415

    name = "volttron-lib-chargepoint-driver"
    (point,) = (each for each in metadata.distribution(name).entry_points if each.name == name)
    assert point.value == "chargepoint_driver.adapters.agent:main"


def test_poetry_takes_the_project_of_the_quick_start(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(quick_start_project())
    done = subprocess.run(
        [sys.executable, "-m", "poetry", "--directory", str(tmp_path), "check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
