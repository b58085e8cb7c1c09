"""The sampled values of a message that count: by measurand, location, context and phase.

Of one measurand the values of the best location and context count. A missing measurand is the
energy register, a missing unit the base unit. N never counts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from chargepoint_driver.catalogue.measurands import Lines, Measurand, by_name

__all__ = [
    "CURRENT",
    "CURRENT_EXPORT",
    "EXPORT",
    "LOCATION_STEPS",
    "OFFERED",
    "OFFERED_A",
    "POWER",
    "REGISTER",
    "VOLTAGE",
    "Selection",
    "selection_of",
]

_ROWS = by_name()
REGISTER = _ROWS["Energy.Active.Import.Register"]
POWER, EXPORT = _ROWS["Power.Active.Import"], _ROWS["Power.Active.Export"]
VOLTAGE, CURRENT = _ROWS["Voltage"], _ROWS["Current.Import"]
CURRENT_EXPORT = _ROWS["Current.Export"]
OFFERED, OFFERED_A = _ROWS["Power.Offered"], _ROWS["Current.Offered"]
# Families of phases: the line that a phase is of, and what makes its value one of the line.
_TO_LINE = 1 / math.sqrt(3)
_FAMILIES = (
    {"L1": ("L1", 1.0), "L2": ("L2", 1.0), "L3": ("L3", 1.0)},
    {"L1-N": ("L1", 1.0), "L2-N": ("L2", 1.0), "L3-N": ("L3", 1.0)},
    {"L1-L2": ("L1", _TO_LINE), "L2-L3": ("L2", _TO_LINE), "L3-L1": ("L3", _TO_LINE)},
)
# Base units that some chargers write for any measurand, since one of them is the default.
_ANY_UNIT = {"": (1.0, 0.0), **dict.fromkeys(("wh", "w", "a", "v", "percent"), (1.0, 0.0))}
# Where a value is measured, best first; of "EV" only what counts from anywhere. Which context
# is of now: Transaction.End is at the end, the begin and an interruption are of before.
_LOCATIONS = ("Outlet", "Cable", "Body", "Inlet")
_CONTEXTS = {"Transaction.End": 1, "Other": 1, "Transaction.Begin": 3}
_CONTEXTS |= dict.fromkeys(("Interruption.Begin", "Interruption.End"), 3)
_CURRENT_CONTEXTS = {"", "Sample.Periodic", "Sample.Clock", "Trigger"}
LOCATION_STEPS = 8


class _Place(NamedTuple):
    """A phase of a measurand: its place among the used values; what makes it one of its line."""

    line: str
    at: int
    factor: float


class Selection(NamedTuple):
    """Values that count in messages of one shape.

    `used`: where the values stand in the message; everything else counts by place in it.
    `conversions`: (place, factor, offset) of what is not in the unit that is kept. `totals`:
    (field, place, divisor) of what stands for a connector. `places`: the phases of each measurand.
    `sums`: those of which no total is sent. `line_values`: (line, field, place, factor, divisor) of
    what is kept of single phases.
    `is_simple`: neither the load nor what is offered has to be worked out.
    """

    used: tuple[int, ...]
    conversions: tuple[tuple[int, float, float], ...]
    totals: tuple[tuple[str, int, float], ...]
    places: dict[Measurand, tuple[_Place, ...]]
    sums: tuple[tuple[Measurand, tuple[_Place, ...]], ...]
    line_values: tuple[tuple[str, str, int, float, float], ...]
    ranks: dict[str, int]
    is_simple: bool


# Charge points send messages of the same few shapes again and again; texts are of their choice.
@lru_cache(maxsize=1024)
def selection_of(shape: tuple[tuple[Any, ...], ...], prefer: str | None, ending: bool) -> Selection:
    """Return which of the values count, by the best rank of each measurand."""
    at: dict[Measurand, dict[str, int]] = {}
    ranks: dict[Measurand, int] = {}
    conversions: dict[int, tuple[float, float]] = {}
    for index, (context, form, measurand, phase, location, unit) in enumerate(shape):
        row = _ROWS.get(measurand) if measurand else REGISTER
        if row is None or form == "SignedData" or phase == "N":
            continue
        name = (unit or "").strip().lower()
        conversion = row.units.get(name) or _ANY_UNIT.get(name)
        rank = _rank(row, context, location, prefer, ending)
        if conversion is None or rank is None or rank > ranks.get(row, rank):
            continue
        if rank < ranks.get(row, rank):
            at[row] = {}
        ranks[row] = rank
        conversions[index] = conversion
        at.setdefault(row, {})[phase or ""] = index
    used = sorted({index for found in at.values() for index in found.values()})
    place_of = {index: place for place, index in enumerate(used)}
    at = {
        row: {phase: place_of[index] for phase, index in found.items()} for row, found in at.items()
    }
    places = {row: _places(found) for row, found in at.items()}
    totals = []
    for row, found in at.items():
        if "" in found or row.lines is Lines.ANY:
            of_all = found.get("", next(iter(found.values())))
            totals.append((row.field, of_all, row.divisor))
    sums = [(row, places[row]) for row in at if "" not in at[row] and row.lines is not Lines.ANY]
    line_values = [(each, row) for row in at if row.of_lines for each in places[row]]
    offers = OFFERED_A in at and OFFERED not in at
    return Selection(
        tuple(used),
        tuple(
            (place, *conversions[index])
            for place, index in enumerate(used)
            if conversions[index] != (1.0, 0.0)
        ),
        tuple(totals),
        places,
        tuple(each for each in sums if each[1]),
        tuple((it.line, row.of_lines, it.at, it.factor, row.divisor) for it, row in line_values),
        {row.field: rank for row, rank in ranks.items() if rank},
        bool(places.get(POWER) or "" in at.get(POWER, ())) and EXPORT not in at and not offers,
    )


def _rank(
    row: Measurand, context: str | None, location: str | None, prefer: str | None, ending: bool
) -> int | None:
    """The lower the better; None for a place that does not count."""
    rank = _rank_of_context(context, ending)
    if row.anywhere:
        return rank
    where = _rank_of_location(location or "Outlet", prefer)
    return None if where is None else rank * LOCATION_STEPS + where


def _rank_of_location(location: str, prefer: str | None) -> int | None:
    if location == prefer:
        return 0
    try:
        return _LOCATIONS.index(location) + (prefer is not None)
    except ValueError:
        return None


def _rank_of_context(context: str | None, ending: bool) -> int:
    if ending and context == "Transaction.End":
        return 0
    rank = 0 if (context or "") in _CURRENT_CONTEXTS else _CONTEXTS.get(context or "", 1)
    return rank + ending


def _places(found: dict[str, int]) -> tuple[_Place, ...]:
    """Return the phases, from whichever family of phases is there; line-to-line voltages as what
    they are to neutral."""
    for family in _FAMILIES:
        places = [
            _Place(family[phase][0], index, family[phase][1])
            for phase, index in found.items()
            if phase in family
        ]
        if places:
            return tuple(places)
    return ()
