"""Answers of RPC methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from chargepoint_driver.errors import ChargePointError

__all__ = ["answered"]


def answered(ask: Callable[[], Any]) -> Any:
    """Return what `ask` answers. A gevent.Timeout, which is no Exception, would leave the caller
    without any answer; it becomes one."""
    try:
        return ask()
    except gevent.Timeout as error:
        raise ChargePointError(f"the call was broken off: {error}") from None
