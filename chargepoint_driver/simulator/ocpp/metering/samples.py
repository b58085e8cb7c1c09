"""Meter readings as measurands: the part that both versions of OCPP share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..power.connector import Reading
from ..quirks.quirks import Quirks
from ..settings import REGISTER

ODD_UNITS = {"W": "Watts", "Wh": "wh", "kW": "KW", "kWh": "KWh", "A": "Amps", "Percent": "%"}
ODD_CONTEXT = "Sample.periodic"

KNOWN = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "SoC",
    "Current.Offered",
    "Power.Offered",
    "Temperature",
    "Energy.Active.Export.Register",
    "Power.Active.Export",
    "Current.Export",
    "Frequency",
    "Power.Factor",
    "Power.Reactive.Import",
)
# What a vehicle that feeds back makes a meter tell, asked for or not.
EXPORTED = ("Energy.Active.Export.Register", "Power.Active.Export")


@dataclass(frozen=True)
class Sample:
    """One value; `value` None is one that the meter does not have (sent as an empty text)."""

    measurand: str
    value: float | None
    unit: str
    phase: str | None = None
    decimals: int = 1


Write = Callable[[Sample, str], dict[str, Any]]
"""A value and its context as a version of OCPP writes them, with the field value filled in."""


def sampled_values(
    reading: Reading, measurands: Sequence[str], context: str, quirks: Quirks, write: Write
) -> list[dict[str, Any]]:
    """Return the list sampledValue of a MeterValue."""
    found = [(one, context) for one in samples(reading, measurands, quirks)]
    if quirks.has("begin_beside_values") and reading.transaction is not None:
        begin = Sample(REGISTER, reading.transaction.meter_start_wh, "Wh", decimals=0)
        found.append((begin, "Transaction.Begin"))
    return [_written(one, when, quirks, write) for one, when in found]


def _written(one: Sample, context: str, quirks: Quirks, write: Write) -> dict[str, Any]:
    unit = ODD_UNITS.get(one.unit, one.unit) if quirks.has("breaks_schema") else one.unit
    written = write(replace(one, unit=unit), context)
    if quirks.has("bare_values"):
        del written["context"], written["location"]
        if one.measurand == REGISTER:
            del written["measurand"]
        if one.unit in ("W", "Wh"):
            written.pop("unit", written.pop("unitOfMeasure", None))
    elif quirks.has("breaks_schema") and context == "Sample.Periodic":
        written["context"] = ODD_CONTEXT
    return written


def samples(reading: Reading, measurands: Sequence[str], quirks: Quirks) -> list[Sample]:
    """Return the values of a reading, in the order of the measurands; unknown ones are left out."""
    if measurands and quirks.get("feeds_back", "form") == "export":
        measurands = [*measurands, *(name for name in EXPORTED if name not in measurands)]
    found = [one for name in measurands for one in _of(reading, name, quirks)]
    if quirks.has("kilo_units"):
        found = [_kilo(one) for one in found]
    if not quirks.has("empty_values"):
        return [one for one in found if one.value is not None]
    return [
        Sample(one.measurand, None, one.unit, one.phase) if one.measurand == "Voltage" else one
        for one in found
    ]


def entry(
    one: Sample, context: str, shown: Callable[[float], str | float], unit: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one entry of the list sampledValue: the value as `shown`, with its unit.
    A sample without a unit has no field for it."""
    return {
        "value": "" if one.value is None else shown(one.value),
        "context": context,
        "measurand": one.measurand,
        "location": "EV" if one.measurand == "SoC" else "Outlet",
        **(unit if one.unit else {}),
        **({} if one.phase is None else {"phase": one.phase}),
    }


def _of(reading: Reading, name: str, quirks: Quirks) -> Iterator[Sample]:
    # A vehicle that feeds back shows in the measurands of export, or as a negative import.
    feeds = quirks.has("feeds_back") and quirks.get("feeds_back", "form") == "export"
    sign = -1.0 if name.endswith("Export") else 1.0
    if name in SIMPLE:
        unit, decimals, value = SIMPLE[name]
        yield Sample(name, value(reading), unit, decimals=decimals)
    elif name in ("Power.Active.Import", "Power.Active.Export"):
        yield from _power(name, _part(reading, sign, cut=feeds or sign < 0), quirks)
    elif name in ("Current.Import", "Current.Export"):
        currents = _part(reading, sign, cut=feeds or sign < 0).current_a
        yield from _of_phases(name, currents, "A", "L{}")
    elif name == "Voltage":
        yield from _of_phases(name, reading.voltage_v, "V", "L{}-N")


SIMPLE: Mapping[str, tuple[str, int, Callable[[Reading], float | None]]] = {
    "Energy.Active.Import.Register": ("Wh", 0, lambda reading: reading.energy_wh),
    "Energy.Active.Export.Register": ("Wh", 0, lambda reading: float(int(reading.exported_wh))),
    "SoC": ("Percent", 0, lambda reading: reading.soc),
    "Current.Offered": ("A", 1, lambda reading: reading.offered_a),
    "Power.Offered": ("W", 1, lambda reading: reading.offered_w),
    "Temperature": ("Celsius", 1, lambda reading: reading.temperature_c),
    "Frequency": ("Hertz", 2, lambda _: 50.0),
    "Power.Factor": ("", 2, lambda _: 0.98),
    "Power.Reactive.Import": ("var", 1, lambda reading: 0.203 * abs(reading.power_w)),
}
"""Measurand: unit, decimals, and where it comes from."""


def _part(reading: Reading, sign: float, *, cut: bool) -> Reading:
    """Return what flows in one direction: only that (`cut`), or with its sign."""
    if not cut:
        return reading
    currents = tuple(max(0.0, sign * one) for one in reading.current_a)
    return replace(reading, power_w=max(0.0, sign * reading.power_w), current_a=currents)


def _of_phases(name: str, found: tuple[float, ...], unit: str, label: str) -> Iterator[Sample]:
    for index, value in enumerate(found, start=1):
        yield Sample(name, value, unit, label.format(index) if len(found) > 1 else None)


def _power(name: str, reading: Reading, quirks: Quirks) -> Iterator[Sample]:
    phases = len(reading.current_a)
    wanted = phases > 1 and (quirks.has("totals_and_phases") or quirks.has("phases_only"))
    if not wanted or not quirks.has("phases_only"):
        yield Sample(name, reading.power_w, "W")
    if wanted:
        for index, current_a in enumerate(reading.current_a):
            yield Sample(name, current_a * reading.voltage_v[index], "W", f"L{index + 1}")
        if quirks.get("totals_and_phases", "neutral"):
            yield Sample(name, 0.0, "W", "N")


def _kilo(one: Sample) -> Sample:
    if one.unit not in ("W", "Wh") or one.value is None:
        return one
    return Sample(one.measurand, one.value / 1000, f"k{one.unit}", one.phase, decimals=4)
