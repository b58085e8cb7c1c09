"""The short form of the matrix over OCPP, and that the matrix can fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp import registers
from chargepoint_driver.backends.ocpp.transport.connection import Connection
from chargepoint_driver.errors import ChargePointError, OutcomeUnknownError, WriteRejectedError
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading, Service

from . import matrix
from .cells import Cell
from .quirk_cells import QuirkCell
from .quirk_table import QUIRK_ROWS, QuirkRow
from .rig import DOORS, Rig
from .table import FAULTS, VERSIONS


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[str, Rig]]:
    rigs = {door: Rig(door) for door in DOORS}
    yield rigs
    for rig in rigs.values():
        rig.stop()


@pytest.mark.parametrize("cell", matrix.short(), ids=lambda cell: cell.name)
def test_cell(rigs: dict[str, Rig], cell: Cell) -> None:
    cell.run(rigs[cell.door])


def test_each_fault_is_met_and_all_calls_doors_and_versions_are() -> None:
    cells = matrix.short()
    assert [cell.fault for cell in cells] == list(FAULTS)
    assert {cell.call for cell in cells} == set(matrix.CALLS)
    assert {(cell.door, cell.version) for cell in cells} == {
        (d, v) for d in DOORS for v in VERSIONS
    }
    assert len({cell.key for cell in matrix.CELLS}) == len(FAULTS) * len(matrix.CALLS) * 4


@pytest.fixture(scope="module")
def rigs_that_set_up() -> Iterator[dict[str, Rig]]:
    rigs = {door: Rig(door, sets_up=True) for door in DOORS}
    yield rigs
    for rig in rigs.values():
        rig.stop()


@pytest.mark.parametrize("cell", matrix.short_of_quirks(), ids=lambda cell: cell.name)
def test_cell_of_a_quirk(
    rigs: dict[str, Rig], rigs_that_set_up: dict[str, Rig], cell: QuirkCell
) -> None:
    cell.run((rigs_that_set_up if cell.row.max_boots else rigs)[cell.door])


def test_each_quirk_of_the_table_is_met() -> None:
    cells = matrix.short_of_quirks()
    assert [cell.row for cell in cells] == list(QUIRK_ROWS)
    assert {(cell.door, cell.version) for cell in cells} == {
        (d, v) for d in DOORS for v in VERSIONS
    }
    assert len({cell.key for cell in matrix.QUIRK_CELLS}) == len(matrix.QUIRK_CELLS)


# ---- a driver that does one thing wrong does not pass ------------------------------------

FAULT = {fault.name: fault for fault in FAULTS}


def found(rigs: dict[str, Rig], fault: str, call: str) -> str:
    with pytest.raises(AssertionError) as caught:
        Cell(FAULT[fault], call, "embedded", "1.6").run(rigs["embedded"])
    return str(caught.value)


def test_a_load_without_a_socket(rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    read = Service.read

    def hopeful(self: Service, points: Mapping[str, Point]) -> Reading:
        reading = read(self, points)
        for name, value in reading.values.items():
            if name.startswith("portLoad") and value is None:
                reading.values[name] = 0
        return reading

    monkeypatch.setattr(Service, "read", hopeful)
    assert "portLoad 1 is 0, not None" in found(rigs, "closed", "unlock")


def test_a_limit_in_doubt_that_is_called_none(
    rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = registers._limits

    def sure(own: Any, above: Any) -> dict[str, Any]:
        found = limits(own, above)
        return {**found, "shed": found["shed"] or 0}

    monkeypatch.setattr(registers, "_limits", sure)
    assert "shedState 1 is 0, not None" in found(rigs, "no answer", "allowedLoad")


def test_a_request_that_is_sent_again(
    rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Connection.call

    async def twice(self: Connection, *args: Any, **options: Any) -> Any:
        try:
            return await call(self, *args, **options)
        except WriteRejectedError:
            return await call(self, *args, **options)

    monkeypatch.setattr(Connection, "call", twice)
    assert "sent twice" in found(rigs, "CALLERROR GenericError", "reset")


def test_a_failure_that_passes_for_done(
    rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Connection.call

    async def careless(self: Connection, *args: Any, **options: Any) -> Any:
        try:
            return await call(self, *args, **options)
        except ChargePointError:
            return {"status": "Accepted"}

    monkeypatch.setattr(Connection, "call", careless)
    assert "passed for done, not write_rejected" in found(rigs, "CALLERROR GenericError", "unlock")


def test_another_code(rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutcomeUnknownError, "code", "try_later")
    assert "failed with try_later, not fate_unknown" in found(rigs, "closed", "reset")


def found_of_quirk(rigs: dict[str, Rig], row: QuirkRow, version: str = "1.6") -> str:
    with pytest.raises(AssertionError) as caught:
        QuirkCell(row, "embedded", version).run(rigs["embedded"])
    return str(caught.value)


def test_a_quirk_that_changes_what_is_read(rigs: dict[str, Rig]) -> None:
    assert found_of_quirk(rigs, QuirkRow("x", {}, shows={"portLoad 1": 7.0})) == (
        "portLoad 1 is 11.0, not 7.0"
    )


def test_a_session_that_is_not_recorded(
    rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Rig.sessions
    monkeypatch.setattr(Rig, "sessions", lambda self, station: sessions(self, station)[:1])
    assert "1 sessions, not 2" in found_of_quirk(rigs, QuirkRow("x", {}, sessions=2))


def test_energy_that_is_wrong(rigs: dict[str, Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Rig.sessions

    def small(self: Rig, station: str) -> list[dict[str, Any]]:
        return [{**row, "energy_wh": 0.0} for row in sessions(self, station)]

    monkeypatch.setattr(Rig, "sessions", small)
    assert "Wh flowed" in found_of_quirk(rigs, QuirkRow("x", {}))
