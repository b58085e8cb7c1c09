"""Output of `discover`: files, or a platform's config store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from chargepoint_driver.cli.discovery.bundle import DRIVER, Bundle
from chargepoint_driver.cli.discovery.platform import Change, beside_others, changes, connected
from chargepoint_driver.cli.support.console import asking, complain, console, note
from chargepoint_driver.errors import ConfigurationError

__all__ = ["Storing", "check_writable"]


def check_writable(folder: Path) -> None:
    """Raise ConfigurationError when a folder cannot be made or written."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ConfigurationError(f"{folder}: {there} is a file; name a folder. Nothing was written")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{folder}: no permission to write in {there}; name another folder, or run as a user "
            "that may write there. Nothing was written"
        )


@dataclass(frozen=True)
class Storing:
    """Output targets: a folder and/or a VOLTTRON_HOME; None disables one."""

    folder: Path | None
    home: Path | None
    dry_run: bool
    force: bool
    as_json: bool

    @property
    def is_wanted(self) -> bool:
        return self.folder is not None or self.home is not None

    def store(self, made: Bundle, *, with_agent: bool) -> dict[str, Any]:
        """Print what is left out, write and deploy, and return the result. The agent's config is
        deployed only `with_agent`: it is of use where the devices name the agent."""
        answer: dict[str, Any] = {"left_out": list(made.left_out)}
        for line in made.left_out:
            complain(f"left out: {line}", "warning")
        if not made.devices:
            raise ConfigurationError("there is no station with a port; nothing to make devices of")
        if self.folder is not None:
            paths = made.write(self.folder, self.force)
            answer["written"] = [str(path) for path in paths]
            note(f"{len(paths)} files in {self.folder}: {len(made.devices)} devices")
        if self.home is not None:
            entries = made.entries
            if not with_agent:
                entries = tuple(entry for entry in entries if entry.identity == DRIVER)
            plan = _deploy(Bundle(entries), self.home, self.dry_run, self.force, self.as_json)
            answer["changes"] = plan
        return answer


def _deploy(
    made: Bundle, home: Path, dry_run: bool, force: bool, as_json: bool
) -> list[dict[str, str]]:
    """Show, and unless `dry_run` store, what is new or (with force) differs."""
    with asking(f"asking the platform in {home} …"), connected(home) as platform:
        found, warnings = changes(platform, beside_others(platform, made.entries))
        if not as_json:
            _show_changes(found)
        for warning in warnings:
            complain(warning, "warning")
        differ = [change for change in found if change.kind == "differs"]
        todo = [change.entry for change in found if change.kind != "same"]
        runs = platform.runs(DRIVER)
        if dry_run:
            note(f"dry run: nothing was stored; {len(todo)} entries would be")
        elif differ and not force:
            raise ConfigurationError(
                f"{len(differ)} entries of the store differ from what would be stored (above); "
                "give --force to replace them. Nothing was stored"
            )
        else:
            for entry in todo:
                platform.store(entry)
            note(f"{len(todo)} entries stored")
        if any(entry.identity == DRIVER for entry in todo):
            note(
                f"{DRIVER} is running: restart it to take the devices up (vctl restart), since "
                "devices that are added while it runs multiply the polls of the others"
                if runs
                else f"{DRIVER} is not running; it takes the devices up when it starts"
            )
    return [
        {
            "agent": one.entry.identity,
            "name": one.entry.name,
            "change": one.kind,
            "keys": one.detail,
        }
        for one in found
    ]


def _show_changes(found: Sequence[Change]) -> None:
    colours = {"new": "green", "same": "dim", "differs": "yellow"}
    table = Table("Change", "Agent", "Entry", "What differs")
    for change in found:
        table.add_row(
            f"[{colours[change.kind]}]{change.kind}[/]",
            escape(change.entry.identity),
            escape(change.entry.name),
            escape(change.detail),
        )
    console().print(table)
