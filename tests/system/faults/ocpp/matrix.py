"""All cells, the short selection of them, and the table of what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from chargepoint_driver.errors import ChargePointError

from .cells import Cell
from .quirk_cells import QuirkCell
from .quirk_table import QUIRK_ROWS
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
QUIRK_CELLS = [
    QuirkCell(row, door, version)
    for row in QUIRK_ROWS
    for door in DOORS
    for version in row.versions
]
# Cells wait far more than they compute, and each has charge points of its own.
AT_ONCE = 8
Found = dict[tuple[str, ...], str]
Tell = Callable[[str], None]


def short() -> list[Cell]:
    """Each fault at one call; each call, door and version in turn."""
    doors, calls = list(DOORS), [*CALLS]
    return [
        Cell(fault, calls[n % len(calls)], doors[n % 2], VERSIONS[n // 2 % 2])
        for n, fault in enumerate(FAULTS)
    ]


def short_of_quirks() -> list[QuirkCell]:
    """Each row at one door and one version; both doors and versions in turn."""
    doors = list(DOORS)
    return [
        QuirkCell(row, doors[n % 2], row.versions[n // 2 % len(row.versions)])
        for n, row in enumerate(QUIRK_ROWS)
    ]


def run(cells: Iterable[Cell], say: Tell) -> Found:
    """Return cell to what was found wrong with it, '' for nothing. `say` gets each finding."""
    rigs = {door: Rig(door) for door in DOORS}

    def judge(cell: Cell) -> tuple[tuple[str, ...], str]:
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


def run_quirks(cells: Iterable[QuirkCell], say: Tell) -> Found:
    """The same of twins with quirks."""
    rigs = {(door, False): Rig(door) for door in DOORS}
    rigs |= {(door, True): Rig(door, sets_up=True) for door in DOORS}

    def judge(cell: QuirkCell) -> tuple[tuple[str, ...], str]:
        try:
            cell.run(rigs[cell.door, bool(cell.row.max_boots)])
        except (AssertionError, ChargePointError) as error:
            wrong = str(error) or "assertion failed"
            say(f"{cell.name}: {wrong}")
            return cell.key, wrong
        return cell.key, ""

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(pool.map(judge, cells))
    finally:
        for rig in rigs.values():
            rig.stop()


def show_quirks(found: Found, console: Console) -> None:
    """Rows down, doors and versions across."""
    places = [(door, version) for door in DOORS for version in VERSIONS]
    heads = [" / ".join(place) for place in places]
    table = Table("a charge point that", *heads, title="Cells passed with quirks")
    for row in QUIRK_ROWS:
        cells = [found.get((row.name, *place)) for place in places]
        marks = ["-" if one is None else "[red]no[/]" if one else "[green]yes[/]" for one in cells]
        table.add_row(row.name, *marks)
    console.print(table)
    good = sum(not wrong for wrong in found.values())
    console.print(f"{good} of {len(found)} cells with quirks passed", highlight=False)


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
