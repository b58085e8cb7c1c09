"""The short form of the matrix, and that the matrix can fail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.cache import SharedCache, circuit_breaker
from chargepoint_driver.cache.circuit_breaker import Backoff
from chargepoint_driver.errors import ChargePointError, TransientError
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading, Service

from . import matrix
from .cells import Cell
from .rig import Rig
from .table import FAULTS, READS, WRITES


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.stop()


@pytest.mark.parametrize("cell", matrix.short(), ids=lambda cell: cell.name)
def test_cell(rig: Rig, cell: Cell) -> None:
    cell.run(rig)


def test_each_fault_meets_a_reading_call_and_all_calls_are_met() -> None:
    read = [cell.fault.name for cell in matrix.short() if cell.call in READS]
    assert sorted(read) == sorted(fault.name for fault in FAULTS)
    assert {cell.call for cell in matrix.short()} == {*READS, *WRITES}
    assert len(matrix.CELLS) == len({cell.key for cell in matrix.CELLS}) == len(FAULTS) * 26


# ---- a driver that does one thing wrong does not pass ------------------------------------

FAULT = {fault.name: fault for fault in FAULTS}
UNAVAILABLE = Cell(FAULT["HTTP 503"], "getLoad", "embedded")


def found(rig: Rig, cell: Cell) -> str:
    with pytest.raises(AssertionError) as caught:
        cell.run(rig)
    return str(caught.value)


def test_a_zero_in_the_place_of_an_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Service.read

    def hopeful(self: Service, points: Mapping[str, Point]) -> Reading:
        reading = read(self, points)
        return Reading({**dict.fromkeys(reading.errors, 0), **reading.values}, {}, reading.ages_s)

    monkeypatch.setattr(Service, "read", hopeful)
    assert "is 0, not try_later" in found(rig, UNAVAILABLE)


def test_one_failed_call_that_takes_the_others_along(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Backoff.failed
    monkeypatch.setattr(
        Backoff,
        "failed",
        lambda self, call, error, now, stations, secret: failed(self, "*", error, now, (), secret),
    )
    monkeypatch.setattr(Backoff, "succeeded", lambda *_: None)
    assert "try_later" in found(rig, UNAVAILABLE)


def test_calls_that_are_not_held_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "failed", lambda *_: None)
    assert "20 calls in 300 s of outage" in found(rig, UNAVAILABLE)


def test_a_recovery_that_takes_too_long(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "FIRST_S", 200.0)
    monkeypatch.setattr(circuit_breaker, "MAX_S", 600.0)
    assert "errors an interval after the fault" in found(rig, UNAVAILABLE)


def test_another_code(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TransientError, "code", "bad_reply")
    assert "bad_reply, not try_later" in found(rig, UNAVAILABLE)


def test_an_old_value(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Cell(FAULT["clock skew"], "getStationStatus", "embedded")
    monkeypatch.setattr(SharedCache, "get", _as_it_was(SharedCache.get))
    assert "TimeStamp" in found(rig, good)


def _as_it_was(get: Callable[..., dict[Any, Any]]) -> Callable[..., dict[Any, Any]]:
    kept: dict[Any, Any] = {}

    def answer(self: SharedCache, wanted: Mapping[Any, float]) -> dict[Any, Any]:
        missing = {key: wanted[key] for key in wanted if key not in kept}
        kept.update(get(self, missing) if missing else {})
        return {key: kept[key] for key in wanted}

    return answer


@pytest.mark.parametrize("call", WRITES)
def test_a_write_that_is_sent_again(rig: Rig, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    send = SoapBackend._write

    def twice(self: SoapBackend, operation: str, **arguments: Any) -> Any:
        try:
            return send(self, operation, **arguments)
        except TransientError:
            return send(self, operation, **arguments)

    monkeypatch.setattr(SoapBackend, "_write", twice)
    assert "not sent once" in found(rig, Cell(FAULT["reply lost"], call, "embedded"))


def test_a_failed_write_that_passes_for_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    send = SoapBackend._write

    def careless(self: SoapBackend, operation: str, **arguments: Any) -> Any:
        with contextlib.suppress(ChargePointError):
            return send(self, operation, **arguments)

    monkeypatch.setattr(SoapBackend, "_write", careless)
    cell = Cell(FAULT["HTTP 503"], "shedLoad", "embedded")
    assert "passed for done, not try_later" in found(rig, cell)
