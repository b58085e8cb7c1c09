"""Text from outside in logs, terminals and CSV: nothing in it acts, whatever its source."""

from __future__ import annotations

import ast
import csv
import io
import logging
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.cli.discovery import bundle
from chargepoint_driver.cli.support import console
from chargepoint_driver.cli.support.streams import LogHandler
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.reports import as_csv
from chargepoint_driver.service import session_reports
from chargepoint_driver.text import csv_text, get_logger, visible, visible_lines

SOURCES = Path(bundle.__file__).parents[2]
# Clears the screen, sets the title, a C1 sequence, right to left, a line of its own.
HOSTILE = "A\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\u2066\r\nERROR all is well\u2028\x00"
ACTS = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) in {"Cc", "Cs"}]
MARKS = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "\uff20a"]


def is_harmless(text: str, but: str = "") -> bool:
    return not any(one in text for one in [*ACTS, *MARKS] if one not in but)


def test_every_character_that_acts_is_shown() -> None:
    assert is_harmless(visible("".join(ACTS + MARKS)))
    assert is_harmless(visible_lines("".join(ACTS + MARKS)), but="\n\t")
    assert visible("a\x1b\u202e\n") == "a\\x1b\\u202e\\n"


@pytest.mark.parametrize("text", ["", "Garage 3", "Zürich–Süd 東京 😀", "C:\\new", "['a']"])
def test_what_does_not_act_stays(text) -> None:
    assert visible(text) == visible_lines(text) == text


# ---- logs -----------------------------------------------------------------------------------


def test_no_module_logs_or_writes_another_way() -> None:
    """Loggers are from `get_logger`, terminals from `console`, CSV from `csv_text`."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            first = ast.unparse(node.args[0]) if node.args else ""
            if called == "logging.getLogger" and first not in {
                "",
                "'chargepoint_driver'",
                "'zeep'",  # its level only
                "'aiokafka'",  # its level only
            }:
                found.append((name, called))
            if called in {"csv.writer", "csv.DictWriter", "Console", "rich.print"}:
                found.append((name, called))
    assert sorted(found) == [("text.py", "csv.writer"), ("text.py", "logging.getLogger")]


def lines_of(handler: logging.Handler, stream: io.StringIO, log: logging.Logger) -> list[str]:
    log.addHandler(handler)
    try:
        log.warning("vendor %s, %d", HOSTILE, 5)
        log.warning(HOSTILE)
        try:
            raise ValueError(HOSTILE)
        except ValueError as error:
            log.warning("failed: %s", error, exc_info=True)
    finally:
        log.removeHandler(handler)
    return stream.getvalue().split("\n")


def test_a_log_line_is_one_line_for_any_handler() -> None:
    stream = io.StringIO()
    found = lines_of(logging.StreamHandler(stream), stream, get_logger("chargepoint_driver.x"))
    assert all(is_harmless(line) for line in found)
    assert found[0].startswith("vendor A\\x1b[2J")
    assert found[0].endswith("\\x00, 5")
    assert not any(line.startswith("ERROR all") for line in found[:3])


def test_lines_of_other_packages_are_visible_on_standard_error(monkeypatch) -> None:
    stream = io.StringIO()
    handler = LogHandler()
    handler.setStream(stream)
    found = lines_of(handler, stream, logging.getLogger("some.library"))
    assert all(is_harmless(line) for line in found)


def test_the_rate_limited_log(caplog) -> None:
    log = RateLimitedLog(get_logger("chargepoint_driver.y"))
    log.warning("refused", address=HOSTILE, name=HOSTILE, reason=HOSTILE)
    assert is_harmless(caplog.messages[0])
    assert "\\x1b" in caplog.messages[0]


# ---- terminals ------------------------------------------------------------------------------


def on_terminal(what: Any) -> str:
    out = io.StringIO()
    screen = console._Screen(file=out, force_terminal=True, width=200, color_system=None)
    screen.print(what)
    return out.getvalue()


def table_of(cell: Any) -> Table:
    table = Table("A", "B")
    table.add_row(cell, "x")
    return table


@pytest.mark.parametrize(
    "what",
    [
        escape(HOSTILE),
        Text(HOSTILE),
        Text.assemble(("x ", "bold"), HOSTILE),
        table_of(escape(HOSTILE)),
        table_of(Text(HOSTILE)),
        Table(title=escape(HOSTILE)),
        Table(escape(HOSTILE)),
    ],
)
def test_nothing_acts_on_a_terminal(what) -> None:
    shown = on_terminal(what)
    assert is_harmless(shown, but="\n")
    assert "owned" in shown or isinstance(what, Table)


def test_notes_and_complaints(capsys) -> None:
    console.note(HOSTILE)
    console.complain(HOSTILE)
    console.complain(HOSTILE, "warning")
    found = capsys.readouterr().err
    assert is_harmless(found, but="\n")
    assert found.count("owned") == 3


def test_columns_fit_the_text_as_it_is_shown() -> None:
    lines = on_terminal(table_of("a\x1b\x1b\x1bb")).splitlines()
    assert len({len(line) for line in lines if line.strip()}) == 1


# ---- CSV ------------------------------------------------------------------------------------


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def month_row(value: str) -> dict[str, Any]:
    return dict.fromkeys(queries._FIELDS, value)


WRITERS = {
    "csv_text": lambda value: csv_text([["a"], [value]]),
    "header": lambda value: csv_text([[value]]),
    "as_csv": lambda value: as_csv(["a"], [{"a": value}]),
    "transactions": lambda value: queries.transactions_csv([month_row(value)]),
    "sessions": lambda value: session_reports.as_csv(
        [dict.fromkeys(session_reports._FIELDS, value)]
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("value", [*FORMULAS, HOSTILE])
def test_no_cell_is_a_formula_or_acts(writer, value) -> None:
    rows = cells(WRITERS[writer](value))
    for cell in rows[-1]:
        assert is_harmless(cell)
        if value != HOSTILE:
            assert cell.startswith("'"), cell


def test_numbers_stay_numbers_and_none_is_empty() -> None:
    assert csv_text([[-1.5, None, 0, "a,b"]]) == '-1.5,,0,"a,b"\n'
