"""Meter values made comparable: one Sample per moment, by the table of measurands.

The rules: of one measurand the values of the best location and context count, a total is never
added to its phases, N never to anything. A missing measurand is the energy register, a missing
unit the base unit; an empty text is not a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from chargepoint_driver.backends.ocpp.model.value_selection import (
    CURRENT,
    CURRENT_EXPORT,
    EXPORT,
    LOCATION_STEPS,
    OFFERED,
    OFFERED_A,
    POWER,
    VOLTAGE,
    Selection,
    selection_of,
)
from chargepoint_driver.backends.ocpp.wire.leniency import number_of
from chargepoint_driver.catalogue.measurands import LOAD, MEASURANDS, Lines, Measurand

__all__ = ["COMPUTED", "Raw", "Sample", "Supply", "grouped", "raw_values", "sample"]

_FIELDS = frozenset(row.field for row in MEASURANDS)
# Longest message whose shape is remembered, in values; and what is kept of its words.
_MAX_SHAPE = 200
_MAX_WORD = 60
_fields = msgspec.structs.astuple
_SUM, _LARGEST = Lines.SUM, Lines.LARGEST
COMPUTED = 1_000
"""Rank of a load from voltage and current: any measured one of its moment counts before it."""
_MAX_READING = 1e15


class Supply(Protocol):
    """Configured wiring of a connector: see `charger.Electrical`."""

    @property
    def voltage(self) -> float: ...

    @property
    def phases(self) -> int: ...

    @property
    def is_dc(self) -> bool: ...

    @property
    def location(self) -> str | None: ...


class Raw(msgspec.Struct):
    """One sampled value as a message has it, of any version; `v16.messages` has the same
    fields in the same order."""

    value: str
    context: str | None = None
    format: str | None = None
    measurand: str | None = None
    phase: str | None = None
    location: str | None = None
    unit: str | None = None


class Sample:
    """Measurements of one moment.

    `values` has the fields of the table of measurands that are known, besides `load_estimated`
    (True where the load is worked out) and `phases` (line to its fields). Each is also an
    attribute, None where it is not reported. `ranks` has what is not of the best location and
    context, by field: the lower the better.
    """

    __slots__ = ("ranks", "values")

    def __init__(self, values: dict[str, Any], ranks: dict[str, int]) -> None:
        self.values = values
        self.ranks = ranks

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:
            return self.values.get(name)
        raise AttributeError(name)

    @property
    def load_estimated(self) -> bool:
        return bool(self.values.get("load_estimated"))

    @property
    def phases(self) -> Mapping[str, Mapping[str, float]]:
        found: Mapping[str, Mapping[str, float]] = self.values.get("phases", {})
        return found


def raw_values(entries: object) -> list[Raw]:
    """Sampled values that broke the schema, as far as they can be used: numbers for texts,
    unknown names. What cannot be used is left out."""
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and isinstance(entry.get("value"), (str, int, float)):
            texts = {
                name: str(value)[: None if name == "value" else _MAX_WORD]
                for name, value in entry.items()
                if name in Raw.__struct_fields__ and isinstance(value, (str, int, float))
            }
            found.append(Raw(**texts))
    return found


def grouped(moments: list[tuple[float, list[Any]]]) -> list[tuple[float, list[Any]]]:
    """Return sampled values by their moment, oldest first: what has one time is one sample."""
    found: dict[float, list[Any]] = {}
    for time_s, values in moments:
        found.setdefault(time_s, []).extend(values)
    return sorted(found.items())


def sample(values: list[Any], supply: Supply, *, ending: bool = False) -> Sample:
    """Return the sample in the sampled values of one moment (Raw, or of the same fields).

    `ending`: they came with the end of a transaction, so Transaction.End is what counts.
    """
    shape = tuple([_fields(entry)[1:] for entry in values])
    selection = (selection_of if len(shape) <= _MAX_SHAPE else selection_of.__wrapped__)(
        shape, supply.location, ending
    )
    try:
        texts = [values[index].value for index in selection.used]
        numbers = [float(text) + 0.0 for text in texts]  # -0 is 0
        # Their sum is only a quick check. NaN is not less than anything.
        if not sum(map(abs, numbers)) <= _MAX_READING and not all(
            -_MAX_READING <= number <= _MAX_READING for number in numbers
        ):
            raise ValueError
        if [text for text in texts if type(text) is str and "_" in text]:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        return _sample_of_usable(values, supply, ending=ending)
    if selection.conversions:
        for at, factor, offset in selection.conversions:
            numbers[at] = numbers[at] * factor + offset
    return _combined(selection, numbers, supply)


def _sample_of_usable(values: list[Any], supply: Supply, *, ending: bool) -> Sample:
    """Return the sample of values of which some are not numbers as Python writes them."""
    usable = []
    for entry in values:
        number = number_of(str(entry.value))
        if number is not None and abs(number) <= _MAX_READING:
            usable.append(Raw(repr(number), *_fields(entry)[1:]))
    return sample(usable, supply, ending=ending)


def _combined(selection: Selection, numbers: list[float], supply: Supply) -> Sample:
    values: dict[str, Any] = {}
    for field, index, divisor in selection.totals:
        values[field] = numbers[index] / divisor
    for row, places in selection.sums:
        of_all = _of_all(row, [numbers[index] * factor for _, index, factor in places], supply)
        values[row.field] = of_all / row.divisor
    per_line: dict[str, dict[str, float]] = {}
    for line, field, index, factor, divisor in selection.line_values:
        of_line = per_line.get(line)
        if of_line is None:
            of_line = per_line[line] = {}
        of_line[field] = numbers[index] * factor / divisor
    ranks = selection.ranks
    if not selection.is_simple:
        ranks = _work_out(selection, numbers, values, per_line, supply)
    if per_line:
        values["phases"] = per_line
    return Sample(values, ranks)


def _work_out(
    selection: Selection,
    numbers: list[float],
    values: dict[str, Any],
    per_line: dict[str, dict[str, float]],
    supply: Supply,
) -> dict[str, int]:
    """Set the load and what is offered where they are not sent as such. Returns the ranks."""
    lines_of = {
        row: {line: numbers[index] * factor for line, index, factor in places}
        for row, places in selection.places.items()
        if places
    }
    ranks = _set_load(values, lines_of, selection.ranks, supply)
    for line, number in lines_of.get(EXPORT, {}).items():
        of_line = per_line.setdefault(line, {})
        of_line[LOAD] = of_line.get(LOAD, 0.0) - number / 1000
    if OFFERED_A.field in values and OFFERED.field not in values:
        offered_w = _offered(lines_of, values, supply)
        if offered_w is not None:
            values[OFFERED.field] = offered_w / 1000
    return ranks


def _of_all(row: Measurand, numbers: list[float], supply: Supply) -> float:
    """Return the value of a connector of which only phases are known."""
    lines = row.lines
    if lines is _LARGEST:
        return max(numbers)
    if lines is _SUM or min(numbers) > 0:
        total = sum(numbers)
        return total if lines is _SUM else total / len(numbers)
    live = [number for number in numbers if number > 0]
    if len(live) in {1, supply.phases}:
        # A meter of three phases on a supply of fewer: the others are not there.
        return sum(live) / len(live)
    return sum(numbers) / len(numbers)


def _set_load(
    values: dict[str, Any],
    lines_of: dict[Measurand, dict[str, float]],
    ranks: dict[str, int],
    supply: Supply,
) -> dict[str, int]:
    """Set the load: measured power, what is fed back taken from it; else voltage times current.
    Returns the ranks with its own."""
    exported = values.get(EXPORT.field)
    if exported:
        values[LOAD] = values.get(LOAD, 0.0) - exported
        return {**ranks, LOAD: max(ranks.get(LOAD, 0), ranks.get(EXPORT.field, 0))}
    if LOAD in values:
        return ranks
    imported_w = _apparent(CURRENT, values, lines_of, ranks, supply)
    exported_w = _apparent(CURRENT_EXPORT, values, lines_of, ranks, supply)
    if imported_w is None and exported_w is None:
        return ranks
    values[LOAD] = ((imported_w or 0.0) - (exported_w or 0.0)) / 1000
    values["load_estimated"] = True
    return {**ranks, LOAD: COMPUTED}


def _apparent(
    current: Measurand,
    values: dict[str, Any],
    lines_of: dict[Measurand, dict[str, float]],
    ranks: dict[str, int],
    supply: Supply,
) -> float | None:
    """Return the sum of V times I in VA; None where a voltage or a current is missing, or where
    they are of two places."""
    total, common = values.get(current.field), values.get(VOLTAGE.field)
    if total is None or common is None:
        return None
    if (ranks.get(current.field, 0) - ranks.get(VOLTAGE.field, 0)) % LOCATION_STEPS:
        return None
    line_volts = lines_of.get(VOLTAGE, {})
    live = [number for number in line_volts.values() if number > 0]
    if live:
        common = sum(live) / len(live)
    amps = lines_of.get(current)
    if amps is None:
        return float(total * _volts_of_all(lines_of, common, supply))
    return float(sum(number * line_volts.get(line, common) for line, number in amps.items()))


def _volts_of_all(
    lines_of: dict[Measurand, dict[str, float]], common: float, supply: Supply
) -> float:
    """Return the voltages of all phases in use, added up. The phases are those that the message
    shows, also dead ones; where it shows none, those of the settings. DC has one."""
    if supply.is_dc:
        return common
    line_volts = lines_of.get(VOLTAGE, {})
    shown = {line for row in (VOLTAGE, CURRENT, POWER, OFFERED_A) for line in lines_of.get(row, ())}
    if line_volts and len(line_volts) == len(shown):
        return sum(line_volts.values())
    return common * (len(shown) or supply.phases)


def _offered(
    lines_of: dict[Measurand, dict[str, float]], values: dict[str, Any], supply: Supply
) -> float | None:
    """Return the power in W that an offered current stands for; None where no voltage is known."""
    amps = values[OFFERED_A.field]
    common = values.get(VOLTAGE.field, None if supply.is_dc else supply.voltage)
    if amps == 0:
        return 0.0
    if common is None:
        return None
    lines = lines_of.get(OFFERED_A)
    if lines is not None and not supply.is_dc:
        line_volts = lines_of.get(VOLTAGE, {})
        return float(sum(each * line_volts.get(line, common) for line, each in lines.items()))
    return float(amps * _volts_of_all(lines_of, common, supply))
