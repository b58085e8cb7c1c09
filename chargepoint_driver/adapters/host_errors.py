"""Errors as the hosts' callers see them: the type's name and the arguments cross RPC."""

from __future__ import annotations

from chargepoint_driver.errors import ChargePointError, InvalidValueError

__all__ = ["for_host", "words"]


def for_host(error: Exception, host_error: type[Exception]) -> Exception:
    """ValueError for a value that is invalid, the host's own error for the project's
    others; anything else as it is."""
    if isinstance(error, InvalidValueError):
        return ValueError(str(error))
    return host_error(words(error)) if isinstance(error, ChargePointError) else error


def words(error: Exception) -> str:
    """The message, with the error's own code at its end for programs to find."""
    return f"{error} [{error.code}]" if isinstance(error, ChargePointError) else str(error)
