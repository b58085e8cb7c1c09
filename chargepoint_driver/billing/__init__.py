"""Costs of charging sessions: tariffs, ChargePoint's own pricing, sums, and monthly reports.

`bills` is the entry: pages, sums and reports. `prices` has the prices of a tariff over a week,
`costs` the cost of one session, `tariffs` the choice of a tariff, `cost_centres` the file of them,
`files` CSV.
"""

from chargepoint_driver.billing.bills import (
    BilledSession,
    Bills,
    Page,
    Report,
    SessionFilter,
    SessionSource,
)
from chargepoint_driver.billing.costs import Cost
from chargepoint_driver.billing.sums import Sums

__all__ = [
    "BilledSession",
    "Bills",
    "Cost",
    "Page",
    "Report",
    "SessionFilter",
    "SessionSource",
    "Sums",
]
