"""Sentences of a Markdown page, without code, tables and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^ *(`{3,}|:{3,})")
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.)\s+")
_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_]*[A-Z0-9`])")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page, each on one line; code in backticks counts as one word."""
    for paragraph in paragraphs(text):
        yield from (one for one in _END.split(paragraph) if _words(one))


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs and list items, each on one line."""
    lines: list[str] = []
    fence = ""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for line in [*text.splitlines(), ""]:
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and line.strip().startswith(fence) else fence
            continue
        fence = mark[1] if mark else ""
        ends = not line.strip() or line.lstrip().startswith(("#", "|", "!"))
        if (ends or fence or _ITEM.match(line)) and lines:
            yield _plain(" ".join(lines))
            lines = []
        if not ends and not fence:
            lines.append(_ITEM.sub("", line).strip().removeprefix(": "))


def length(sentence: str) -> int:
    """Number of words."""
    return len(_words(sentence))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_][\w'’.,/%-]*", text)


def _plain(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`[^`]+`", "CODE", text)
