"""What holds for the table of chargers that connect directly."""

from __future__ import annotations

from collections import Counter

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Kind, Scope, Whole


def test_a_name_is_enough_to_find_a_row():
    names = Counter(row.name for row in OCPP)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("row", list(OCPP), ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert row.call in OCPP.calls
    assert len(row.path) == 1
    assert "|" not in row.notes + row.unit
    assert row.truth <= (row.kind is Kind.INTEGER)
    if row.path[0]:
        assert row.path[0].startswith("Port/") == (row.scope is Scope.PORT)
    # What is only written says nothing that could be pushed.
    assert row.path[0] or row.own or not row.pushed


def test_what_both_tables_have_is_the_same_to_a_reader():
    shared = [(row, CHARGEPOINT.find(row.register, row.name)) for row in OCPP]
    known = [(row, other) for row, other in shared if other is not None]
    assert len(known) > 25
    for row, other in known:
        assert (row.kind, row.scope, row.unit, row.write) == (
            other.kind,
            other.scope,
            other.unit,
            other.write,
        )


def test_a_register_is_read_by_one_call():
    for register in OCPP.registers:
        assert len({row.call for row in OCPP if row.register == register}) == 1


def test_commands_are_the_rows_of_their_register():
    commands = [row for row in OCPP if row.is_command]
    assert {row.name for row in commands} == {
        "remoteStart", "remoteStop", "availability", "reset", "unlock"
    }  # fmt: skip
    assert all(row.write == row.name for row in commands)
    assert [row for row in CHARGEPOINT if row.is_command] == []


def test_the_live_status_of_the_specification_is_there():
    for name in ("composite_status", "available_for_charging", "requires_maintenance"):
        row = OCPP.find("StationStatusRegister", name)
        assert row is not None
        assert row.whole is Whole.OWN
