"""A real VOLTTRON platform and its agents as child processes, in a home of their own.

Needs only the installed packages: no poetry, no package index, no `vctl install`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.demo.errors import DemoError
from examples.demo.processes import JsonLines, Processes, pipe_of

ROOT = Path(__file__).resolve().parents[2]

START_LIMIT_S = 60.0
CALL_LIMIT_S = 60.0
# The path of the platform's socket must fit into 107 characters, whatever TMPDIR is.
MAX_HOME = 80

# VOLTTRON refuses user id 0 and has no option for it. In a user namespace root is user 1000,
# and files still belong to root.
AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class Link:
    """RPC calls to the platform's agents, and messages from its bus."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._requests = pipe_of(process.stdin)
        self._lines = JsonLines("The connection to the platform", process)
        self._messages: list[dict[str, Any]] = []
        self._last_id = 0
        self._lines.get(START_LIMIT_S)

    def call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of an RPC method of an agent. Raises DemoError with the agent's words."""
        return self._ask(
            f"{peer}.{method}", {"peer": peer, "method": method, "args": args, "kwargs": kwargs}
        )

    def subscribe(self, prefix: str) -> None:
        """From now on messages() has what is published under this topic."""
        self._ask(f"Subscribing to {prefix}", {"subscribe": prefix})

    def publish(self, topic: str, message: Any, headers: Mapping[str, str] | None = None) -> None:
        """Put a message on the bus, as any agent could."""
        request = {"publish": topic, "message": message, "headers": dict(headers or {})}
        self._ask(f"Publishing on {topic}", request)

    def messages(self) -> list[dict[str, Any]]:
        """Return what came in since the last call: dicts with topic, headers and message."""
        found = [*self._messages, *self._lines.waiting()]
        self._messages = []
        return found

    def _ask(self, what: str, request: dict[str, Any]) -> Any:
        self._last_id += 1
        try:
            self._requests.write(json.dumps({"id": self._last_id, **request}) + "\n")
            self._requests.flush()
        except BrokenPipeError:
            raise DemoError(f"{what}: the connection to the platform has ended.") from None
        while (reply := self._lines.get(CALL_LIMIT_S)).get("id") != self._last_id:
            if "topic" in reply:
                self._messages.append(reply)
        if "error" in reply:
            raise DemoError(f"{what}: {reply['error']}")
        return reply["result"]


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A VOLTTRON_HOME for one run, removed afterwards."""
    base = tempfile.gettempdir()
    fits = len(base) < MAX_HOME - len("/cp-demo-12345678")
    short = base if fits else "/tmp"  # noqa: S108  mkdtemp makes it safe
    home = Path(tempfile.mkdtemp(prefix="cp-demo-", dir=short))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Platform:
    """A platform with this home; its processes are ended by the Processes object given."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.home = home
        self._processes = processes
        self._prefix = _user_prefix()
        self._env = child_environment(home)
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        if self._link is None:
            raise ValueError("connect() comes first")
        return self._link

    def launch(self, address: str | None = None) -> None:
        """Start the platform without waiting for it. `address`: where it listens for others; by
        default a free port of this machine."""
        # `--dev` keeps it from running poetry, and asks only that this file exists.
        (self.home / "pyproject.toml").write_text('[tool.poetry]\nname = "demo"\nversion = "0"\n')
        # Its default port may belong to a platform of the user's own.
        address = address or f"tcp://127.0.0.1:{free_port()}"
        program = Path(sys.executable).parent / "volttron"
        if not program.exists():
            raise DemoError(
                f"{program} does not exist: VOLTTRON is not installed for this Python. "
                "`make demo` installs it."
            )
        self._start(
            "volttron",
            [str(program), "-v", "--dev", "--address", address, "--instance-name", "demo"],
            self._env,
        )

    def connect(self) -> None:
        """Wait for the platform and open the link to it."""
        ready = self.home / "VOLTTRON_PID"
        self._processes.wait_for("The start of the platform", ready.exists, START_LIMIT_S)
        process = self._start(
            "link", [sys.executable, "-m", "examples.demo.link"], self._env, piped=True
        )
        self._link = Link(process)

    def add_credentials(self, identity: str) -> None:
        """Let an agent of this identity connect."""
        self.link.call("platform.auth", "create_credentials", identity=identity)

    def store(self, identity: str, name: str, contents: str | Mapping[str, Any]) -> None:
        """Put a config into an agent's part of the config store; text is CSV, a mapping JSON."""
        text = contents if isinstance(contents, str) else json.dumps(contents)
        kind = "csv" if isinstance(contents, str) else "json"
        self.link.call(
            "platform.config_store",
            "set_config",
            identity,
            name,
            text,
            config_type=kind,
            trigger_callback=True,
            send_update=True,
        )

    def start_agent(
        self,
        identity: str,
        module: str | Sequence[str],
        config: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start an agent whose credentials exist. module: also with its arguments. env: what only
        this process may know."""
        agent_env = {
            **self._env,
            **(env or {}),
            "AGENT_VIP_IDENTITY": identity,
            "AGENT_CREDENTIALS": str(self.home / "credentials_store" / f"{identity}.json"),
        }
        if config is not None:
            path = self.home / f"{identity}.config"
            path.write_text(json.dumps(config))
            agent_env["AGENT_CONFIG"] = str(path)
        words = [module] if isinstance(module, str) else list(module)
        self._start(identity, [sys.executable, "-m", *words], agent_env)

    def _start(
        self, name: str, command: list[str], env: Mapping[str, str], piped: bool = False
    ) -> subprocess.Popen[str]:
        return self._processes.start(
            name, [*self._prefix, *command], env=env, cwd=self.home, piped=piped
        )


def child_environment(home: Path) -> dict[str, str]:
    """This process's environment without the traces of any other platform."""
    foreign = ("VOLTTRON_", "AGENT_", "_LAUNCHED_BY")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env.pop("PYTHONWARNINGS", None)  # VOLTTRON's own warnings must not become its errors.
    path = [str(ROOT), *filter(None, [env.get("PYTHONPATH")])]
    return {
        **env,
        "VOLTTRON_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        # The simulator is on this machine: a proxy could not find it.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _user_prefix() -> tuple[str, ...]:
    """Return what to put before a command so that VOLTTRON runs although we are root."""
    if os.getuid() != 0:
        return ()
    try:
        subprocess.run([*AS_USER, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        raise DemoError(
            "VOLTTRON does not run as root, and this system does not let root make a user "
            f"namespace ({error}). Run the demo as a normal user."
        ) from None
    return AS_USER


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
