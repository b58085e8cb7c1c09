"""The configs of chargers that connect directly: what a central system knows, as devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chargepoint_driver.catalogue import OCPP, Attribute
from chargepoint_driver.catalogue.model import COMMANDS
from chargepoint_driver.cli.discovery.available import is_personal
from chargepoint_driver.cli.discovery.bundle import (
    AGENT,
    Bundle,
    BundleOptions,
    Device,
    assemble,
    registry,
)
from chargepoint_driver.cli.discovery.central import Charger
from chargepoint_driver.cli.discovery.site import Port, Station
from chargepoint_driver.cli.discovery.topics import DIRECT, topics

__all__ = ["ACCOUNT", "bundle_of_charge_points"]

ACCOUNT = "chargers"
"""What the caching agent calls the central system."""

# Kept although a charge point may have no value of it just now: limits, alarms and sessions come
# and go, a free connector has a load of 0, and commands have no value.
_ALWAYS = frozenset(
    {
        "Status",
        "TimeStamp",
        "ocppStatus",
        "compositeStatus",
        "availableForCharging",
        "requiresMaintenance",
        "Connected",
        "shedState",
        "portLoad",
        "portLoadEstimated",
        "allowedLoad",
        "limit",
        "percentShed",
        "effectiveLoad",
        "limitRefused",
        "commandedLoad",
        "commandedPercent",
        "shedStatus",
        "shedReason",
        "alarmType",
        "alarmTime",
        "clearAlarms",
        "sessionID",
        "startTime",
        "endTime",
        "Energy",
    }
)
# Of use every minute, where they are reported. What hardly ever changes is for --all-points.
_REPORTED = frozenset(
    {
        "statusTime",
        "errorCode",
        "vendorErrorCode",
        "errorInfo",
        "stationLoad",
        "energyRegister",
        "portVoltage",
        "portCurrent",
        "powerOffered",
        "SoC",
        "Temperature",
        "meterTime",
        *(row.name for row in OCPP if any("/phases/L" in path for path in row.path)),
    }
)


def bundle_of_charge_points(
    found: Sequence[Charger],
    settings: Mapping[str, Any],
    bundle_options: BundleOptions,
    name: str = ACCOUNT,
) -> Bundle:
    """Return the configs of charge points, or of their connectors, behind the caching agent, which
    is their central system with these settings; `name` is its account's there. Raises
    ConfigurationError."""
    left_out = [
        f"{one.charge_point_id}: never reported a connector; let it connect once"
        for one in found
        if not one.connectors
    ]
    known = [(one, _station(one)) for one in found if one.connectors]
    named = topics(
        bundle_options.template,
        [
            (station, number)
            for one, station in known
            for number in (one.connectors if bundle_options.per_port else [None])
        ],
        DIRECT,
    )
    devices = []
    for one, _ in known:
        rows = _attributes(one, bundle_options.everything)
        # In the words of the version that it speaks.
        word = "connectorId" if one.ocpp_version in (None, "1.6") else "evseId"
        for number in one.connectors if bundle_options.per_port else [None]:
            own = {"chargePointID": one.charge_point_id}
            devices.append(
                Device(
                    named[one.charge_point_id, number],
                    own if number is None else {**own, word: number},
                    "ocpp-connector" if number is not None else f"ocpp-{len(one.connectors)}",
                    registry(rows, None if number is not None else list(one.connectors)),
                )
            )
    agent = bundle_options.cache_agent or AGENT
    return assemble(
        devices,
        {"backend": "ocpp", "cache_agent": agent, "account": name},
        {name: {"backend": "ocpp", **settings}},
        bundle_options,
        left_out,
    )


def _attributes(one: Charger, everything: bool) -> list[Attribute]:
    return [
        row
        for row in OCPP
        if not is_personal(row)
        and (
            row.name in _ALWAYS
            or row.register == COMMANDS
            or (row.name in one.reported and (everything or row.name in _REPORTED))
        )
    ]


def _station(one: Charger) -> Station:
    """Return the charge point in the words of names."""
    ports = tuple(Port(number, None, None, None) for number in one.connectors)
    return Station(one.charge_point_id, one.charge_point_id, one.model, "", "", (), ports)
