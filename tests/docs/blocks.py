"""Fenced blocks of a page, and the action that the comment above each asks for.

    <!-- run STORY -->          commands; the blocks of a story are run in order, in one shell
    <!-- output -->             what the commands above print; … stands for anything
    <!-- file NAME -->          written as a file before the story goes on
    <!-- load KIND -->          a config, loaded as the program does it
    <!-- serve -->             a command that runs on: it prints when it is ready; a signal ends it
    <!-- python -->            a program
    <!-- make -->              targets of the Makefile; what they do has tests of its own
    <!-- install -->            pip commands: the requirements are looked at, nothing is fetched
    <!-- row TABLE -->          a row that test_adding_a_point.py adds to that table
    <!-- shown: REASON -->      neither run nor loaded, and why not

`file` and `load` may stand together: `<!-- file NAME, load KIND -->`. A block without such a
comment is an error: nothing is left out by accident.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
KINDS = {
    "run", "output", "file", "load", "serve", "python", "make", "install", "row", "shown", "sphinx"
}  # fmt: skip

_FENCE = re.compile(r"^(\s*)(`{3,})\s*(\S*)\s*$")
_LABEL = re.compile(r"^\s*<!--\s*(.+?)\s*-->\s*$")


@dataclass(frozen=True)
class Block:
    """One block: its page and line, its labels (kind to the words behind it), its text."""

    page: str
    line: int
    language: str
    labels: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page. Raises ValueError for one that does not say what it is for."""
    found: list[Block] = []
    label, opened = "", None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is not None:
            start, ticks, language = opened
            if fence and fence[2] == ticks and not fence[3]:
                text = textwrap.dedent("\n".join(lines)) + "\n"
                found.append(
                    Block(path.name, start, language, _labels(label, language, path, start), text)
                )
                label, opened = "", None
            else:
                lines.append(line)
        elif fence:
            opened, lines = (number, fence[2], fence[3]), []
        elif comment := _LABEL.match(line):
            label = comment[1]
        elif line.strip():
            label = ""
    return found


def _labels(label: str, language: str, path: Path, line: int) -> dict[str, str]:
    if language.startswith("{"):
        return {"sphinx": ""}
    if label.startswith("shown:"):
        return {"shown": label.removeprefix("shown:").strip()}
    labels = {}
    for part in filter(None, label.split(",")):
        kind, _, words = part.strip().partition(" ")
        labels[kind] = words.strip()
    unknown = set(labels) - KINDS
    if not labels or unknown:
        raise ValueError(
            f"{path.name}:{line}: the block does not say what it is for"
            f"{f' (unknown: {unknown})' if unknown else ''}; see tests/docs/blocks.py"
        )
    return labels


def all_pages() -> list[Path]:
    """All pages of the docs, in every folder."""
    return sorted(DOCS.rglob("*.md"))


def page_of(name: str) -> Path:
    """The page with a file name, which only one folder has."""
    (path,) = DOCS.rglob(name)
    return path


def pages() -> list[Path]:
    """The pages whose blocks all say what they are for."""
    return [path for path in all_pages() if path.name not in ELSEWHERE]


ELSEWHERE = {
    # Held by test_other_pages.py, and by tests of what they are about.
    "access.md",
    "agent.md",
    "cli.md",
    "demand-response.md",
    "measurements.md",
    "ocpp.md",
    "points.md",
    "quality.md",
    "quirks.md",
    "twins.md",
    "web.md",
}
