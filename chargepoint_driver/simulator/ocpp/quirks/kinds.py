"""One row of the table of quirks, and the checks of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...faults import Parameter


@dataclass(frozen=True)
class Kind:
    """A row of the table: what it does, and its parameters."""

    effect: str
    parameters: Mapping[str, Parameter]


def one_of(*choices: Any) -> Callable[[Any], bool]:
    """Return a check for one of these values."""
    return lambda value: value in choices and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Return True for a whole number from 0 to 100000."""
    return type(value) is int and 0 <= value <= 100_000


def is_seconds(value: Any) -> bool:
    """Return True for a number of seconds, at most a day in either direction."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 86_400


def is_texts(value: Any) -> bool:
    """Return True for a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_text(value: Any) -> bool:
    """Return True for a text."""
    return isinstance(value, str)


def texts(wanted: str, default: Any = ...) -> Parameter:
    """Return a parameter that is a list of texts."""
    return Parameter(is_texts, wanted, default)


def choice(*choices: str, default: Any = ...) -> Parameter:
    """Return a parameter that is one of these texts."""
    return Parameter(one_of(*choices), f"one of {', '.join(choices)}", default)


def flag(default: bool) -> Parameter:
    """Return a parameter that is true or false."""
    return Parameter(lambda value: isinstance(value, bool), "true or false", default)
