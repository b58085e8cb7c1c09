from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .shell import Shell

Open = Callable[..., Shell]


@pytest.fixture
def shell() -> Iterator[Open]:
    """Opens shells in folders of their own, whose names are short: sockets go into them."""
    with ExitStack() as stack:

        def shell(**env: str) -> Shell:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="docs-", dir="/tmp"))
            Path(folder).chmod(0o755)
            return stack.enter_context(Shell(Path(folder), env))

        yield shell
