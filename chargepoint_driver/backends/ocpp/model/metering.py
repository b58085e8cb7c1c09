"""Meter values made comparable: one Sample per moment, in kW, Wh, V, A, %, °C.

The rules: only the outlet counts; a total is never added to its phases, N never to anything; a
missing measurand is the energy register, a missing unit is Wh or W; an empty text is no value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["Meter", "Raw", "Sample", "raw_values", "sample"]

REGISTER = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
CURRENT = "Current.Import"
# Families of phases: the line that a phase is of, and what makes its value one of the line.
_TO_LINE = 1 / math.sqrt(3)
_FAMILIES = (
    {"L1": ("L1", 1.0), "L2": ("L2", 1.0), "L3": ("L3", 1.0)},
    {"L1-N": ("L1", 1.0), "L2-N": ("L2", 1.0), "L3-N": ("L3", 1.0)},
    {"L1-L2": ("L1", _TO_LINE), "L2-L3": ("L2", _TO_LINE), "L3-L1": ("L3", _TO_LINE)},
)
_ANYWHERE = {"SoC", "Temperature"}
_FACTORS = {
    "wh": 1.0,
    "kwh": 1000.0,
    "mwh": 1e6,
    "w": 1.0,
    "kw": 1000.0,
    "watt": 1.0,
    "watts": 1.0,
    "kilowatt": 1000.0,
    "ampere": 1.0,
    "amperes": 1.0,
    "a": 1.0,
    "amp": 1.0,
    "amps": 1.0,
    "ma": 0.001,
    "v": 1.0,
    "volt": 1.0,
    "volts": 1.0,
    "kv": 1000.0,
    "percent": 1.0,
    "%": 1.0,
    "celsius": 1.0,
    "celcius": 1.0,
    "c": 1.0,
    "°c": 1.0,
}
# Unit of a temperature -> (factor, offset) to °C.
_CELSIUS = {
    "fahrenheit": (1 / 1.8, -32 / 1.8),
    "f": (1 / 1.8, -32 / 1.8),
    "k": (1.0, -273.15),
    "kelvin": (1.0, -273.15),
}
_SHORTEST_DELTA_S = 10.0
_MOST = 1e15


class Raw(msgspec.Struct):
    """One sampled value as a message has it, of any version."""

    value: str
    context: str | None = None
    format: str | None = None
    measurand: str | None = None
    phase: str | None = None
    location: str | None = None
    unit: str | None = None


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was measured at one moment. None means not reported."""

    load_kw: float | None = None
    load_estimated: bool = False
    energy_wh: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    soc_percent: float | None = None
    temperature_c: float | None = None
    offered_kw: float | None = None
    phases: Mapping[str, Mapping[str, float]] = msgspec.field(default_factory=dict)


def raw_values(entries: object) -> list[Raw]:
    """Sampled values that broke the schema, as far as they can be used: numbers for texts,
    unknown names. What cannot be used is left out."""
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and isinstance(entry.get("value"), (str, int, float)):
            texts = {
                name: str(value)
                for name, value in entry.items()
                if name in Raw.__struct_fields__ and isinstance(value, (str, int, float))
            }
            found.append(Raw(**texts))
    return found


def sample(values: Iterable[Any], phases: int) -> Sample:
    """The sample in the sampled values of one moment (Raw, or of the same attributes).
    `phases` is how many the connector uses: for a current and voltage without phase."""
    at: dict[str, dict[str, float]] = {}
    for entry in values:
        place = _place(entry.measurand, entry.phase, entry.unit, entry.location, entry.format)
        if place is None:
            continue
        number = _number(entry.value)
        if number is None:
            continue
        measurand, phase, factor, offset = place
        known = at.get(measurand)
        if known is None:
            known = at[measurand] = {}
        known[phase] = number * factor + offset
    return _combined(at, phases)


# Charge points send the same few kinds of values again and again; texts are of their choice.
@lru_cache(maxsize=4096)
def _place(
    measurand: str | None,
    phase: str | None,
    unit: str | None,
    location: str | None,
    form: str | None,
) -> tuple[str, str, float, float] | None:
    """(measurand, phase or "", factor, offset) of a kind of value; None where it is of no use."""
    measurand = measurand or REGISTER
    if location and location != "Outlet" and measurand not in _ANYWHERE:
        return None
    if form == "SignedData":
        return None
    name = (unit or "").strip().lower()
    factor, offset = (_FACTORS.get(name) if name else 1.0), 0.0
    if measurand == "Temperature":
        factor, offset = _CELSIUS.get(name, (1.0, 0.0))
    return None if factor is None else (measurand, phase or "", factor, offset)


