"""Names of the web services' operations are known where they are spoken, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, TABLES, Catalogue, Data

PACKAGE = Path(__file__).parents[2] / "chargepoint_driver"
SPOKEN = ("backends/soap/", "simulator/", "catalogue/chargepoint.py")
OPERATIONS = {
    *CHARGEPOINT.calls,
    CHARGEPOINT.name(Data.INTERVALS),
    CHARGEPOINT.name(Data.TRANSACTIONS),
    "shedLoad",
    "clearShedState",
}
WORD = re.compile(rf"\b({'|'.join(sorted(OPERATIONS))})\b")


def test_no_other_module_names_an_operation() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {', '.join(sorted(set(names)))}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(SPOKEN)
        and (names := WORD.findall(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_names_are_looked_for_at_all() -> None:
    text = (PACKAGE / "catalogue" / "chargepoint.py").read_text(encoding="utf-8")
    assert set(WORD.findall(text)) == OPERATIONS


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_read_has_one_call_and_its_rows(table: Catalogue) -> None:
    for data in (Data.STATUS, Data.LOAD, Data.ALARMS, Data.SESSIONS, Data.STATIONS):
        rows = table.of(data)
        assert rows
        assert {row.call for row in rows} == {table.name(data)}
        assert data in table.call(data).data
    assert {row.data for row in table if row.own} == {Data.LOAD}


def test_a_charger_that_connects_directly_is_read_by_one_call() -> None:
    assert list(OCPP.calls) == ["state"]
    assert {row.call for row in OCPP} == {"state"}
