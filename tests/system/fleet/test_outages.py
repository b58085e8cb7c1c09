"""PostgreSQL or NATS away under load: what is acknowledged is stored, and what can go on does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from . import nats_outage, postgres_outage
from .site import Site, site

LEASE_S = 2.0
CHARGERS = 6


@pytest.fixture(scope="module")
def fleet() -> Iterator[Site]:
    """Two nodes, which live through every outage here. A server of their own: it is killed."""
    with site(lease_s=LEASE_S) as made:
        yield made


@pytest.mark.parametrize(("is_frozen", "seconds"), [(False, 4.0), (True, 6.0)])
def test_nothing_is_acknowledged_or_commanded_without_postgres(
    fleet: Site, is_frozen: bool, seconds: float
) -> None:
    """Six seconds are longer than a statement may take."""
    found = asyncio.run(
        postgres_outage.play(
            fleet, seconds, CHARGERS, LEASE_S, is_frozen=is_frozen, prefix=f"P{is_frozen:d}-"
        )
    )
    assert found.is_good, found


def test_without_nats_chargers_are_served_by_their_own_nodes(fleet: Site) -> None:
    found = asyncio.run(nats_outage.play(fleet, 2.0, CHARGERS, is_frozen=False, prefix="N-"))
    assert found.is_good, found
    assert found.local > 0
    assert found.local_failed == []
    assert set(found.elsewhere) == {"try_later"}


def test_a_node_goes_to_another_server_of_nats() -> None:
    with site(nats=3, lease_s=LEASE_S) as fleet:
        found = asyncio.run(nats_outage.play(fleet, 3.0, CHARGERS, is_frozen=False))
    assert found.is_good, found
    assert found.local_failed == []
    assert found.elsewhere["done"] > 0
