"""What PostgreSQL holds at the end, against what chargers were acknowledged."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tests.postgres_server import Postgres

from .chargers import Chargers

__all__ = ["Stored", "stored"]


class Stored(NamedTuple):
    """Sessions that were acknowledged, and what of them is lost, doubled, or under another
    charger's id."""

    acknowledged: int
    lost: list[tuple[str, int]]
    doubled: int

    @property
    def is_good(self) -> bool:
        """Return True if every session is stored, once."""
        return not self.lost and not self.doubled


def stored(postgres: Postgres, records: str, chargers: Chargers) -> Stored:
    """Compare the sessions of all chargers, whose last ones have ended."""
    rows = postgres.rows(
        "SELECT charge_point, id, state, meter_start, meter_stop FROM transactions",
        database=records,
    )
    found = {(name, own_id): tuple(rest) for name, own_id, *rest in rows}
    lost = [
        (each.name, transaction)
        for each in chargers.each
        for transaction, end in each.ended.items()
        if found.get((each.name, transaction)) != ("completed", end - 7, end)
    ]
    per_charger = Counter(name for name, *_ in rows)
    doubled = sum(max(0, per_charger[each.name] - each.asked) for each in chargers.each)
    return Stored(sum(each.asked for each in chargers.each), lost, doubled)
