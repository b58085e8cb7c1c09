"""Pages of lists: `limit` and `after` of a request, and `after` of its answer."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from chargepoint_driver.errors import InvalidValueError

__all__ = ["MAX_LIMIT", "cursor", "limit_of", "page_of", "read_cursor", "sorted_page_of"]

MAX_LIMIT = 1_000
_MAX_CHARS = 1_000
_Item = TypeVar("_Item")
_Key = tuple[Any, ...]


def page_of(
    query: Mapping[str, str], items: Iterable[_Item], key: Callable[[_Item], _Key]
) -> tuple[list[_Item], str | None]:
    """Return the page of a list in its own order, and the `after` of the next one, None after the
    last. `key`: strings and numbers that name an item, each item once. Without `limit` all items
    are on one page. Raises InvalidValueError, also where the last item of the page before is not
    in the list any more: what follows is then not known."""
    found, after = list(items), query.get("after", "")
    first = 0
    if after:
        last = read_cursor(after)
        places = [number for number, item in enumerate(found, 1) if key(item) == last]
        if not places:
            raise InvalidValueError("after: the list has changed; begin again without after")
        first = places[0]
    return _cut(query, found[first:], key)


def sorted_page_of(
    query: Mapping[str, str], items: Iterable[_Item], key: Callable[[_Item], _Key]
) -> tuple[list[_Item], str | None]:
    """Return the page of a list in the order of `key`, and the `after` of the next one, None after
    the last. What came or went between two pages changes no other item. Raises
    InvalidValueError."""
    found, after = sorted(items, key=key), query.get("after", "")
    if after:
        last = read_cursor(after)
        try:
            found = [item for item in found if key(item) > last]
        except TypeError:
            raise InvalidValueError("after: is not of this list") from None
    return _cut(query, found, key)


def _cut(
    query: Mapping[str, str], items: list[_Item], key: Callable[[_Item], _Key]
) -> tuple[list[_Item], str | None]:
    limit = limit_of(query)
    if limit is None or len(items) <= limit:
        return items, None
    return items[:limit], cursor(key(items[limit - 1]))


def limit_of(query: Mapping[str, str]) -> int | None:
    """Return the items of a page, None for all. Raises InvalidValueError."""
    text = query.get("limit")
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidValueError(f"limit: must be a whole number from 1 to {MAX_LIMIT}")


def cursor(key: _Key) -> str:
    """Return a key as `after`."""
    text = json.dumps(key, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> _Key:
    """Return the key of an `after`. Raises InvalidValueError."""
    try:
        padded = text[:_MAX_CHARS] + "=" * (-len(text[:_MAX_CHARS]) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(e, (str, int, float)) for e in found):
        raise InvalidValueError("after: must be the value of after in the answer before")
    return tuple(found)
