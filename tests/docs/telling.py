"""Telling a story: its blocks in their order, as a reader follows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from .blocks import Block, blocks_of
from .shell import Shell


def story_of(page: Path, story: str) -> list[Block]:
    """The blocks of a story, with the outputs and files that belong to them."""
    found: list[Block] = []
    inside = False
    for block in blocks_of(page):
        if "run" in block.labels:
            inside = block.labels["run"] == story
            if inside:
                found.append(block)
        elif ("output" in block.labels and inside) or "file" in block.labels:
            found.append(block)
    return found


def tell(
    shell: Shell,
    blocks: Iterable[Block],
    change: Callable[[str], str] = str,
    stdin: str = "",
    before: Callable[[Block], None] = lambda block: None,
) -> None:
    """Run the blocks; `change` puts what is the reader's own into the commands. `before` is
    called before each block of commands."""
    said = ""
    for block in blocks:
        if "file" in block.labels:
            path = shell.folder / block.labels["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif "run" in block.labels:
            before(block)
            said = shell.run(change(block.text), stdin)
        else:
            assert_said(block, said)


def assert_said(block: Block, said: str) -> None:
    """Each line that a page shows is printed, in that order; … stands for anything."""
    rest = [" ".join(line.split()) for line in said.splitlines()]
    for wanted in filter(None, (" ".join(line.split()) for line in block.text.splitlines())):
        pattern = re.compile(".*".join(re.escape(part.strip(" ")) for part in wanted.split("…")))
        for number, line in enumerate(rest):
            if pattern.search(line):
                rest = rest[number + 1 :]
                break
        else:
            raise AssertionError(f"{block}: {wanted!r} is not in what was printed:\n{said}")
