"""Shed control: commanded, reported and measured limits, and the status that follows from them.

- `controller` is the entry point. `validation` checks what is written; `writers` keeps who wrote.
- `points` computes the values that are shown, among them the point `limit`.
- `supervision` confirms, renews and ends limits in force.
- `groups` limits station groups to a total.
- `sending` stages and sends commands, one at a time for each station, and takes them back.
- `alerts` reports to the host.
- `records` keeps commanded, reported and measured limits, and the files that keep them.
"""

from chargepoint_driver.service.shed_control.alerts import Alert
from chargepoint_driver.service.shed_control.controller import ShedController
from chargepoint_driver.service.shed_control.records.command_file import CommandFile, kept_writes
from chargepoint_driver.service.shed_control.records.command_store import CommandStore
from chargepoint_driver.service.shed_control.records.hand_over import commanded_stations
from chargepoint_driver.service.shed_control.validation import Division, ShedOptions, check_minutes

__all__ = [
    "Alert",
    "CommandFile",
    "CommandStore",
    "Division",
    "ShedController",
    "ShedOptions",
    "check_minutes",
    "commanded_stations",
    "kept_writes",
]
