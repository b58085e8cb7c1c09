"""`chargepoint-driver plot`: a day of loads, limits and sheds as a picture."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import emit, note, progress
from chargepoint_driver.cli.support.drawing import draw
from chargepoint_driver.cli.support.history import day_of, last_day, read
from chargepoint_driver.errors import InvalidValueError

__all__ = ["plot"]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver plot historian.sqlite --day 2026-11-21 --zone America/Los_Angeles
\b
  chargepoint-driver plot historian.sqlite --topic campus/garage/station1 --output day.svg
"""
)
@click.argument("historian", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--day", metavar="YYYY-MM-DD", help="Day to draw.  [default: the last recorded day]")
@click.option("--topic", default="", help="Only devices below this topic, like campus/garage.")
@click.option("--zone", metavar="NAME", help="Time zone.  [default: that of this machine]")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PNG or SVG file, by its extension.  [default: load-YYYY-MM-DD.png]",
)
@json_option
def plot(
    historian: Path,
    day: str | None,
    topic: str,
    zone: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw the loads of one day from an SQLite historian, of a site or a port.

    Without a reported value there is a gap, never a zero and never a line. Needs the plot extra
    (matplotlib).
    """
    if output is not None and output.suffix.lower() not in {".png", ".svg"}:
        raise InvalidValueError(f"--output: {output} ends in neither .png nor .svg")
    place = _zone(zone)
    chosen = day or last_day(historian, place)
    try:
        start, end = day_of(chosen, place)
    except ValueError:
        raise InvalidValueError(
            f"--day: {chosen!r} is not a day; write it like 2026-11-21"
        ) from None
    shown = place or datetime.fromtimestamp(start.timestamp()).astimezone().tzinfo
    assert shown is not None
    path = output or Path(f"load-{chosen}.png")
    with progress(f"reading {historian} …"):
        histories = read(historian, start, end, topic)
    name = zone or f"{start:%Z}"
    with progress("drawing …"):
        draw(histories, path, f"{topic or 'All ports'}, {chosen}, {name}", shown)
    values = sum(len(port_history.load_kw.times) for port_history in histories)
    if as_json:
        emit({"file": str(path), "ports": [one.name for one in histories], "values": values})
    else:
        note(f"{path}: {len(histories)} ports, {values} values of load")


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError(
            f"--zone: unknown time zone {name!r}; write one like Europe/Berlin"
        ) from None
