"""The disk of the central system's file is full, and then has room again: what is not stored is
not acknowledged, and charge points send it again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from ..conftest import Charger, Clock, Site


class Disk:
    """What the file of a central system may grow to."""

    def __init__(self, site: Site) -> None:
        self._db = site.system._csms.store._db

    def fill(self) -> None:
        """Not one page more."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(self) -> None:
        self._db.execute("PRAGMA max_page_count = 1000000")


def running(site: Site) -> set[int]:
    """Return the transactions that are running by the file."""
    with closing(sqlite3.connect(site.config.database)) as db:
        rows = db.execute("SELECT id FROM transactions WHERE state = 'active'").fetchall()
    return {own_id for (own_id,) in rows}


@pytest.fixture
def disk(site: Site) -> Disk:
    return Disk(site)


def start_until_full(charger: Charger, clock: Clock, connector: int) -> list[Any]:
    """Begin transactions of which each needs much room; the first answer that is an error."""
    for number in range(400):
        begin = {
            "connectorId": connector,
            "idTag": f"tag {number}",
            "timestamp": clock.iso(),
            "meterStart": number,
        }
        answer = charger.request("StartTransaction", begin)
        if answer[0] == 4:
            return answer
    raise AssertionError("the disk never was full")


def test_a_begin_that_is_not_stored_has_not_happened(site, disk, clock, caplog) -> None:
    one, two = site.charger("CP1"), site.charger("CP2")
    one.boot()
    two.boot()
    disk.fill()
    refused = start_until_full(one, clock, 1)
    assert refused[2] == "InternalError"
    assert "cannot be written" in caplog.text
    assert "Make room" in caplog.text
    here = site.connector(1, "CP1").transaction
    assert here is not None  # the last that was acknowledged
    assert here.transaction_id in running(site)

    disk.make_room()
    # It comes again, and so does another one's: each has its own.
    first = one.start(clock.iso(), connector=1, meter=5_000)
    second = two.start(clock.iso(), connector=1, meter=7_000)
    assert first != second
    assert "can be written again" in caplog.text
    one.meter(clock.iso(), first, Energy_Active_Import_Register="6000")
    one.stop(first, clock.iso(), 6_500)
    two.stop(second, clock.iso(), 7_700)
    ended = {each["id"]: each["energy_wh"] for each in site.month()}
    assert (ended[first], ended[second]) == (1_500, 700)


def test_an_end_that_is_not_stored_has_not_happened(site, disk, clock) -> None:
    charger = site.charger()
    charger.boot()
    transaction = charger.start(clock.iso(), connector=2, meter=100)
    disk.fill()
    start_until_full(charger, clock, 1)
    end = {"transactionId": transaction, "timestamp": clock.iso(), "meterStop": 900}
    answer = charger.request("StopTransaction", end)
    assert (answer[0], answer[2]) == (4, "InternalError")
    assert site.connector(2).transaction.transaction_id == transaction
    disk.make_room()
    charger.stop(transaction, clock.iso(), 900)
    assert site.connector(2).transaction is None
    (row,) = [each for each in site.month() if each["id"] == transaction]
    assert (row["id"], row["energy_wh"]) == (transaction, 800)
