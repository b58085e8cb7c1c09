"""Device configs and registries as they would stand in the config store."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from chargepoint_driver.simulator import Simulator

CLASSIC = Path(__file__).parents[2] / "data" / "classic-registry.csv"

# Of a port. Live points have a currency of 0: each read asks again.
REGISTRY = """\
Volttron Point Name,Attribute Name,Register Name,Port #,Type,Units,Starting Value,Writable,Currency
status,Status,StationStatusRegister,1,string,,,FALSE,0
portLoad,portLoad,LoadRegister,1,float,kW,,FALSE,0
shedState,shedState,LoadRegister,1,integer,0 or 1,0,TRUE,0
allowedLoad,allowedLoad,LoadRegister,1,float,kW,3,TRUE,0
percentShed,percentShed,LoadRegister,1,integer,percent,50,TRUE,0
alarmType,alarmType,AlarmRegister,1,string,,,FALSE,0
clearAlarms,clearAlarms,AlarmRegister,,integer,,0,TRUE,0
energy,Energy,ChargingSessionRegister,1,float,kWh,,FALSE,0
"""
POINTS = tuple(line.partition(",")[0] for line in REGISTRY.splitlines()[1:])


def rows(text: str = REGISTRY) -> list[dict[str, str]]:
    """The rows of a registry CSV as the config store holds them."""
    return list(csv.DictReader(text.splitlines()))


def classic_rows() -> list[dict[str, str]]:
    return rows(CLASSIC.read_text(encoding="utf-8-sig"))


def row(**columns: str) -> dict[str, str]:
    """Return one row, with other values in the named cells (underscores stand for blanks,
    `Port` for `Port #`)."""
    default = {
        "Volttron Point Name": "load",
        "Attribute Name": "portLoad",
        "Register Name": "LoadRegister",
        "Port #": "1",
        "Type": "float",
        "Writable": "FALSE",
    }
    names = {name: "Port #" if name == "Port" else name.replace("_", " ") for name in columns}
    return default | {names[name]: value for name, value in columns.items()}


def device(
    sim: Simulator,
    station: str,
    registry: list[dict[str, str]] | None = None,
    host: dict[str, Any] | None = None,
    **driver_config: Any,
) -> dict[str, Any]:
    """A device config; `host` are keys of the platform driver's own. An hour between polls,
    so that tests poll when they want to."""
    return {
        "driver_type": "chargepoint",
        "driver_config": {
            "username": sim.username,
            "password": sim.password,
            "endpoint": sim.soap_url,
            "stationID": station,
            "timeout": 10,
            **driver_config,
        },
        "registry_config": rows() if registry is None else registry,
        "interval": 3600,
        **(host or {}),
    }
