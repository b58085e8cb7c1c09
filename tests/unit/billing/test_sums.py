"""Sums: of what is known, with the number of what is not."""

from __future__ import annotations

from decimal import Decimal

from chargepoint_driver.billing.costs import Cost
from chargepoint_driver.billing.sums import Sums

from .conftest import session

BEGIN = 1_800_000_000.0


def test_what_is_not_known_is_counted_and_not_added() -> None:
    sums = Sums()
    for amount, wh in ((Decimal("0.10"), 0.1), (Decimal("0.20"), 0.2)):
        sums.add(session(BEGIN, BEGIN + 60, wh), Cost(amount, "EUR"))
    sums.add(session(BEGIN, BEGIN + 60, None), Cost(reason="no_energy"))
    sums.add(session(BEGIN, BEGIN + 30, 5.0, is_minimum=True), Cost(reason="minimum"))
    sums.add(session(None, BEGIN, None), Cost(Decimal(7), "USD", is_estimated=True))
    # What runs is not final: its energy so far is in no sum.
    sums.add(session(BEGIN, None, 99.0), Cost(reason="running"))
    assert (sums.sessions, sums.running) == (6, 1)
    assert (sums.energy_wh, sums.energy_unknown, sums.energy_minimum) == (Decimal("5.300"), 2, 1)
    assert (sums.duration_s, sums.duration_unknown) == (210.0, 1)
    assert sums.costs == {"EUR": Decimal("0.30"), "USD": Decimal(7)}
    assert (sums.cost_unknown, sums.cost_estimated) == (2, 1)
    assert sums.reasons == {"no_energy": 1, "minimum": 1}
    assert (Sums().energy_wh, Sums().costs) == (0, {})
