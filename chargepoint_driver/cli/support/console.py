"""The terminal of all commands: tables and progress for people, JSON for machines.

rich leaves colours out where the output is not a terminal, or NO_COLOR is set. Everything that is
printed pauses the progress line, so that none is left in a table or a log line.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from chargepoint_driver.errors import ChargePointError, ConfigurationError, InvalidValueError
from chargepoint_driver.text import visible_lines

__all__ = [
    "as_json",
    "asking",
    "bar",
    "can_ask",
    "clock_time",
    "complain",
    "complain_of",
    "console",
    "distinct_errors",
    "emit",
    "mark_asked",
    "note",
    "paused",
    "progress",
    "refuse_ignored",
]

as_json: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of a table."
)
"""The option that every command with an answer has."""

_BLOCKS = " ▏▎▍▌▋▊▉█"


_active: list[Status] = []
# Call, account and place of a message; what follows is the cause.
_CALLER = re.compile(r"(\w+) (\(account [^)]*\).*)", re.DOTALL)


class _Visible(Console):
    """A terminal on which text from outside does nothing: see `text`. rich's own colours and
    movements of the cursor are no text to it."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Made visible before it is laid out, so that columns fit."""
        return super().render_str(visible_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Whatever was made elsewhere."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible_lines(text), style, control)


class _Screen(_Visible):
    """Prints only while no progress line is shown."""

    def print(self, *objects: Any, **options: Any) -> None:
        with paused():
            super().print(*objects, **options)


@contextmanager
def paused() -> Iterator[None]:
    """No progress line is shown meanwhile."""
    shown = list(_active)
    for status in shown:
        status.stop()
    try:
        yield
    finally:
        for status in shown:
            if status in _active:
                status.start()


def console() -> Console:
    """Return where answers go."""
    return _Screen(highlight=False)


def _aside() -> Console:
    return _Screen(stderr=True, highlight=False)


def emit(content: Any) -> None:
    """Print one line of JSON."""
    with paused():
        click.echo(json.dumps(content))


def can_ask() -> bool:
    """Return True if somebody sits at a terminal who can answer a question."""
    return sys.stdin.isatty()


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Shows that something is under way; on a terminal only, and never in the answer."""
    # A console of its own: it draws what the others pause.
    status = _Visible(stderr=True, highlight=False).status(escape(text))
    _active.append(status)
    try:
        with status:
            yield
    finally:
        _active.remove(status)


@contextmanager
def asking(text: str) -> Iterator[None]:
    """Progress of a question to a service or a platform. Once it was asked, no error is one of
    usage; one of usage here means that it was not asked."""
    is_asked = True
    try:
        with progress(text):
            yield
    except (ConfigurationError, InvalidValueError):
        is_asked = False
        raise
    finally:
        if is_asked:
            mark_asked()


def mark_asked() -> None:
    """From now on no error of this command is one of usage."""
    if (context := click.get_current_context(silent=True)) is not None:
        context.ensure_object(dict)["asked"] = True


def note(text: str) -> None:
    """Print a sentence in addition to the answer."""
    _print(escape(text))


def complain(text: str, kind: str = "error") -> None:
    """Print a sentence about what went wrong."""
    colour = "yellow" if kind == "warning" else "red"
    _print(f"[{colour}]{kind}[/] {escape(text)}")


def complain_of(errors: Iterable[ChargePointError]) -> None:
    """Each cause once, with its code in brackets."""
    for line in distinct_errors(errors):
        complain(line)


def distinct_errors(errors: Iterable[ChargePointError]) -> list[str]:
    """Return `[code] message` of each cause, once: calls that fail alike are listed in one line."""
    calls: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        found = _CALLER.fullmatch(error.message)
        call, rest = (found[1], found[2]) if found else ("", error.message)
        named = calls.setdefault((error.code, rest), [])
        if call not in named:
            named.append(call)
    return [
        f"[{code}] {' '.join(filter(None, (', '.join(names), rest)))}"
        for (code, rest), names in calls.items()
    ]


def refuse_ignored(names: Iterable[str], why: str) -> None:
    """Raise UsageError for an option that was given and would be ignored. `names`: parameters
    of the command; `why`: the rest of the sentence, like "goes with --config"."""
    context = click.get_current_context()
    given = {click.core.ParameterSource.COMMANDLINE}
    for one in context.command.params:
        if one.name in names and context.get_parameter_source(one.name) in given:
            raise click.UsageError(f"{one.opts[0]} {why}")


def _print(text: str) -> None:
    """Lines are broken between words for people only: a search in a log needs one line."""
    screen = _aside()
    screen.print(text, soft_wrap=not screen.is_terminal)


def bar(share: float, width: int) -> str:
    """Return a share of 0 … 1 as a bar of that many characters; eighths are shown."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_BLOCKS[rest] if rest else "")).ljust(width)


def clock_time(moment: datetime) -> str:
    """Return a moment by the clock of this machine, with the name of the zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
