"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The table; bars within cells are escaped."""
    head = list(head)
    return "".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def cells_of(line: str) -> list[str] | None:
    """The cells of a line of a Markdown table, None for any other line."""
    line = line.strip()
    if not line.startswith("|"):
        return None
    return [cell.strip() for cell in line.strip("|").split("|")]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
