"""All charge points at once: after a restart of ours everybody comes back with what was pending.

With 2,000 of them in `make bench`.
"""

from __future__ import annotations

import pytest

from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

TWINS = 200


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_all_reconnect_at_once_and_no_transaction_is_lost(start, ocpp) -> None:
    first = start()
    listen = first.system.ocpp_url.removeprefix("ws://").removesuffix("/ocpp")
    with Twins(first.system.ocpp_url, TWINS, ocpp, speed=1, longest_backoff_s=1) as twins:
        twins.wait_connected(60)
        for identity in twins.ids:
            assert twins.start_charging(identity) == "Accepted"
        running = {
            point.id: eventually(
                lambda point=point: first.connector(1, point.id).transaction
            ).transaction_id
            for point in first.system.charge_points()
        }
        assert len(set(running.values())) == TWINS
        first.stop()
        # Half of them end their transactions while there is no central system.
        for identity in twins.ids[::2]:
            twins.stop_charging(identity)
        again = start(listen=listen)
        eventually(lambda: twins.stats()["accepted"] == TWINS, 60)
        eventually(lambda: len(again.month()) == TWINS // 2, 60)
        for identity in twins.ids[1::2]:
            assert again.connector(1, identity).transaction.transaction_id == running[identity]
            twins.stop_charging(identity)
        rows = eventually(lambda: len(again.month()) == TWINS and again.month(), 60)
        assert twins.errors == []
    assert {row["charge_point"]: row["id"] for row in rows} == running
    assert {row["state"] for row in rows} == {"completed"}
    assert not {"orphans", "adopted_transactions", "internal_errors"} & set(again.system.counters())
