"""What holds for the table of chargers that connect directly."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Kind, Scope, StationValue


def test_a_name_is_enough_to_find_a_row():
    names = Counter(row.name for row in OCPP)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("row", list(OCPP), ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert row.call in OCPP.calls
    assert len(row.path) == 1
    assert "|" not in row.notes + row.unit
    assert row.is_boolean <= (row.kind is Kind.INTEGER)
    if row.path[0]:
        assert row.path[0].startswith("Port/") == (row.scope is Scope.PORT)
    # What is only written has no value that could be pushed.
    assert row.path[0] or row.own or not row.pushed


def test_what_both_tables_have_is_the_same_to_a_reader():
    shared = [(row, CHARGEPOINT.find(row.register, row.name)) for row in OCPP]
    known = [(row, other) for row, other in shared if other is not None]
    assert len(known) > 25
    for row, other in known:
        assert (row.kind, row.scope, row.unit, row.writable) == (
            other.kind,
            other.scope,
            other.unit,
            other.writable,
        )


def test_a_register_is_read_by_one_call():
    for register in OCPP.registers:
        assert len({row.call for row in OCPP if row.register == register}) == 1


def test_commands_are_the_rows_of_their_register():
    commands = [row for row in OCPP if row.is_command]
    assert {row.name for row in commands} == {
        "remoteStart", "remoteStop", "Availability", "Reset", "Unlock", "chargingPlan"
    }  # fmt: skip
    assert all(row.write.lower() == row.name.lower() for row in commands)
    assert [row for row in CHARGEPOINT if row.is_command] == []


def test_the_live_status_of_the_specification_is_there():
    for name in ("compositeStatus", "availableForCharging", "requiresMaintenance"):
        row = OCPP.find("StationStatusRegister", name)
        assert row is not None
        assert row.whole is StationValue.OWN


@pytest.mark.parametrize("row", [*OCPP, *CHARGEPOINT], ids=lambda row: row.name)
def test_names_follow_the_rule_of_the_specification(row):
    """Multi-word names are camel-cased and start with a lowercase letter; single words start
    with an uppercase letter."""
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", row.name)
    several = len(re.findall(r"[A-Z]", row.name[1:])) > 0
    if row.name not in {"SoC", "TimeStamp", "limit"}:  # exceptions: of the specification, asked for
        assert row.name[0].islower() == several


def test_no_two_names_differ_by_case_only():
    folded = Counter(row.name.lower() for row in OCPP)
    assert [name for name, count in folded.items() if count > 1] == []


def test_a_former_name_finds_the_row():
    row = OCPP.find("StationStatusRegister", "composite_status")
    assert row is OCPP.find("StationStatusRegister", "compositeStatus")
    assert OCPP.named("composite_status") == OCPP.named("compositeStatus") == (row,)
    assert row is not None
    assert row.name == "compositeStatus"
    assert len({id(row) for row in OCPP}) == len(list(OCPP)) == len(OCPP)


def test_former_names_are_nobody_elses_name():
    former = [alias for row in OCPP for alias in row.aliases]
    assert len(former) == len(set(former)) > 0
    assert not set(former) & {row.name for row in OCPP}
