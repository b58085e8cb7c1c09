"""The whole table as a text, so that no row changes unseen."""

from __future__ import annotations

import os
from pathlib import Path

from chargepoint_driver.catalogue import CHARGEPOINT

STORED = Path(__file__).parents[2] / "data" / "catalogue.txt"
UPDATE = "UPDATE_SNAPSHOTS"


def table() -> str:
    lines = []
    for call in CHARGEPOINT.calls.values():
        lines.append(
            f"{call.name}: {call.record} by {call.batch.value}, most {call.most}, page {call.page}"
            f"{', absent is empty' if call.absent_is_empty else ''}"
            f"{', newest by ' + call.time_field if call.time_field else ''}"
            f", every {call.scrape_interval_s or 'poll'}, current {call.currency_s:g} s"
        )
        for row in (row for row in CHARGEPOINT if row.call == call.name):
            parts = (
                f"{row.register}.{row.name}",
                " or ".join(row.path) or "-",
                row.kind.value,
                row.unit or "-",
                row.scope.value,
                f"whole {row.whole.value}" if row.whole.value else "-",
                f"write {row.write}" if row.writable else "-",
                row.since,
                row.notes or "-",
            )
            lines.append("    " + " | ".join(parts))
    return "\n".join(lines) + "\n"


def test_the_table_is_the_stored_one():
    if os.environ.get(UPDATE):
        STORED.write_text(table(), encoding="utf-8")
    assert STORED.read_text(encoding="utf-8").splitlines() == table().splitlines(), (
        f"the catalogue differs from tests/data/{STORED.name}; when the change is meant, run "
        f"this test once with {UPDATE}=1 and look at the difference"
    )
