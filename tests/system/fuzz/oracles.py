"""What must hold of every value and of every message of an error, whatever came in."""

from __future__ import annotations

import math
from typing import Any

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import Unreadable


def are_values(values: Any) -> None:
    """Values that may be published."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise AssertionError(f"{name} is {value}")
        if not isinstance(value, (str, int, float, bool, dict, Unreadable, type(None))):
            raise AssertionError(f"{name} is a {type(value).__name__}")


def is_said(error: ChargePointError) -> None:
    """A message is one line and not endless, whatever the service wrote."""
    text = str(error)
    if not text.strip() or len(text) > 2_000:
        raise AssertionError(f"no message to show: {text[:300]!r}")
