"""The twins' own record against a central system's books: what is missing there is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig

from . import report
from .twins import TwinFleet

LIMIT_S = 60.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[TwinFleet]:
    """Two twins, of both versions, that have charged and stopped."""
    with TwinFleet(2, "agent", tmp_path / "ocpp.sqlite", visits_per_day=0) as fleet:
        settings = {key: value for key, value in fleet.account({}).items() if key != "backend"}
        system = CentralSystem(OcppConfig.from_dict(settings))
        system.start()
        try:
            fleet.connect(LIMIT_S)
            for identity in fleet._twins.ids:
                fleet._twins.start_charging(identity)
            fleet._twins.advance(1_800)
            for identity in fleet._twins.ids:
                fleet._twins.stop_charging(identity)
            fleet.settle()
        finally:
            system.stop()
        yield fleet


def change(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "ocpp.sqlite")) as db, db:
        db.execute(statement)


def test_all_in_the_books(fleet: TwinFleet) -> None:
    records = fleet.records()
    assert {each.topic for each in records} == {"soak/CP0001", "soak/CP0002"}
    found = report.compared(records, fleet.books(), 1e-6)
    assert found["passed"], found
    assert found["simulator_kwh"] > 2
    # The ids that points show are the central system's, whatever a twin calls a session.
    shown = fleet.ended()
    assert all(each.session.isdecimal() for each in shown)
    assert [each.energy_kwh for each in shown] == [each.energy_kwh for each in records]
    assert fleet.faults() == []


def test_a_transaction_that_is_not_in_the_books(fleet: TwinFleet, tmp_path: Path) -> None:
    change(tmp_path, "DELETE FROM transactions WHERE charge_point = 'CP0001'")
    found = report.compared(fleet.records(), fleet.books(), 1e-6)
    assert not found["passed"]
    assert found["lost"] == 1


def test_a_transaction_without_an_end(fleet: TwinFleet, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE transactions SET meter_stop = NULL")
    found = report.compared(fleet.records(), fleet.books(), 1e-6)
    assert found["lost"] == found["sessions"] == 2


def test_a_watt_hour_too_many(fleet: TwinFleet, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE transactions SET meter_stop = meter_stop + 1")
    found = report.compared(fleet.records(), fleet.books(), 1e-6)
    assert found["wrong energy"] == found["sessions"] == 2
