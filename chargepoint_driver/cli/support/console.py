"""What commands share of the terminal: tables and progress for people, JSON for machines.

rich leaves colours out where the output is no terminal, or NO_COLOR is set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

__all__ = [
    "as_json",
    "bar",
    "can_ask",
    "clock_time",
    "complain",
    "console",
    "emit",
    "note",
    "progress",
]

as_json: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines instead of a table."
)
"""The option that every command with an answer has."""

_BLOCKS = " ▏▎▍▌▋▊▉█"


def console() -> Console:
    """Where answers go."""
    return Console(highlight=False)


def _aside() -> Console:
    return Console(stderr=True, highlight=False)


def emit(content: Any) -> None:
    """One line of JSON."""
    click.echo(json.dumps(content))


def can_ask() -> bool:
    """Whether somebody sits at a terminal who can answer a question."""
    return sys.stdin.isatty()


def progress(text: str) -> AbstractContextManager[Any]:
    """Shows that something is under way; on a terminal only, and never in the answer."""
    return _aside().status(escape(text))


def note(text: str) -> None:
    """A sentence beside the answer."""
    _say(escape(text))


def complain(text: str, kind: str = "error") -> None:
    """A sentence about what went wrong."""
    colour = "yellow" if kind == "warning" else "red"
    _say(f"[{colour}]{kind}[/] {escape(text)}")


def _say(text: str) -> None:
    """Lines are broken between words for people only: whoever searches a log wants one line."""
    screen = _aside()
    screen.print(text, soft_wrap=not screen.is_terminal)


def bar(share: float, width: int) -> str:
    """A share of 0 … 1 as a bar of that many characters; eighths are shown."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_BLOCKS[rest] if rest else "")).ljust(width)


def clock_time(moment: datetime) -> str:
    """A moment by the clock of whoever sits here, with the name of the zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
