"""CONTRIBUTING.md: every file that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOTS = ("", "chargepoint_driver/")
KINDS = (
    *("point", "measurand", "reply code", "quirk", "command of the CLI", "tile of the page"),
    *("sink", "fault", "setting"),
)


def rows() -> list[list[str]]:
    """The cells of the table of what to change."""
    begin = TEXT.index("## Where do I change what?")
    lines = TEXT[begin : TEXT.index("\n## ", begin + 1)].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| a")
    ]


def paths(text: str) -> list[str]:
    """The files and folders that a text names."""
    words = re.findall(r"`([^`\s<>]+)`", text)
    return [word for word in words if "/" in word]


def is_there(path: str) -> bool:
    return any((ROOT / root / path).exists() for root in ROOTS)


def test_every_file_and_folder_exists() -> None:
    named = paths(TEXT)
    assert len(named) > 30
    assert [path for path in named if not is_there(path)] == []
    assert not is_there("catalogue/no_such_file.py")


def test_every_kind_of_change_names_what_to_change_and_a_test() -> None:
    assert [kind for kind in KINDS if not any(kind in row[0] for row in rows())] == []
    for what, change, tests in rows():
        assert paths(change), what
        assert any(path.startswith("tests/") for path in paths(tests)), what


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
