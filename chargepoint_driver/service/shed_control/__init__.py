"""Shed control: commanded, reported and measured limits, and the status that follows from them.

- `controller` is the entry point. `validation` and `warnings` check what is written.
- `dispatcher` sends, one at a time by `station_locks`. `load_shed_events` sends events.
- `command_log` and `command_store` keep the commands; `hand_over` moves them between processes.
- `command_state`, `reported_state` and `measured` find the status; `computed_points` shows it.
- `supervisor` confirms and renews, with `obeying` for violated limits and `ending` for deadlines.
- `watch` takes in each report of the load. `leases` and `owners` end limits that nobody wants.
- `limit_point` is the point `limit`, with the rated powers of `ratings`.
- `staging` finds limits that were not sent, `zero` those of 0 kW that may be a restored value.
- `writers` keeps who wrote; `alerts` reports to the host; `shed_counts` counts by status.
- `groups` limits station groups to a total; `revert` takes limits back.
"""

from chargepoint_driver.service.shed_control.alerts import Alert
from chargepoint_driver.service.shed_control.command_store import CommandStore, kept_writes
from chargepoint_driver.service.shed_control.controller import ShedController
from chargepoint_driver.service.shed_control.validation import Division, ShedOptions, check_minutes

__all__ = [
    "Alert",
    "CommandStore",
    "Division",
    "ShedController",
    "ShedOptions",
    "check_minutes",
    "kept_writes",
]
