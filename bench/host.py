"""The driver interface in the real platform driver agent, with the devices of a simulated site."""

from __future__ import annotations

import logging

from bench.platform import Host
from bench.site import Site
from chargepoint_driver.adapters.driver_interface import ChargePointInterface


def interface(
    here: Site, rows: list[tuple[int, dict[str, str]]]
) -> tuple[ChargePointInterface, list[str]]:
    """Return (the interface with one device per station, every topic). Values stay current."""
    logging.disable(logging.INFO)  # the host's import turns debugging on
    host = Host()
    host.configure(
        (
            f"site/{station}",
            {
                "driver_type": "chargepoint",
                "driver_config": {
                    "username": here.simulator.username,
                    "password": here.simulator.password,
                    "endpoint": here.simulator.soap_url,
                    "stationID": station,
                    "cacheExpiration": 1e9,
                },
                "registry_config": [dict(row) for _, row in rows],
                "interval": 3600,  # the bench polls, not the host
            },
        )
        for station in here.stations
    )
    driver: ChargePointInterface = host.interface
    return driver, list(driver.point_map)
