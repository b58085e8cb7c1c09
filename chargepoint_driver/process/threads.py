"""Threads and what they wait for: the standard library's, or greenlets where a host runs those.

Where gevent has replaced the standard library's threads, both are the same. Classic VOLTTRON
replaces sockets and leaves threads as they are. There a wait of the standard library stops every
greenlet, so its adapter calls `use` before anything is made. The standard library is not changed:
patched late, `threading` keeps a process from ever ending.

Only what is waited for with a call under way needs this. A lock that guards a table and is never
held over a wait stays a `threading.Lock`.
"""

from __future__ import annotations

import threading
from types import ModuleType, SimpleNamespace
from typing import Any

__all__ = ["Condition", "Event", "Lock", "Thread", "current_thread", "greenlets", "use"]

_kind: ModuleType | SimpleNamespace = threading


def use(kind: SimpleNamespace | None) -> None:
    """Make the threads of this package with another kind from now on: `Thread`, `Event`, `Lock`,
    `Condition` and `current_thread` as `threading` has them. None: the standard library's."""
    global _kind  # noqa: PLW0603 - one kind for the process
    _kind = threading if kind is None else kind


def greenlets() -> bool:
    """Return whether `use` has replaced the standard library's."""
    return _kind is not threading


def Thread(**arguments: Any) -> threading.Thread:  # noqa: N802 - named as the classes that it makes
    """Return a thread: `target`, `name` and `daemon` as of `threading.Thread`."""
    made: threading.Thread = _kind.Thread(**arguments)
    return made


def Event() -> threading.Event:  # noqa: N802
    """Return an event."""
    made: threading.Event = _kind.Event()
    return made


def Lock() -> Any:  # noqa: N802
    """Return a lock that may be held over a wait."""
    return _kind.Lock()


def Condition() -> threading.Condition:  # noqa: N802
    """Return a condition."""
    made: threading.Condition = _kind.Condition()
    return made


def current_thread() -> threading.Thread:
    """Return the thread that runs."""
    found: threading.Thread = _kind.current_thread()
    return found
