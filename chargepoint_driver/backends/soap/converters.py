"""Texts of a reply into values, once. An empty text is None: not reported."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from lxml import etree

from chargepoint_driver.catalogue import Kind
from chargepoint_driver.records import Unreadable, Value

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FRACTION = re.compile(r"\.(\d+)")
_TRUTH = {"1": True, "true": True, "0": False, "false": False}

# Replies repeat the same few texts ("0", "0.000", "AVAILABLE") thousands of times.
_memo = lru_cache(maxsize=8192)


@_memo
def to_string(text: str | None) -> str | None:
    return (text.strip() or None) if text else None


@_memo
def to_float(text: str | None) -> float | Unreadable | None:
    text = to_string(text)
    if text is None:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else Unreadable(text)


@_memo
def to_integer(text: str | None) -> int | Unreadable | None:
    value = to_float(text)
    if isinstance(value, float):
        return int(value) if value.is_integer() else Unreadable(str(text).strip())
    return value


@_memo
def to_boolean(text: str | None) -> bool | Unreadable | None:
    text = to_string(text)
    if text is None:
        return None
    value = _TRUTH.get(text.lower())
    return Unreadable(text) if value is None else value


@_memo
def to_datetime(text: str | None) -> str | Unreadable | None:
    """Return ISO 8601 in UTC. A time without zone is UTC, by the service's guide."""
    text = to_string(text)
    if text is None:
        return None
    plain = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    # Before Python 3.11 a fraction must have three or six digits.
    plain = _FRACTION.sub(lambda digits: "." + digits[1][:6].ljust(6, "0"), plain, count=1)
    try:
        moment = datetime.fromisoformat(plain)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).isoformat()
    except (ValueError, OverflowError):
        return Unreadable(text)


def to_dictionary(element: etree._Element) -> dict[str, Any] | None:
    """Child name to text, to a nested dictionary, or to a list where the name repeats."""
    found: dict[str, Any] = {}
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        value: Any = to_dictionary(child) if len(child) else to_string(child.text)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    if not found and (text := to_string(element.text)) is not None:
        return {"text": text}
    return found or None


OF_TEXT: dict[Kind, Callable[[str | None], Value | Unreadable]] = {
    Kind.STRING: to_string,
    Kind.INTEGER: to_integer,
    Kind.FLOAT: to_float,
    Kind.BOOLEAN: to_boolean,
    Kind.DATETIME: to_datetime,
}


class Memo(dict[str | None, Value | Unreadable]):
    """Text to value, remembered: a look-up costs less than a call."""

    _MAX_ENTRIES = 8192

    def __init__(self, convert: Callable[[str | None], Value | Unreadable]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, text: str | None) -> Value | Unreadable:
        if len(self) >= self._MAX_ENTRIES:
            self.clear()
        value = self[text] = self._convert(text)
        return value


MEMOS = {kind: Memo(convert) for kind, convert in OF_TEXT.items()}
