"""Standard output and error: characters that an encoding lacks, and log lines."""

from __future__ import annotations

import codecs
import logging
import sys

from chargepoint_driver.text import Visible

__all__ = ["LogHandler", "prepare_streams"]

_PLAIN = {
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u2019": "'",
    "\u2500": "-",
    "\u2192": "->",
    "\u00d7": "x",
}
# Parts of a bar that are half full or more.
_DARK, _LIGHT = "\u258c\u258b\u258a\u2589\u2588", "\u258f\u258e\u258d"


def prepare_streams() -> None:
    """Let no character end a command where the terminal's encoding lacks it (ASCII, Latin-1)."""
    codecs.register_error("chargepoint-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="chargepoint-plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return a character as ASCII: a likeness, a part of a bar, or its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(map(_likeness, found)), error.end


def _likeness(one: str) -> str:
    if one in _DARK:
        return "#"
    if one in _LIGHT:
        return " "
    return _PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode()


class LogHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Log lines on standard error, never within a progress line. `without`: a logger whose lines
    are left out below DEBUG, since the command prints the same."""

    def __init__(self, without: str | None = None) -> None:
        super().__init__()
        self._without = without
        self.addFilter(Visible())

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == self._without and logging.getLogger().level > logging.DEBUG:
            return
        from chargepoint_driver.cli.support.console import paused  # noqa: PLC0415 - rich

        with paused():
            super().emit(record)