def _combined(at: dict[str, dict[str, float]], phases: int) -> Sample:
    volts, amps, power = at.get("Voltage", {}), at.get(CURRENT, {}), at.get(POWER, {})
    line_volts = _of_lines(volts)
    line_amps = _of_lines(amps)
    line_power = _of_lines(power)
    load_w, estimated = power.get(""), False
    if load_w is None and line_power:
        load_w = sum(line_power.values())
    if load_w is None:
        load_w = _apparent(amps, line_amps, volts, line_volts, phases)
        estimated = load_w is not None
    registers = at.get(REGISTER, {})
    energy = registers.get("")
    if energy is None:
        lines = _of_lines(registers)
        energy = sum(lines.values()) if lines else None
    temperature = at.get("Temperature")
    soc = at.get("SoC")
    offered = _first(at.get("Power.Offered"))
    offered_a = _first(at.get("Current.Offered"))
    voltage = _mean(volts.get(""), line_volts)
    if offered is None and offered_a is not None and voltage is not None:
        offered = offered_a * voltage * phases
    per_line: dict[str, dict[str, float]] = {}
    for name, lines in (("voltage_v", line_volts), ("current_a", line_amps)):
        for line, number in lines.items():
            per_line.setdefault(line, {})[name] = number
    for line, number in line_power.items():
        per_line.setdefault(line, {})["load_kw"] = number / 1000
    for phase, number in (temperature or {}).items():
        if phase:
            per_line.setdefault(phase[:2], {})["temperature_c"] = number
    return Sample(
        None if load_w is None else load_w / 1000,
        estimated,
        energy,
        voltage,
        amps.get("", max(line_amps.values()) if line_amps else None),
        _first(soc),
        _first(temperature),
        None if offered is None else offered / 1000,
        per_line,
    )


def _apparent(
    amps: dict[str, float],
    line_amps: dict[str, float],
    volts: dict[str, float],
    line_volts: dict[str, float],
    phases: int,
) -> float | None:
    """The sum of V times I in VA; None where a voltage or a current is missing."""
    if line_amps:
        common = _mean(volts.get(""), line_volts)
        total = 0.0
        for line, current in line_amps.items():
            voltage = line_volts.get(line, common)
            if voltage is None:
                return None
            total += voltage * current
        return total
    voltage = _mean(volts.get(""), line_volts)
    if "" not in amps or voltage is None:
        return None
    return voltage * amps[""] * phases


def _of_lines(found: dict[str, float]) -> dict[str, float]:
    """L1 … L3 to their values, from whichever family of phases is there; line-to-line
    voltages as what they are to neutral."""
    if not found or (len(found) == 1 and "" in found):
        return {}
    for family in _FAMILIES:
        lines = {}
        for phase, number in found.items():
            if phase in family:
                line, factor = family[phase]
                lines[line] = number * factor
        if lines:
            return lines
    return {}


def _mean(total: float | None, lines: dict[str, float]) -> float | None:
    if total is not None:
        return total
    live = [number for number in lines.values() if number > 0]
    if live:
        return sum(live) / len(live)
    return 0.0 if lines else None


def _first(found: dict[str, float] | None) -> float | None:
    if not found:
        return None
    return found.get("", next(iter(found.values())))


def _number(text: Any) -> float | None:
    """A finite number of a size that something measured may have; Python's 1_000 is none."""
    try:
        number = float(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if not -_MOST <= number <= _MOST or (isinstance(text, str) and "_" in text):
        return None
    return number


class Meter:
    """The newest value of each quantity of a connector. Older ones never replace newer ones."""

    __slots__ = ("_register", "_values", "received_s", "time_s")

    def __init__(self) -> None:
        # quantity -> (value, time of measuring, time of receipt)
        self._values: dict[str, tuple[Any, float, float]] = {}
        self._register: tuple[float, float] | None = None
        self.time_s: float | None = None
        self.received_s: float | None = None

    def take(
        self, found: Sample, time_s: float, received_s: float, own_s: float | None = None
    ) -> bool:
        """Keep what is newer than what is known. True when anything was. `own_s` is the time
        by the charge point's clock, for differences."""
        own_s = time_s if own_s is None else own_s
        if self.time_s is not None and time_s < self.time_s:
            return False
        self.time_s, self.received_s = time_s, received_s
        values = self._values
        load_kw, estimated = found.load_kw, found.load_estimated
        if found.energy_wh is not None:
            values["energy_wh"] = (found.energy_wh, time_s, received_s)
            if load_kw is None:
                load_kw, estimated = self._from_register(found.energy_wh, own_s), True
            self._remember(found.energy_wh, own_s)
        if load_kw is not None:
            values["load_kw"] = ((load_kw, estimated), time_s, received_s)
        for name in (
            "voltage_v",
            "current_a",
            "soc_percent",
            "temperature_c",
            "offered_kw",
        ):
            number = getattr(found, name)
            if number is not None:
                values[name] = (number, time_s, received_s)
        if found.phases:
            values["phases"] = (found.phases, time_s, received_s)
        return True

    def _from_register(self, energy_wh: float, time_s: float) -> float | None:
        """Mean load in kW since the last register; None over too short a time or a reset."""
        if self._register is None:
            return None
        before_wh, before_s = self._register
        passed_s = time_s - before_s
        if passed_s < _SHORTEST_DELTA_S or energy_wh < before_wh:
            return None
        return (energy_wh - before_wh) * 3.6 / passed_s

    def _remember(self, energy_wh: float, time_s: float) -> None:
        known = self._register
        if known is None or energy_wh < known[0] or time_s - known[1] >= _SHORTEST_DELTA_S:
            self._register = energy_wh, time_s

    def restart(self) -> None:
        """Another transaction: no difference is taken over its begin, no charge carried over."""
        self._register = None
        for name in ("load_kw", "soc_percent", "current_a", "offered_kw"):
            self._values.pop(name, None)

    def known(self, since_s: float) -> dict[str, tuple[Any, float, float]]:
        """What was received at that time or later; the register whenever it was."""
        return {
            name: entry
            for name, entry in dict(self._values).items()
            if entry[2] >= since_s or name == "energy_wh"
        }
