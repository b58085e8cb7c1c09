"""What two versions of OCPP have in common is written once."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import product
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chargepoint_driver"
MAX_SAME_LINES = 5
VERSIONS = ("v16", "v201")


def lines_of(path: Path) -> list[str]:
    """The lines of a module that say something: no blank ones, no imports."""
    found = []
    is_import = False
    for line in path.read_text().splitlines():
        is_import = is_import or line.startswith(("import ", "from "))
        if line.strip() and not is_import:
            found.append(line)
        # An import in parentheses ends with its own line.
        if is_import and not line.endswith("(") and not line.startswith("    "):
            is_import = False
    return found


def repeated(one: Path, other: Path) -> list[list[str]]:
    """Runs of more than MAX_SAME_LINES lines that stand in both modules."""
    first, second = lines_of(one), lines_of(other)
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return [first[each.a : each.a + each.size] for each in blocks if each.size > MAX_SAME_LINES]


@pytest.mark.parametrize("folder", ["backends/ocpp/protocol", "simulator/ocpp"])
def test_versions_repeat_no_run_of_lines(folder: str) -> None:
    """Move what is repeated into a module that both versions import."""
    pairs = list(product(*(sorted((PACKAGE / folder / each).glob("*.py")) for each in VERSIONS)))
    assert len(pairs) > 5
    found = {(one.name, other.name): runs for one, other in pairs if (runs := repeated(one, other))}
    assert found == {}


def test_a_run_of_lines_is_found(tmp_path: Path) -> None:
    body = "\n\n".join(f"A{number} = {number}" for number in range(MAX_SAME_LINES + 1))
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(f"from a import (\n    b,\n)\n{body}\nB = 1\n")
    other.write_text(f"import c\nD = 1\n{body}\n")
    assert [len(run) for run in repeated(one, other)] == [MAX_SAME_LINES + 1]
    other.write_text(body.replace("A3", "B3"))
    assert repeated(one, other) == []
