"""Points shown on the page: register and attribute, by what they belong to. A row of the catalogue
that an account does not have is left out. To show one more, add it here."""

from __future__ import annotations

from collections.abc import Mapping

from chargepoint_driver.catalogue import Attribute, Catalogue

__all__ = ["OF_GROUP", "OF_PORT", "OF_STATION", "rows"]

Table = Mapping[str, tuple[str, ...]]

OF_STATION: Table = {
    "StationStatusRegister": (
        "networkStatus",
        "Connected",
        "lastSeen",
        "compositeStatus",
        "requiresMaintenance",
        "outOfService",
    ),
    "LoadRegister": ("shedStatus", "siteLoad", "siteHeadroom"),
}
OF_PORT: Table = {
    "StationStatusRegister": (
        "Status",
        "TimeStamp",
        "faultReason",
        "ocppStatus",
        "errorCode",
        "vendorErrorCode",
        "errorInfo",
        "availableForCharging",
        "compositeStatus",
        "requiresMaintenance",
        "outOfService",
    ),
    "LoadRegister": (
        "portLoad",
        "portLoadEstimated",
        "shedState",
        "allowedLoad",
        "percentShed",
        "commandedLoad",
        "commandedPercent",
        "commandedTime",
        "shedStatus",
        "shedReason",
        "shedEnds",
        "stagedLoad",
        "stagedPercent",
        "measuredReduction",
        "commandLease",
        "siteLoad",
        "siteHeadroom",
        "lastBatteryPercent",
        "SoC",
    ),
    "AlarmRegister": ("alarmType", "alarmTime"),
}
OF_GROUP: Table = {
    "LoadRegister": (
        "siteLoad",
        "siteHeadroom",
        "shedState",
        "commandedLoad",
        "commandedPercent",
        "commandedTime",
        "shedStatus",
        "shedReason",
        "shedEnds",
        "stagedLoad",
        "stagedPercent",
        "measuredReduction",
        "commandLease",
    ),
}


def rows(table: Table, catalogue: Catalogue) -> list[Attribute]:
    """The rows of a table that a catalogue has."""
    found = [catalogue.find(register, name) for register, names in table.items() for name in names]
    return [row for row in found if row is not None]
