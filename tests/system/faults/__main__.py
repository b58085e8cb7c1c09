"""`make faults`: the matrices, printed; exit code 1 when a cell did not pass."""

from __future__ import annotations

import logging
import sys

from rich.console import Console

from tests.system.attacks import __main__ as attacks
from tests.system.attacks.attackers import ATTACKS

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
    found_with_quirks = over_ocpp.run_quirks(over_ocpp.QUIRK_CELLS, say)
    over_ocpp.show_quirks(found_with_quirks, console)
    floods = attacks.run(list(ATTACKS), console, is_short=True)
    everything = (found, found_over_ocpp, found_with_quirks)
    is_wrong = any(wrong for each in everything for wrong in each.values())
    return int(is_wrong or not all(row.is_good for row in floods))


if __name__ == "__main__":
    sys.exit(main())
