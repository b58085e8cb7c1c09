"""What a meter shows, as measurands: the part that both versions of OCPP share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .connector import Reading
from .quirks import Quirks

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
)


@dataclass(frozen=True)
class Sample:
    """One value; `value` None is one that the meter does not have (sent as an empty text)."""

    measurand: str
    value: float | None
    unit: str
    phase: str | None = None
    decimals: int = 1


def samples(reading: Reading, measurands: Sequence[str], quirks: Quirks) -> list[Sample]:
    """The values of a reading, in the order of the measurands; unknown ones are left out."""
    found = [one for name in measurands for one in _of(reading, name, quirks)]
    if quirks.has("kilo_units"):
        found = [_kilo(one) for one in found]
    if not quirks.has("empty_values"):
        return [one for one in found if one.value is not None]
    return [
        Sample(one.measurand, None, one.unit, one.phase) if one.measurand == "Voltage" else one
        for one in found
    ]


def _of(reading: Reading, name: str, quirks: Quirks) -> Iterator[Sample]:
    several = len(reading.current_a) > 1
    if name == "Energy.Active.Import.Register":
        yield Sample(name, reading.energy_wh, "Wh", decimals=0)
    elif name == "Power.Active.Import":
        yield from _power(reading, quirks)
    elif name == "Current.Import":
        for index, current_a in enumerate(reading.current_a, start=1):
            yield Sample(name, current_a, "A", f"L{index}" if several else None)
    elif name == "Voltage":
        for index, voltage_v in enumerate(reading.voltage_v, start=1):
            yield Sample(name, voltage_v, "V", f"L{index}-N" if several else None)
    elif name == "SoC":
        yield Sample(name, reading.soc, "Percent", decimals=0)
    elif name == "Current.Offered":
        yield Sample(name, reading.offered_a, "A")
    elif name == "Power.Offered":
        yield Sample(name, reading.offered_w, "W")
    elif name == "Temperature":
        yield Sample(name, reading.temperature_c, "Celsius")


def _power(reading: Reading, quirks: Quirks) -> Iterator[Sample]:
    name = "Power.Active.Import"
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
