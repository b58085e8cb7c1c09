"""Errors as the hosts' callers see them: the type's name and the arguments cross RPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gevent

from chargepoint_driver.errors import ChargePointError, InvalidValueError

__all__ = ["answered", "answers_by_topic", "for_host", "message_of", "raising_for_host"]


_Target = TypeVar("_Target")


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


@contextmanager
def raising_for_host(host_error: type[Exception], broken_off: str) -> Iterator[None]:
    """Raise the host's errors for those of the project, and TimeoutError with the words of
    `broken_off` for a gevent.Timeout."""
    try:
        yield
    except ChargePointError as error:
        raise for_host(error, host_error) from None
    except gevent.Timeout as error:
        raise TimeoutError(f"{broken_off}: {error}") from None


def answers_by_topic(
    name: str, targets: Iterable[tuple[_Target, list[str]]], ask: Callable[[_Target], Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (results, errors) by topic: each target is asked once for its topics. `name` is the
    call's."""
    results: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for target, topics in targets:
        try:
            answer = ask(target)
        except (ChargePointError, TypeError) as error:
            errors |= dict.fromkeys(topics, message_of(error))
        except gevent.Timeout as error:
            errors |= dict.fromkeys(topics, f"{name} was broken off: {error}")
        else:
            results |= dict.fromkeys(topics, answer)
    return results, errors
