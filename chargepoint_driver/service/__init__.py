"""Composition root: configuration in, `read` and `write` of points out.

`service` puts backend and cache together, `control` carries out writes, `accounts` holds
several services for the caching agent.
"""

from chargepoint_driver.service.accounts import Accounts
from chargepoint_driver.service.credentials import probe_of, take_over
from chargepoint_driver.service.json_points import describe, write_words
from chargepoint_driver.service.reading import Reader, Reading, Stations
from chargepoint_driver.service.service import READ_TIMEOUTS, Service
from chargepoint_driver.service.shed_control import (
    Alert,
    CommandFile,
    CommandStore,
    ShedController,
    ShedOptions,
    check_minutes,
    commanded_stations,
)

__all__ = [
    "READ_TIMEOUTS",
    "Accounts",
    "Alert",
    "CommandFile",
    "CommandStore",
    "Reader",
    "Reading",
    "Service",
    "ShedController",
    "ShedOptions",
    "Stations",
    "check_minutes",
    "commanded_stations",
    "describe",
    "probe_of",
    "take_over",
    "write_words",
]
