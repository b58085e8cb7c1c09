"""Log lines that a flood cannot multiply, and the counters behind them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from chargepoint_driver.text import visible

__all__ = ["RateLimitedLog"]

_INTERVAL_S = 60.0
# Lines of one kind in an interval, over all addresses and ids.
_MAX_LINES = 10
# Pairs of kind and origin that are remembered; the oldest is forgotten first.
_MAX_ORIGINS = 1_000
_MAX_CHARS = 200


class RateLimitedLog:
    """Logs each kind of event at most once a minute for each origin, and counts all of them.

    An origin is an address and an id. One kind has at most 10 lines a minute over all origins.
    Thread-safe. Do not call it from a signal handler: logging takes locks.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        interval_s: float = _INTERVAL_S,
        max_lines: int = _MAX_LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._logger = logger
        self._interval_s = interval_s
        self._max_lines = max_lines
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        # (kind, address, id) -> time of its last line
        self._origins: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        # kind -> [begin of its interval, lines in it, events without a line since the last line]
        self._kinds: dict[str, list[float]] = {}

    def warning(self, kind: str, *, address: str = "", name: str = "", reason: str = "") -> bool:
        """Count an event, and log it at WARNING where its turn has come.

        `kind` is the counter's name, for example `wrong_passwords`; keep the number of kinds
        small. `name` is the id that the peer gave, `reason` what is wrong and what to do. Text
        from outside may be passed as it came. Returns whether a line was written.
        """
        return self._log(logging.WARNING, kind, address, name, reason)

    def info(self, kind: str, *, address: str = "", name: str = "", reason: str = "") -> bool:
        """The same at INFO, for what is in order."""
        return self._log(logging.INFO, kind, address, name, reason)

    def error(self, kind: str, *, address: str = "", name: str = "", reason: str = "") -> bool:
        """The same at ERROR."""
        return self._log(logging.ERROR, kind, address, name, reason)

    def counts(self) -> dict[str, int]:
        """Events by kind since the start, those without a line included."""
        with self._lock:
            return dict(self._counts)

    def _log(self, level: int, kind: str, address: str, name: str, reason: str) -> bool:
        with self._lock:
            self._counts[kind] += 1
            missed = self._missed((kind, address, name), self._clock())
            total = self._counts[kind]
        if missed is None:
            return False
        where = ", ".join(
            part for part in (visible(address), f"id '{visible(name)}'" if name else "") if part
        )
        since = f"; {missed} more without a line since the last one" if missed else ""
        self._logger.log(
            level,
            "%s%s: %s (%d in all%s)",
            kind.replace("_", " "),
            f" from {where[: 2 * _MAX_CHARS]}" if where else "",
            visible(reason)[:_MAX_CHARS] or "refused",
            total,
            since,
        )
        return True

    def _missed(self, origin: tuple[str, str, str], now_s: float) -> int | None:
        """Return the events of this kind without a line since its last line; None: no line now."""
        origin = origin[0], origin[1][:_MAX_CHARS], origin[2][:_MAX_CHARS]
        kind = self._kinds.setdefault(origin[0], [now_s, 0, 0])
        if now_s - kind[0] >= self._interval_s:
            kind[0], kind[1] = now_s, 0
        before_s = self._origins.get(origin)
        is_recent = before_s is not None and now_s - before_s < self._interval_s
        if is_recent or kind[1] >= self._max_lines:
            kind[2] += 1
            return None
        self._origins[origin] = now_s
        self._origins.move_to_end(origin)
        if len(self._origins) > _MAX_ORIGINS:
            self._origins.popitem(last=False)
        missed, kind[1], kind[2] = int(kind[2]), kind[1] + 1, 0
        return missed
