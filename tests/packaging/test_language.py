"""Rules of the language in code: docstrings say what a thing is or does, in plain words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIDDLES = {"What", "Who", "Which", "Whether", "How", "Where", "When", "Why"}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("package", ["chargepoint_driver", "examples", "agents", "bench"])
def test_no_docstring_opens_like_a_question(package: str) -> None:
    """A module or class begins with a noun, a function with a verb."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                first = text.split()[0].strip(",:")
                if first in RIDDLES:
                    found.append(f"{path.relative_to(ROOT)}: {text.splitlines()[0]}")
    assert found == []
