"""One call on its way through an operation: what was asked, of which world, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..faults import FaultsOfCall
from ..world.world import World
from .codes import NOT_FOUND, RefusalError
from .query import Query
from .reply import stamp

Row = TypeVar("Row")


@dataclass
class Call:
    """A call of an operation. `arguments` collects what a command was read as."""

    world: World
    operation: str
    query: Query
    is_5_1: bool
    faults: FaultsOfCall
    arguments: dict[str, Any] = field(default_factory=dict)

    def stamp(self, time_s: float) -> str:
        """Return a moment as the service states it, skewed when its clock is."""
        return stamp(time_s + self.faults.param("clock_skew", "seconds", 0))

    def ordered(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows in the order the service gives them."""
        return rows[::-1] if self.faults.has("reversed_order") else rows

    def page(self, query: Query, rows: Sequence[Row], size: int) -> Page[Row]:
        """Return the page that `startRecord` of the query asks for."""
        start = query.integer("startRecord")
        if start is None:
            start = 1
        if start < 1:
            raise RefusalError(NOT_FOUND, "startRecord counts from 1.")
        more = self.faults.has("endless_more")
        if self.faults.has("repeated_page"):
            start, more = 1, True
        chosen = self.ordered(rows)[start - 1 : start - 1 + size]
        return Page(start, chosen, int(more or start - 1 + len(chosen) < len(rows)))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of a longer list; `first` is the record number of the first, from 1."""

    first: int
    rows: Sequence[Row]
    more_flag: int

    def numbered(self) -> Iterator[tuple[int, Row]]:
        """(record number, row) for each row."""
        return enumerate(self.rows, self.first)


def page_size(asked: int | None, most: int) -> int:
    """Return how many records a page may have: what was asked for, at most `most`."""
    if asked is None:
        return most
    if asked < 1:
        raise RefusalError(NOT_FOUND, "The number of records must be at least 1.")
    return min(asked, most)
