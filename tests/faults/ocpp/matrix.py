"""All cells, the short selection of them, and the table of what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from chargepoint_driver.errors import ChargePointError

from .cells import Cell
from .rig import DOORS, Rig
from .table import FAULTS, READS, VERSIONS, WRITES

CALLS = (*WRITES, *READS)
CELLS = [
    Cell(fault, call, door, version)
    for fault in FAULTS
    for call in CALLS
    for door in DOORS
    for version in VERSIONS
]
# Cells wait far more than they compute, and each has charge points of its own.
AT_ONCE = 8
Found = dict[tuple[str, str, str, str], str]


def short() -> list[Cell]:
    """Each fault at one call; each call, door and version in turn."""
    doors, calls = list(DOORS), [*CALLS]
    return [
        Cell(fault, calls[n % len(calls)], doors[n % 2], VERSIONS[n // 2 % 2])
        for n, fault in enumerate(FAULTS)
    ]


def run(cells: Iterable[Cell], say: Callable[[str], None]) -> Found:
    """Cell to what was found wrong with it, '' for nothing. `say` is told of each finding."""
    rigs = {door: Rig(door) for door in DOORS}

    def judge(cell: Cell) -> tuple[tuple[str, str, str, str], str]:
        rig = Rig(cell.door) if cell.fault.database else rigs[cell.door]
        try:
            cell.run(rig)
        except (AssertionError, ChargePointError) as error:
            wrong = str(error) or "assertion failed"
            say(f"{cell.name}: {wrong}")
            return cell.key, wrong
        finally:
            if cell.fault.database:
                rig.stop()
        return cell.key, ""

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(pool.map(judge, cells))
    finally:
        for rig in rigs.values():
            rig.stop()


def show(found: Found, console: Console) -> None:
    """Faults down, calls across; in each place the cells that passed of those that ran."""
    table = Table("fault of a charge point", *CALLS, title="Cells passed over OCPP")
    for fault in FAULTS:
        row = []
        for call in CALLS:
            cells = [wrong for key, wrong in found.items() if key[:2] == (fault.name, call)]
            good = cells.count("")
            mark = "green" if good == len(cells) else "red"
            row.append(f"[{mark}]{good}/{len(cells)}[/]" if cells else "-")
        table.add_row(fault.name, *row)
    console.print(table)
    good = sum(not wrong for wrong in found.values())
    console.print(f"{good} of {len(found)} cells over OCPP passed", highlight=False)
