"""`chargepoint-driver check`: faults in files, before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from chargepoint_driver.billing.cost_centres import CostCentres
from chargepoint_driver.cli.support import classic
from chargepoint_driver.cli.support.bus_rules import BusRules, read_rules
from chargepoint_driver.cli.support.config_files import (
    DeviceFile,
    as_boolean,
    as_object,
    is_agents,
    load_device,
    load_registry,
)
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import console, emit, progress
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.exposure import exposures
from chargepoint_driver.config import AgentConfig, BillingConfig
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import Registry, RegistryFile, read_file

__all__ = ["check"]


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver check driver_configs/*.config registry_configs/*.csv"
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--volttron-home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also report who may write over the bus of the platform with this VOLTTRON_HOME.",
)
@click.option(
    "--host",
    type=click.Choice(["modular", "classic"]),
    default="modular",
    show_default=True,
    help="VOLTTRON version that runs them; classic is 8 or 9.",
)
@json_option
def check(files: tuple[Path, ...], volttron_home: Path | None, host: str, as_json: bool) -> None:
    """Check registry CSVs, driver configs and configs of the caching agent.

    A registry that a config names is checked for that device, any other one alone. The exit code is
    0 without errors (warnings do not count), else 1.
    """
    if not files and volttron_home is None:
        raise click.UsageError("Missing argument 'FILES...': name what to check")
    with progress(f"checking {len(files)} files …"):
        report = _check(files, _Report(classic=host == "classic"))
        if volttron_home is not None:
            report.add_rules(volttron_home)
    report.show(len(files), as_json)
    if report.faults:
        raise SystemExit(SOME_FAILED)


def _check(files: tuple[Path, ...], report: _Report) -> _Report:
    devices: list[DeviceFile] = []
    for path in files:
        if path.suffix.lower() != ".csv":
            try:
                given = read_json(path)
                report.warn(given.warnings)
                content = as_object(path, given.content)
                report.warn(exposures(content, path))
                if is_agents(content):
                    report.faults.update(dict.fromkeys(_faults_of_accounts(content, path)))
                else:
                    devices.append(load_device(path, content))
            except ConfigurationError as error:
                report.fault(error)
    by_name = _by_name(files)
    seen: dict[Path, RegistryFile] = {}
    for device in devices:
        report.warn_about(device)
        own = device.own_registry()
        if own is not None:
            report.add(own, device)
            continue
        try:
            registry_path = device.registry_path(by_name)
            if registry_path not in seen:
                seen[registry_path] = read_file(registry_path)
            report.add(device.registry(registry_path, seen[registry_path]), device)
        except ConfigurationError as error:
            report.fault(error)
    for path in files:
        if path.suffix.lower() == ".csv" and path not in seen:
            try:
                report.add(load_registry(path))
            except ConfigurationError as error:
                report.fault(error)
    return report


def _faults_of_accounts(content: dict[str, Any], path: Path) -> list[str]:
    """Return the faults of a config of accounts, else those of its file of cost centres. Raises
    ConfigurationError."""
    faults = AgentConfig.from_dict(content, str(path))[1]
    centres = None if faults else BillingConfig.from_dict(content).cost_centres
    if centres is not None:
        CostCentres.read(centres)
    return faults


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(path.name, []).append(path)
    return found


class _Report:
    """Faults and warnings as lines, each once."""

    def __init__(self, *, classic: bool = False) -> None:
        self._classic = classic
        # In the order in which they were found.
        self.faults: dict[str, None] = {}
        self.warnings: dict[str, None] = {}
        self.points = 0
        self._rules: BusRules | None = None

    def fault(self, error: ConfigurationError) -> None:
        self.faults.update(dict.fromkeys(str(error).splitlines()))

    def warn(self, lines: Iterable[str]) -> None:
        """Take warnings in."""
        self.warnings.update(dict.fromkeys(lines))

    def add_rules(self, home: Path) -> None:
        """Take in who may write over a platform's bus."""
        try:
            self._rules = read_rules(home)
            self.warn(self._rules.warnings())
        except ConfigurationError as error:
            self.fault(error)

    def _warn(self, line: str) -> None:
        self.warn([line])

    def add(self, registry: Registry, device: DeviceFile | None = None) -> None:
        """Take in what is wrong with a registry, also as that of a device."""
        self.points += len(registry.points)
        beat = device.heart_beat if device is not None else None
        if device is not None and beat and beat.rsplit("/", 1)[-1] in registry.points:
            self.fault(
                ConfigurationError(
                    f"{device.path}: heart_beat_point: {beat!r} is a point of the registry, which "
                    "each beat would write; leave heart_beat_point out"
                )
            )
        for fault in registry.faults:
            self.fault(ConfigurationError(str(fault)))
        for warning in registry.warnings:
            self._warn(str(warning))
        if self._classic and device is not None:
            self.warn(classic.of_registry(device, registry))

    def warn_about(self, device: DeviceFile) -> None:
        """Print warnings about what the platform does differently from what a user may expect."""
        content, path = device.content, device.path
        if self._classic:
            faults, warnings = classic.of_device(device)
            self.warn(warnings)
            for line in faults:
                self.fault(ConfigurationError(line))
            return
        heart_beat = device.heart_beat
        if heart_beat and "/" not in heart_beat:
            self._warn(
                f"{path}: heart_beat_point: {heart_beat!r} is a bare name, answered in the driver "
                f"and shown nowhere; write a full topic (devices/…/{heart_beat}) or leave it out"
            )
        if not (
            as_boolean(content.get("publish_depth_first_all"))
            and content.get("all_publish_interval")
        ):
            self._warn(
                f"{path}: publish_depth_first_all and all_publish_interval: not set, so that SQL "
                "historians store nothing; set them to true and to seconds to record this device"
            )

    def show(self, files: int, as_json: bool) -> None:
        if as_json:
            rules = {} if self._rules is None else {"writing": self._rules.writing}
            emit(
                {
                    "faults": list(self.faults),
                    "warnings": list(self.warnings),
                    "points": self.points,
                    **rules,
                }
            )
            return
        screen = console()
        for line in self.faults:
            screen.print(f"[bold red]fault[/]    {escape(line)}", soft_wrap=True)
        for line in self.warnings:
            screen.print(f"[yellow]warning[/]  {escape(line)}", soft_wrap=True)
        colour = "red" if self.faults else "green"
        screen.print(
            f"[{colour}]{files} files, {self.points} points, {len(self.faults)} faults, "
            f"{len(self.warnings)} warnings[/]",
            soft_wrap=True,
        )
