"""`make faults`: both matrices, printed; exit code 1 when a cell did not pass."""

from __future__ import annotations

import logging
import sys

from rich.console import Console

from . import matrix
from .ocpp import matrix as over_ocpp


def main() -> int:
    logging.disable()  # each fault is logged as it should be, and there are many
    console = Console(width=250)

    def say(text: str) -> None:
        console.print(text, markup=False)

    found = matrix.run(matrix.CELLS, say)
    matrix.show(found, console)
    found_over_ocpp = over_ocpp.run(over_ocpp.CELLS, say)
    over_ocpp.show(found_over_ocpp, console)
    return int(any(found.values()) or any(found_over_ocpp.values()))


if __name__ == "__main__":
    sys.exit(main())
