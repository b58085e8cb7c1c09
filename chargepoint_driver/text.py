"""Text from outside on its way to a terminal, a log or a CSV: nothing in it acts there.

Names, ids, vendor texts and errors of peers may hold anything. Here control characters (C0, C1),
line separators, marks of direction and invisible characters become escapes, and a cell of a CSV
is not a formula. Every logger of this package is from `get_logger`, every terminal from
`cli.support.console`, every CSV from `csv_text`.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import traceback
from collections.abc import Iterable, Sequence

__all__ = ["Visible", "csv_text", "get_logger", "visible", "visible_lines"]

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_ANY = re.compile(f"[{_HIDDEN}\t\n]")
_BUT_LINES = re.compile(f"[{_HIDDEN}]")
# Also the wide forms, which spreadsheets take for the narrow ones.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")


def visible(text: str) -> str:
    r"""Return a text on one line: `\n`, `\x1b`, `\u202e` in place of what would act."""
    return text if text.isascii() and text.isprintable() else _ANY.sub(_escape, text)


def visible_lines(text: str) -> str:
    """The same, with its line feeds and tabs."""
    return text if text.isascii() and text.isprintable() else _BUT_LINES.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV. What is None is empty; text is visible, and no text is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """Return a cell. Numbers and what is None stay as they are."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    begin = text.lstrip()[:1]
    return f"'{visible(text)}" if begin in _FORMULA and begin else visible(text)


class Visible(logging.Filter):
    """Makes a record's message and traceback visible: at a logger for every handler, at a handler
    for the loggers of other packages too."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - logging reports it where the record is written
            return True
        shown = visible(message)
        if shown != message:
            record.msg, record.args = shown, None
        if record.exc_info and record.exc_text is None:
            lines = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = visible_lines(lines)
        return True


_VISIBLE = Visible()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module; what it logs is visible."""
    logger = logging.getLogger(name)
    logger.addFilter(_VISIBLE)
    return logger
