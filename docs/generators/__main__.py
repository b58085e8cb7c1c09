"""The pages that are kept in the repository.

python -m docs.generators            writes them
python -m docs.generators --check    exit code 1 if one of them is old
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.generators import configuration, export, metrics, quirks

DOCS = Path(__file__).resolve().parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "reference/configuration.md": configuration.page,
    "reference/export.md": export.page,
    "reference/metrics.md": metrics.page,
    "reference/quirks.md": quirks.page,
}


def main(arguments: list[str]) -> int:
    old = [name for name, page in PAGES.items() if _text(DOCS / name) != page()]
    if "--check" in arguments:
        for name in old:
            print(f"docs/{name} is out of date; run: make docs", file=sys.stderr)
        return 1 if old else 0
    for name in old:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
