"""The request that comes most often, as types that hold it to the schema while reading it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["MeterValues"]

Context = Literal[
    "Interruption.Begin", "Interruption.End", "Sample.Clock", "Sample.Periodic",
    "Transaction.Begin", "Transaction.End", "Trigger", "Other",
]  # fmt: skip
Measurand = Literal[
    "Energy.Active.Export.Register", "Energy.Active.Import.Register",
    "Energy.Reactive.Export.Register", "Energy.Reactive.Import.Register",
    "Energy.Active.Export.Interval", "Energy.Active.Import.Interval",
    "Energy.Reactive.Export.Interval", "Energy.Reactive.Import.Interval",
    "Power.Active.Export", "Power.Active.Import", "Power.Offered", "Power.Reactive.Export",
    "Power.Reactive.Import", "Power.Factor", "Current.Import", "Current.Export",
    "Current.Offered", "Voltage", "Frequency", "Temperature", "SoC", "RPM",
]  # fmt: skip
Phase = Literal["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"]
Unit = Literal[
    "Wh", "kWh", "varh", "kvarh", "W", "kW", "VA", "kVA", "var", "kvar", "A", "V", "K",
    "Celcius", "Celsius", "Fahrenheit", "Percent",
]  # fmt: skip


class SampledValue(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One value."""

    value: str
    context: Context | None = None
    format: Literal["Raw", "SignedData"] | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Literal["Cable", "EV", "Inlet", "Outlet", "Body"] | None = None
    unit: Unit | None = None


class MeterValue(msgspec.Struct, forbid_unknown_fields=True):
    """The values of one moment."""

    timestamp: str
    sampledValue: list[SampledValue]  # noqa: N815


class MeterValues(msgspec.Struct, forbid_unknown_fields=True):
    """The request."""

    connectorId: int  # noqa: N815
    meterValue: list[MeterValue]  # noqa: N815
    transactionId: int | None = None  # noqa: N815
