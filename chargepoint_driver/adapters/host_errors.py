"""Errors as the hosts' callers see them: the type's name and the arguments cross RPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from chargepoint_driver.errors import ChargePointError, InvalidValueError

__all__ = ["answered", "for_host", "message_of"]


def for_host(error: Exception, host_error: type[Exception]) -> Exception:
    """ValueError for a value that is invalid, the host's own error for the project's
    others; anything else as it is."""
    if isinstance(error, InvalidValueError):
        return ValueError(str(error))
    return host_error(message_of(error)) if isinstance(error, ChargePointError) else error


def message_of(error: Exception) -> str:
    """Return the message, with the error's own code at its end for programs to find."""
    return f"{error} [{error.code}]" if isinstance(error, ChargePointError) else str(error)


def answered(ask: Callable[[], Any]) -> Any:
    """Return what `ask` answers. A gevent.Timeout, which does not derive from Exception, would
    leave the caller without any answer; it becomes one."""
    try:
        return ask()
    except gevent.Timeout as error:
        raise ChargePointError(f"the call was broken off: {error}") from None
