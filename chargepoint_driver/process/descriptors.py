"""File descriptors of this process: how many it may have, and how many are kept for its own use."""

from __future__ import annotations

import resource
from contextlib import suppress

__all__ = ["RESERVED", "max_accepted", "raise_soft_limit"]

# Kept for the service's calls, the database, command files and logs.
RESERVED = 64
# A descriptor above this is of no use to a process, whatever the hard limit.
_MAX_WANTED = 1 << 17


def raise_soft_limit() -> int:
    """Raise the soft limit of open files to the hard one; the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_WANTED if hard == resource.RLIM_INFINITY else min(hard, _MAX_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _MAX_WANTED if soft == resource.RLIM_INFINITY else soft


def max_accepted() -> int:
    """Return the highest descriptor that an accepted connection may have.

    The system hands out the lowest free descriptor. One at this number or above means that
    what is left is reserved.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MAX_WANTED if soft == resource.RLIM_INFINITY else soft
    return limit - min(RESERVED, limit // 4)
