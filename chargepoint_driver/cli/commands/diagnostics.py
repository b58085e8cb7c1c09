"""`chargepoint-driver diagnostics`: what somebody needs to help, in one file, without secrets."""

from __future__ import annotations

import json
import platform
import sys
import zipfile
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from chargepoint_driver import __version__
from chargepoint_driver.cli.support.bus_rules import read_rules
from chargepoint_driver.cli.support.config_files import DeviceFile, load_device
from chargepoint_driver.cli.support.redact import plain, scrub, secrets_of
from chargepoint_driver.config import AgentConfig, FleetDevice
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.fleet_client import FleetAccount, FleetStations
from chargepoint_driver.registry import Registry
from chargepoint_driver.service import Service

__all__ = ["diagnostics"]

_PACKAGES = (
    *("volttron-core", "volttron-lib-base-driver", "volttron-platform-driver"),
    *("volttron-lib-zmq", "volttron-lib-auth", "gevent", "pydantic", "requests", "urllib3"),
    *("zeep", "lxml", "websockets", "ocpp", "aiohttp"),
)
_MAX_LINES = 2_000
_PROBLEMS = ("WARNING", "ERROR", "CRITICAL", "Traceback", "Error:", "chargepoint")

_README = """\
What is in here, made by chargepoint-driver {version} on {when}:

{contents}

Taken out: passwords, tokens and other secrets, in whatever form they were written; values of
points, which may be personal data (of each point it is said whether it could be read).
Left in: account names, station ids, endpoints, paths and the names of environment variables.
Look through it before you hand it on.
"""


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver diagnostics driver_configs/*.config "
    "--log volttron.log --read"
)
@click.argument("configs", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Log file; its latest warnings and errors are included. Repeatable.",
)
@click.option(
    "--volttron-home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Include who may write over the bus of this platform.",
)
@click.option(
    "--read", "reads", is_flag=True, help="Read each point once, and include the results."
)
@click.option(
    "--output",
    default=Path("chargepoint-diagnostics.zip"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.",
)
def diagnostics(
    configs: tuple[Path, ...],
    logs: tuple[Path, ...],
    volttron_home: Path | None,
    reads: bool,
    output: Path,
) -> None:
    """Write a support bundle with secrets removed.

    It contains versions, driver and agent configs without their secrets, their points, recent
    problems from logs, and with --read the result of reading each point. A config with errors is
    accepted: the bundle contains the errors.
    """
    if reads and not configs:
        raise click.UsageError("--read reads the points of driver configs: name some")
    bundle = _Bundle()
    bundle.add("versions.json", "versions of Python, this driver and its neighbours", _versions())
    for number, path in enumerate(configs, 1):
        _add_config(bundle, f"{number}-{path.name}", path, reads)
    if volttron_home is not None:
        bundle.add("authorization.json", "who may write over the bus", _rules(volttron_home))
    for number, path in enumerate(logs, 1):
        bundle.add(f"logs/{number}-{path.name}.txt", f"recent problems of {path}", _recent(path))
    try:
        bundle.write(output)
    except OSError as error:
        raise ConfigurationError(f"--output: {output} cannot be written ({error})") from None
    click.echo(f"{output}: {', '.join(bundle.names)}. Secrets are removed; look through it.")


class _Bundle:
    """Files to be, as text. Secrets that any of the configs knows are taken out of all."""

    def __init__(self) -> None:
        self._files: list[tuple[str, str, str]] = []
        self._secrets: set[str] = set()

    @property
    def names(self) -> list[str]:
        return ["README.txt", *(name for name, _, _ in self._files)]

    def know(self, content: Any) -> None:
        """Learn the secrets of a config."""
        self._secrets |= secrets_of(content)

    def add(self, name: str, what: str, content: Any) -> None:
        """Add a file: text, or a value for JSON."""
        text = content if isinstance(content, str) else json.dumps(content, indent=1, default=str)
        self._files.append((name, what, text))

    def write(self, path: Path) -> None:
        """Raises OSError."""
        contents = "\n".join(f"  {name}: {what}" for name, what, _ in self._files)
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        readme = _README.format(version=__version__, when=when, contents=contents)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in (("README.txt", readme), *((n, t) for n, _, t in self._files)):
                file.writestr(scrub(name, self._secrets), scrub(text, self._secrets))


def _versions() -> dict[str, Any]:
    found: dict[str, Any] = {"chargepoint-driver": __version__}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {"python": sys.version, "platform": platform.platform(), "packages": found}


def _rules(home: Path) -> dict[str, Any]:
    try:
        found = read_rules(home)
    except ConfigurationError as error:
        return {"error": str(error)}
    return {
        "writing": found.writing,
        "open to every agent": found.open,
        "rules": plain(found.rules),
    }


def _why_unread(path: Path) -> str:
    try:
        path.read_bytes()
    except OSError as error:
        return f"it cannot be read ({type(error).__name__})"
    return "it is not JSON"


def _add_config(bundle: _Bundle, name: str, path: Path, reads: bool) -> None:
    try:
        content = read_json(path).content
    except ConfigurationError:
        # Secrets in it cannot be detected.
        text = f"{path} is left out: {_why_unread(path)}; run chargepoint-driver check on it"
        bundle.add(f"configs/{name}.txt", "why a config is left out", text)
        return
    bundle.know(content)
    bundle.add(f"configs/{name}", f"{path} without secrets", plain(content))
    if isinstance(content, dict) and "accounts" in content:
        _, faults = AgentConfig.from_dict(content, str(path))
        bundle.add(f"faults/{name}.json", "what is wrong with it", faults)
        return
    try:
        device = load_device(path)
        registry = device.registry(device.registry_path())
    except ConfigurationError as error:
        bundle.add(f"faults/{name}.json", "what is wrong with it", str(error).splitlines())
        return
    bundle.add(f"faults/{name}.json", "what is wrong with it", [str(f) for f in registry.faults])
    bundle.add(f"points/{name}.json", "its points", _points(registry))
    if reads:
        bundle.add(f"reading/{name}.json", "how reading them went", _reading(device, registry))


def _points(registry: Registry) -> dict[str, Any]:
    return {
        name: {
            "attribute": point.attribute.name,
            "call": point.attribute.call,
            "target": str(point.target),
            "type": point.kind.value,
            "writable": point.writable,
            "currency_s": point.currency_s,
        }
        for name, point in registry.points.items()
    }


def _reading(device: DeviceFile, registry: Registry) -> Mapping[str, Any]:
    """Return which points could be read, the errors of the others, and what it took."""
    if isinstance(device.device, FleetDevice):
        return _reading_of_fleet(device.device, registry)
    try:
        service = Service.of_account(device.device.account)
    except ChargePointError as error:
        return {"error": error.to_dict()}
    try:
        reading = service.read(registry.points)
        return {
            "read": [name for name, value in reading.values.items() if value is not None],
            "not reported": [name for name, value in reading.values.items() if value is None],
            "errors": {name: error.to_dict() for name, error in reading.errors.items()},
            "stats": service.stats(),
        }
    finally:
        service.close()


def _reading_of_fleet(device: FleetDevice, registry: Registry) -> Mapping[str, Any]:
    stations = FleetStations(FleetAccount(device.access))
    try:
        reading = stations.read(registry.points)
    finally:
        stations.close()
    return {
        "read": [name for name, value in reading.values.items() if value is not None],
        "not reported": [name for name, value in reading.values.items() if value is None],
        "errors": {name: error.to_dict() for name, error in reading.errors.items()},
    }


def _recent(path: Path) -> str:
    """Return the latest lines that tell of problems, or of this driver."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = (line for line in file if any(word in line for word in _PROBLEMS))
            return "".join(deque(lines, _MAX_LINES)) or "no problems\n"
    except OSError as error:
        return f"{path} cannot be read ({type(error).__name__})\n"
