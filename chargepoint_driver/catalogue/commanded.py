"""The rows that this driver answers itself, whatever the backend: what was commanded, and what
that and the report of the load come to. Part of LoadRegister."""

from __future__ import annotations

from chargepoint_driver.catalogue.model import Attribute, Kind, Scope, Whole


def _own(name: str, kind: Kind, unit: str = "", notes: str = "") -> Attribute:
    return Attribute(
        name,
        "LoadRegister",
        "getLoad",
        ("",),
        kind,
        Scope.PORT,
        unit,
        whole=Whole.SAME,
        notes=notes,
        own=True,
        grouped=True,
    )


COMMANDED = (
    _own("commandedLoad", Kind.FLOAT, "kW", "the limit commanded here that has not run out"),
    _own("commandedPercent", Kind.INTEGER, "percent", "as commandedLoad, for percentShed"),
    _own("commandedTime", Kind.DATETIME, notes="of the last command, a clear included"),
    _own(
        "shedStatus",
        Kind.STRING,
        notes="none, pending, in force, released, failed, adopted or expired",
    ),
    _own("shedReason", Kind.STRING, notes="why shedStatus is what it is"),
    _own("siteLoad", Kind.FLOAT, "kW", "sum over the ports of the device, or of its group"),
    _own("siteHeadroom", Kind.FLOAT, "kW", "commanded limit minus siteLoad"),
)
