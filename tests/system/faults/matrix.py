"""All cells, the short selection of them, and the table of what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from .cells import Cell
from .rig import DOORS, Rig
from .table import FAULTS, READS, WRITES

CALLS = (*READS, *WRITES)
CELLS = [Cell(fault, call, door) for fault in FAULTS for call in CALLS for door in DOORS]


def short() -> list[Cell]:
    """Each fault at one reading and one writing call, each call and door in turn; of what is
    slow or large the reading alone."""
    doors = list(DOORS)
    found = []
    for number, fault in enumerate(FAULTS):
        door = doors[number % len(doors)]
        found.append(Cell(fault, READS[number % len(READS)], door))
        if not (fault.slow or fault.large):
            found.append(Cell(fault, WRITES[number % len(WRITES)], door))
    return found


def run(cells: Iterable[Cell], say: Callable[[str], None]) -> dict[tuple[str, str, str], str]:
    """Return cell to what was found wrong with it, '' for nothing. `say` gets each finding."""
    found: dict[tuple[str, str, str], str] = {}
    rig = Rig()
    try:
        for cell in cells:
            try:
                cell.run(rig)
                found[cell.key] = ""
            except AssertionError as error:
                found[cell.key] = str(error) or "assertion failed"
                say(f"{cell.name}: {found[cell.key]}")
    finally:
        rig.stop()
    return found


def show(found: dict[tuple[str, str, str], str], console: Console) -> None:
    """Faults down, calls across; in each place the cells that passed of those that ran."""
    table = Table("fault", *CALLS, title="Cells passed, by fault and call")
    for fault in FAULTS:
        row = []
        for call in CALLS:
            cells = [wrong for (f, c, _), wrong in found.items() if (f, c) == (fault.name, call)]
            good = cells.count("")
            mark = "green" if good == len(cells) else "red"
            row.append(f"[{mark}]{good}/{len(cells)}[/]" if cells else "-")
        table.add_row(fault.name, *row)
    console.print(table)
    good = sum(not wrong for wrong in found.values())
    console.print(f"{good} of {len(found)} cells passed", highlight=False)
