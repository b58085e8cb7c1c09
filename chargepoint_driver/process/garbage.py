"""Python's garbage collector in a process that serves thousands of connections.

For the processes of this package alone. The platform driver's process belongs to its host.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collections"]

# New objects before a look at them (Python's default: 700, or 2,000). Messages that are answered
# leave no cycles. With 5,000 chargers that send at once the default took a third of the processor
# time, since what is on its way is looked at again and again.
_MAX_NEW = 20_000
_MAX_YOUNG = 20


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage less often, and leave out what was made before; restore both at the end."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MAX_NEW, _MAX_YOUNG, *before[2:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
