"""Rows that this driver answers itself, whatever the backend: what was commanded, and the status
by that and the report of the load. Part of LoadRegister."""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.catalogue.model import Attribute, Call, Data, Kind, Scope, StationValue

# Stands for the operations that a limit is sent by.
_SENT = "sent"


def _own(name: str, kind: Kind, unit: str = "", notes: str = "", write: str = "") -> Attribute:
    return Attribute(
        name,
        "LoadRegister",
        "",
        ("",),
        kind,
        Scope.PORT,
        unit,
        write,
        whole=StationValue.SAME,
        notes=notes,
        own=True,
        grouped=True,
        data=Data.LOAD,
    )


_ROWS = (
    _own("commandedLoad", Kind.FLOAT, "kW", "limit that this driver commanded; None after its end"),
    _own("commandedPercent", Kind.INTEGER, "percent", "as commandedLoad, for percentShed"),
    _own("commandedTime", Kind.DATETIME, notes="of the last command, also of a clear"),
    _own(
        "shedStatus",
        Kind.STRING,
        notes="none, pending, in force, violated, contested, released, failed, adopted or expired",
    ),
    _own("shedReason", Kind.STRING, notes="reason of shedStatus"),
    _own(
        "shedEnds", Kind.DATETIME, notes="end of the limit by deadline or lease; None without both"
    ),
    _own("stagedLoad", Kind.FLOAT, "kW", "written, not sent; shedState 1 sends it"),
    _own("stagedPercent", Kind.INTEGER, "percent", "as stagedLoad, for percentShed"),
    _own(
        "limit",
        Kind.FLOAT,
        "kW",
        "limit in force, else the rated power; 0 only when charging is stopped. "
        "Written: sent at once; the rated power or more releases",
        write=_SENT,
    ),
    _own(
        "measuredReduction",
        Kind.FLOAT,
        "kW",
        "load before the control period minus the load now; None outside of one",
    ),
    _own(
        "commandLease",
        Kind.FLOAT,
        "seconds",
        "seconds within which its writer must write again, or the limit is reverted; 0: no lease",
        write="lease",
    ),
    _own("siteLoad", Kind.FLOAT, "kW", "sum over the ports of the device, or of its group"),
    _own("siteHeadroom", Kind.FLOAT, "kW", "commanded limit minus siteLoad"),
)


def commanded(call: Call, write: str) -> tuple[Attribute, ...]:
    """Return the rows, which are answered with the report of that call. `write` names the
    operations that a limit is sent by."""
    return tuple(
        replace(row, call=call.name, write=write if row.write == _SENT else row.write)
        for row in _ROWS
    )
