"""`make faults`: the whole matrix, printed; exit code 1 when a cell did not pass."""

from __future__ import annotations

import logging
import sys

from rich.console import Console

from . import matrix


def main() -> int:
    logging.disable()  # each fault is logged as it should be, and there are many
    console = Console(width=250)
    found = matrix.run(matrix.CELLS, lambda text: console.print(text, markup=False))
    matrix.show(found, console)
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
