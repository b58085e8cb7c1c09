"""Log of a twin's recent messages."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

MAX_CHARACTERS = 4_000


class MessageLog:
    """The last frames and remarks, oldest first. Credentials never come here."""

    __slots__ = ("_entries", "_now", "news")

    def __init__(
        self, now: Callable[[], str], most: int = 50, news: Callable[[], None] = lambda: None
    ) -> None:
        """Keep the last `most` entries; `news` hears of each."""
        self.news = news
        self._now = now
        self._entries: deque[tuple[str, str, str]] = deque(maxlen=most)

    def record(self, direction: str, text: str | bytes) -> None:
        """Record a frame, `out` or `in`."""
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        self._entries.append((self._now(), direction, text[:MAX_CHARACTERS]))
        self.news()

    def remark(self, text: str) -> None:
        """Record a remark about the connection."""
        self._entries.append((self._now(), "-", text))
        self.news()

    def as_json(self) -> list[dict[str, Any]]:
        """Entries with `at` (simulated), `direction` and the frame (or text)."""
        return [
            {"at": at, "direction": direction, "frame": _loaded(text)}
            for at, direction, text in self._entries
        ]


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
