"""`chargepoint-driver examples`: the samples that the documentation names, from the package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import click

import chargepoint_driver
from chargepoint_driver.errors import InvalidValueError, NotFoundError

__all__ = ["examples"]

_ROOT = Path(chargepoint_driver.__file__).parent / "examples"
# Name in the package to what it is for.
EXAMPLES = {
    "alerts": "configs of VOLTTRON's alert agents, and a program that starts one",
    "billing": "accounts with tariffs by time of use, and a file of cost centres",
    "compose": "a compose file of a simulated garage, the page and a platform",
    "demand_response_agent.py": "an agent that sheds a port through the platform driver",
    "grafana": "Grafana boards on a SQL historian and on Prometheus, with alert rules",
    "fleet": "units and configs of nodes, PostgreSQL, NATS and haproxy",
    "haproxy": "the config of haproxy in front of the nodes of a fleet, which `fleet` has too",
    "ilc": "a config of VOLTTRON's ILC that limits a port by the point limit",
    "historians": "configs of the SQLite, PostgreSQL and forward historians",
    "systemd": "units of the platform, of its agents and of a central system",
    "tags": "a program that makes Haystack tags of the files of `discover --write`",
}
# Parts of other examples that have a name of their own.
PARTS = {"haproxy": Path("fleet") / "haproxy.cfg"}


@click.group(
    epilog="\b\nExample:\n"
    "  chargepoint-driver examples list\n"
    "  chargepoint-driver examples copy systemd historians --to /etc/chargepoint"
)
def examples() -> None:
    """List or copy the samples that the documentation names."""


@examples.command("list")
def list_() -> None:
    """List the samples, with what each is for."""
    width = max(map(len, EXAMPLES))
    for name, purpose in EXAMPLES.items():
        click.echo(f"{name:<{width}}  {purpose}")


@examples.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("chargepoint-examples"),
    show_default=True,
    help="Folder that gets the copies. It is created.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def copy(names: tuple[str, ...], folder: Path, force: bool) -> None:
    """Copy samples into a folder: those that are named, or all.

    Nothing is copied when a file exists already, unless --force is given.
    """
    unknown = [name for name in names if name not in EXAMPLES]
    if unknown:
        raise NotFoundError(
            f"no example {', '.join(unknown)}; expected one of {', '.join(EXAMPLES)}"
        )
    found = [
        (source, folder / path)
        for name in names or [name for name in EXAMPLES if name not in PARTS]
        for source, path in _files_of(name)
    ]
    there = [str(target) for _, target in found if target.exists()]
    if there and not force:
        raise InvalidValueError(
            f"{there[0]}: exists already{f', and {len(there) - 1} more' if there[1:] else ''}; "
            "copy into another folder, or replace with --force"
        )
    for source, target in found:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)  # A program stays executable.
        click.echo(str(target))


def _files_of(name: str) -> Iterator[tuple[Path, Path]]:
    """Each file of an example with its path in the copy."""
    part = PARTS.get(name)
    if part is None:
        yield from _files(_ROOT / name, Path(name))
    else:
        yield _ROOT / part, Path(name) / part.name


def _files(source: Path, path: Path) -> Iterator[tuple[Path, Path]]:
    """Each file below `source` with its path in the copy."""
    if source.is_file():
        yield source, path
        return
    for each in sorted(source.iterdir()):
        if each.name not in ("__pycache__", "__init__.py"):
            yield from _files(each, path / each.name)
