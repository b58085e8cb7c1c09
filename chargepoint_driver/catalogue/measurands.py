"""Measurands of OCPP: the one table that samples, views, points and documentation are made from.

Sources: OCPP 1.6 section 7.31 (Measurand, UnitOfMeasure), OCPP 2.0.1 part 2 section 3.55. To add a
measurand, add a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "ENERGY",
    "EXPORTED",
    "LINES",
    "LOAD",
    "MEASURANDS",
    "Lines",
    "Measurand",
    "by_name",
]

LINES = ("L1", "L2", "L3")
LOAD, ENERGY, EXPORTED = "load_kw", "energy_wh", "exported_wh"
"""Fields with a meaning of their own: the load is derived where no power is measured."""

Units = Mapping[str, tuple[float, float]]
"""Unit in small letters: (factor, offset) that make a value one of the field's base unit."""


def _units(**factors: float) -> Units:
    return {unit: (factor, 0.0) for unit, factor in factors.items()}


_WATTS = _units(w=1.0, kw=1e3, watt=1.0, watts=1.0, kilowatt=1e3, kilowatts=1e3)
_WATT_HOURS = _units(wh=1.0, kwh=1e3, mwh=1e6)
_VARS = _units(var=1.0, kvar=1e3, vars=1.0)
_VAR_HOURS = _units(varh=1.0, kvarh=1e3)
_AMPS = _units(a=1.0, ma=1e-3, amp=1.0, amps=1.0, ampere=1.0, amperes=1.0)
_VOLTS = _units(v=1.0, kv=1e3, volt=1.0, volts=1.0)
_HERTZ = _units(hz=1.0, hertz=1.0)
_PERCENT = {"percent": (1.0, 0.0), "%": (1.0, 0.0)}
_FACTOR = {"percent": (0.01, 0.0), "%": (0.01, 0.0), "1": (1.0, 0.0), "pf": (1.0, 0.0)}
_DEGREES = {
    **dict.fromkeys(("celsius", "celcius", "c", "°c"), (1.0, 0.0)),
    **dict.fromkeys(("fahrenheit", "f", "°f"), (1 / 1.8, -32 / 1.8)),
    **dict.fromkeys(("k", "kelvin"), (1.0, -273.15)),
}


class Lines(Enum):
    """Combination of phase values into the connector's value, where no total is sent."""

    SUM = "sum of the phases"
    MEAN = "mean of the phases"
    LARGEST = "largest of the phases"
    ANY = "of any phase"


@dataclass(frozen=True, eq=False)
class Measurand:
    """One measurand.

    `field` is its name in samples and views, in its base unit divided by `divisor`. `keeps`: a
    register, known however old it is; anything else is not reported once it is stale.
    `restarts`: does not count for the next transaction. `anywhere`: counts from every location.
    `point`, `shown` and `unit` are its point, the field of the registers and its unit there
    (base unit divided by `shown_divisor`); '' for no point. `of_lines` is the field of a single
    phase, `line_point` the begin of its points' names.
    """

    name: str
    field: str
    units: Units
    lines: Lines
    divisor: float = 1.0
    keeps: bool = False
    restarts: bool = True
    anywhere: bool = False
    point: str = ""
    unit: str = ""
    shown: str = ""
    shown_divisor: float = 1.0
    of_lines: str = ""
    line_point: str = ""
    formerly: str = ""
    notes: str = ""


def _register(
    name: str, field: str, shown: str, units: Units, point: str, unit: str, notes: str
) -> Measurand:
    """Return a register: kept, and shown in thousands of its base unit."""
    return Measurand(
        name,
        field,
        units,
        Lines.SUM,
        keeps=True,
        restarts=False,
        point=point,
        unit=unit,
        shown=shown,
        shown_divisor=1e3,
        notes=notes,
    )


MEASURANDS = (
    Measurand(
        "Power.Active.Import", LOAD, _WATTS, Lines.SUM, 1e3, of_lines=LOAD, line_point="portLoad"
    ),
    Measurand(
        "Power.Active.Export", "export_kw", _WATTS, Lines.SUM, 1e3,
        point="powerExported", unit="kW", notes="fed back; portLoad is negative then",
    ),
    _register(
        "Energy.Active.Import.Register", ENERGY, "energy_kwh", _WATT_HOURS,
        "energyRegister", "kWh", "the meter's own register",
    ),
    _register(
        "Energy.Active.Export.Register", EXPORTED, "exported_kwh", _WATT_HOURS,
        "energyRegisterExported", "kWh", "the meter's own register of what was fed back",
    ),
    Measurand(
        "Voltage", "voltage_v", _VOLTS, Lines.MEAN, restarts=False,
        point="portVoltage", unit="V", of_lines="voltage_v", line_point="voltage",
        formerly="voltage", notes="mean of the phases; a phase without voltage counts",
    ),
    Measurand(
        "Current.Import", "current_a", _AMPS, Lines.LARGEST,
        point="portCurrent", unit="A", of_lines="current_a", line_point="current",
        formerly="current", notes="largest of the phases",
    ),
    Measurand(
        "Current.Export", "current_exported_a", _AMPS, Lines.LARGEST,
        point="currentExported", unit="A", notes="largest of the phases, fed back",
    ),
    Measurand(
        "Power.Offered", "offered_kw", _WATTS, Lines.SUM, 1e3, point="powerOffered", unit="kW"
    ),
    Measurand(
        "Current.Offered", "offered_a", _AMPS, Lines.LARGEST,
        point="currentOffered", unit="A", notes="of each phase",
    ),
    Measurand(
        "SoC", "soc_percent", _PERCENT, Lines.ANY, anywhere=True, point="SoC", unit="percent"
    ),
    Measurand(
        "Temperature", "temperature_c", _DEGREES, Lines.ANY, restarts=False, anywhere=True,
        point="Temperature", unit="Celsius", of_lines="temperature_c", line_point="temperature",
        formerly="temperature",
    ),
    Measurand(
        "Frequency", "frequency_hz", _HERTZ, Lines.ANY, restarts=False,
        point="Frequency", unit="Hz", notes="of the grid",
    ),
    Measurand("Power.Factor", "power_factor", _FACTOR, Lines.MEAN, point="powerFactor"),
    Measurand(
        "Power.Reactive.Import", "reactive_kvar", _VARS, Lines.SUM, 1e3,
        point="reactivePower", unit="kvar",
    ),
    Measurand(
        "Power.Reactive.Export", "reactive_exported_kvar", _VARS, Lines.SUM, 1e3,
        point="reactivePowerExported", unit="kvar",
    ),
    _register(
        "Energy.Reactive.Import.Register", "reactive_varh", "reactive_kvarh", _VAR_HOURS,
        "reactiveEnergyRegister", "kvarh", "the meter's own register",
    ),
    _register(
        "Energy.Reactive.Export.Register",
        "reactive_exported_varh", "reactive_exported_kvarh", _VAR_HOURS,
        "reactiveEnergyRegisterExported", "kvarh", "the meter's own register",
    ),
)  # fmt: skip


def by_name(rows: Iterable[Measurand] = MEASURANDS) -> dict[str, Measurand]:
    """Return the rows by OCPP's name of the measurand."""
    return {row.name: row for row in rows}
