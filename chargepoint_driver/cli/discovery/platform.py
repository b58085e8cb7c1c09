"""Storing configs in a running platform: first what would change, then the change.

VOLTTRON itself is met in a child process, since importing it patches sockets and threads.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chargepoint_driver.cli.discovery.bundle import DRIVER, Entry
from chargepoint_driver.config.texts import loads
from chargepoint_driver.errors import ChargePointError, ConfigurationError, TransientError

__all__ = ["Change", "Platform", "beside_others", "changes", "check_client", "connected"]

_STORE = "platform.config_store"
_CHILD = "chargepoint_driver.adapters.config_store_bridge"
_START_LIMIT_S = 30.0
_CALL_LIMIT_S = 30.0


@dataclass(frozen=True)
class Change:
    """Effect of storing an entry: `new`, `same` or `differs`, with the keys that differ."""

    entry: Entry
    kind: str
    detail: str = ""


def check_client() -> None:
    """Raise ConfigurationError where VOLTTRON's client libraries are not installed."""
    if importlib.util.find_spec("volttron.client") is None:
        raise ConfigurationError(
            "this needs VOLTTRON's client libraries in this Python environment: "
            "pip install 'volttron-lib-chargepoint-driver[volttron]', or run the command in "
            "the environment of the platform"
        )


class Platform:
    """A connection to a running platform."""

    def __init__(self, home: Path) -> None:
        """`home` is its VOLTTRON_HOME. Raises TransientError when no platform runs there."""
        check_client()
        if not (home / "VOLTTRON_PID").is_file():
            raise TransientError(
                f"no platform runs with VOLTTRON_HOME {home}; start it, or set VOLTTRON_HOME"
            )
        self.home = home
        self._process = subprocess.Popen(  # noqa: S603 - our own module in this interpreter
            [sys.executable, "-W", "ignore", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "VOLTTRON_HOME": str(home)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._next(_START_LIMIT_S)
        except ChargePointError:
            self.close()
            raise

    def names(self, identity: str) -> list[str]:
        """Return the names in the store of an agent."""
        return list(self._call("list_configs", identity))

    def text(self, identity: str, name: str) -> str:
        """An entry as it was stored."""
        return str(self._call("get_config", identity, name, True))

    def store(self, entry: Entry) -> None:
        """Store an entry. The driver is not informed: devices that it adds while it runs
        multiply the polls of the others, so that it must be restarted anyway."""
        tell = entry.identity != DRIVER
        self._call(
            "set_config",
            entry.identity,
            entry.name,
            entry.text,
            config_type=entry.kind,
            trigger_callback=tell,
            send_update=tell,
        )

    def auth(self, method: str, named: Mapping[str, Any]) -> Any:
        """Call a method of the platform's authorization service by named arguments."""
        return self._ask({"peer": "platform.auth", "method": method, "named": dict(named)})

    def runs(self, identity: str) -> bool:
        """Return True if an agent of that identity is connected."""
        return identity in self._ask({"peers": True})

    def close(self) -> None:
        """End the connection."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        # The pipe may be closed under this thread at the end.
        with suppress(ValueError):
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put("")

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        return self._ask({"peer": _STORE, "method": method, "args": arguments, "named": named})

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TransientError(
                f"the connection to the platform in {self.home} has ended"
            ) from None
        return self._next(_CALL_LIMIT_S)

    def _next(self, limit_s: float) -> Any:
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            line = ""
        if not line:
            raise TransientError(f"the platform in {self.home} did not answer within {limit_s:g} s")
        answer = json.loads(line)
        if "error" in answer:
            raise TransientError(f"the platform in {self.home}: {answer['error']}")
        return answer.get("result")


@contextmanager
def connected(home: Path) -> Iterator[Platform]:
    """A connection, closed afterwards."""
    platform = Platform(home)
    try:
        yield platform
    finally:
        platform.close()


def beside_others(platform: Platform, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries, with those accounts of a caching agent's stored config that the new one
    does not name: they are somebody's devices too."""
    return [_beside_others(platform, entry) for entry in entries]


def _beside_others(platform: Platform, entry: Entry) -> Entry:
    if entry.name != "config" or entry.name not in platform.names(entry.identity):
        return entry
    before = _content(platform.text(entry.identity, entry.name), entry.kind)
    accounts = before.get("accounts") if isinstance(before, dict) else None
    if not isinstance(accounts, dict):
        return entry
    ours = json.loads(entry.text)["accounts"]
    content = {**before, "accounts": {**accounts, **ours}}
    return replace(entry, text=json.dumps(content, indent=4) + "\n")


def changes(platform: Platform, entries: Sequence[Entry]) -> tuple[list[Change], list[str]]:
    """Return (what storing each entry would do, what else is worth knowing before)."""
    found = []
    stored: dict[str, dict[str, str]] = {}
    for identity in {entry.identity for entry in entries}:
        # The store does not tell capitals from small letters.
        stored[identity] = {name.lower(): name for name in platform.names(identity)}
    for entry in entries:
        name = stored[entry.identity].get(entry.name.lower())
        if name is None:
            found.append(Change(entry, "new"))
            continue
        before = platform.text(entry.identity, name)
        same = _content(before, entry.kind) == _content(entry.text, entry.kind)
        found.append(
            Change(entry, "same") if same else Change(entry, "differs", _how(before, entry))
        )
    ours = {entry.name.lower() for entry in entries}
    others = [
        name
        for low, name in stored.get(DRIVER, {}).items()
        if low.startswith("devices/") and low not in ours
    ]
    return found, _twice(platform, others, [entry for entry in entries if entry.is_device])


def _twice(platform: Platform, others: Sequence[str], devices: Sequence[Entry]) -> list[str]:
    """Stations and ports that are devices already, under another name."""
    wanted = {_identity(entry.text): entry.name for entry in devices}
    said = []
    for name in others:
        key = _identity(platform.text(DRIVER, name))
        if key is not None and key in wanted:
            said.append(
                f"{name} is the same device as {wanted[key]}; to poll it once, "
                f"remove it: vctl config delete {DRIVER} {name}"
            )
    return said


def _identity(text: str) -> tuple[Any, Any] | None:
    """Return (station, port), or which group, of a driver config of ours."""
    content = _content(text, "json")
    if not isinstance(content, dict) or content.get("driver_type") != "chargepoint":
        return None
    given = content.get("remote_config", content.get("driver_config"))
    if not isinstance(given, dict):
        return None
    if given.get("backend") == "ocpp":
        return given.get("chargePointID"), given.get("connectorId", given.get("evseId"))
    if given.get("stationGroup"):
        return "station group", str(given["stationGroup"])
    return given.get("stationID"), given.get("portNumber")


def _content(text: str, kind: str) -> Any:
    """Return what counts of a stored text: of JSON its meaning, of CSV its lines."""
    if kind == "json":
        with suppress(ValueError):
            return loads(text)
    return text.split()


def _how(before: str, entry: Entry) -> str:
    """The keys, or the number of lines, in which two texts differ."""
    old, new = _content(before, entry.kind), _content(entry.text, entry.kind)
    if isinstance(old, dict) and isinstance(new, dict):
        flat_old, flat_new = _flat(old), _flat(new)
        keys = sorted(
            key for key in {*flat_old, *flat_new} if flat_old.get(key) != flat_new.get(key)
        )
        # Values are not shown: what is stored may hold a password.
        return ", ".join(keys)
    lines = set(before.splitlines()) ^ set(entry.text.splitlines())
    return f"{len(lines)} lines"


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value
    return flat
