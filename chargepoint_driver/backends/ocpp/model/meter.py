"""The meter of a connector: the newest value of each quantity, and the load from its registers."""

from __future__ import annotations

from typing import Any, NamedTuple

from chargepoint_driver.backends.ocpp.model.metering import COMPUTED, Sample
from chargepoint_driver.catalogue.measurands import ENERGY, EXPORTED, LOAD, MEASURANDS

__all__ = ["Meter"]

_KEPT = frozenset(row.field for row in MEASURANDS if row.keeps)
_RESTARTING = tuple(row.field for row in MEASURANDS if row.restarts)
# A load from registers yields to any other of its moment.
_FROM_REGISTERS = 2 * COMPUTED
_MIN_DELTA_S = 10.0
# Two messages are further apart by their own times than by their receipt, but no more than this.
_MAX_AHEAD_S = 1_800.0


class Meter:
    """The newest value of each quantity of a connector. Older ones never replace newer ones."""

    __slots__ = ("_exported", "_own_s", "_register", "_values", "received_s", "time_s")

    def __init__(self) -> None:
        # field -> (value, time of measuring, time of receipt, rank)
        self._values: dict[str, tuple[Any, float, float, int]] = {}
        # The registers that the next difference is from.
        self._register: _Register | None = None
        self._exported: _Register | None = None
        self._own_s: float | None = None
        self.time_s: float | None = None
        self.received_s: float | None = None

    def take(
        self, found: Sample, time_s: float, received_s: float, own_s: float | None = None
    ) -> bool:
        """Keep what is newer than what is known. True when anything was. `own_s` is the time
        by the charge point's clock, for differences."""
        own_s = time_s if own_s is None else own_s
        if self.time_s is not None and time_s < self.time_s:
            return False
        is_same = self.time_s == time_s and self._own_s == own_s
        self._own_s = own_s
        self.time_s, self.received_s = time_s, received_s
        values, ranks = found.values, found.ranks
        for name, value in values.items():
            rank = ranks.get(name, 0) if ranks else 0
            if is_same:
                self._put_same(name, value, time_s, received_s, rank)
            else:
                self._values[name] = value, time_s, received_s, rank
        if ENERGY in values or EXPORTED in values:
            self._take_registers(values, time_s, received_s, own_s)
        return True

    def _with_phases(self, phases: dict[str, Any], time_s: float) -> dict[str, Any]:
        """Return the phases with those that another message reported of the same moment."""
        known = self._values.get("phases")
        if known is None or known[1] != time_s:
            return phases
        lines = sorted({*known[0], *phases})
        return {line: {**known[0].get(line, {}), **phases.get(line, {})} for line in lines}

    def _put_same(self, name: str, value: Any, time_s: float, received_s: float, rank: int) -> None:
        """Keep a value of a moment that is known, unless a better one of it is."""
        if name == "phases":
            value = self._with_phases(value, time_s)
        known = self._values.get(name)
        if known is None or known[1] != time_s or known[3] >= rank:
            self._values[name] = value, time_s, received_s, rank

    def _take_registers(
        self, values: dict[str, Any], time_s: float, received_s: float, own_s: float
    ) -> None:
        """Derive the load from the registers where nothing better is known of the time since
        the ones before."""
        imported, exported = values.get(ENERGY), values.get(EXPORTED)
        for before in (self._register, self._exported):
            if before is not None and _is_set(before, own_s, time_s, received_s):
                self._register = self._exported = None
        if LOAD not in values and imported is not None:
            measured = self._values.get(LOAD)
            load_kw = _difference_kw(self._register, imported, own_s)
            if load_kw is not None and exported is not None:
                load_kw -= _difference_kw(self._exported, exported, own_s) or 0.0
            is_measured = (
                measured is not None
                and measured[3] < _FROM_REGISTERS
                and self._register is not None
                and measured[1] >= self._register.time_s
            )
            if load_kw is not None and not is_measured:
                self._put_same(LOAD, load_kw, time_s, received_s, _FROM_REGISTERS)
        if imported is not None and _is_next(self._register, imported, own_s):
            self._register = _Register(imported, own_s, time_s, received_s)
        if exported is not None and _is_next(self._exported, exported, own_s):
            self._exported = _Register(exported, own_s, time_s, received_s)

    def move(self, step_s: float) -> None:
        """Move every moment along with the clock, the charge point's own times apart."""
        self._values = {
            name: (value, time_s + step_s, received_s + step_s, rank)
            for name, (value, time_s, received_s, rank) in self._values.items()
        }
        if self.time_s is not None and self.received_s is not None:
            self.time_s += step_s
            self.received_s += step_s
        self._register, self._exported = (
            None
            if each is None
            else each._replace(time_s=each.time_s + step_s, received_s=each.received_s + step_s)
            for each in (self._register, self._exported)
        )

    def restart(self) -> None:
        """Another transaction: no difference is taken over its begin, no charge carried over."""
        self._register = self._exported = None
        for name in _RESTARTING:
            self._values.pop(name, None)

    def known(self, since_s: float) -> dict[str, tuple[Any, float, float, int]]:
        """Return what was received at that time or later; registers whenever it was."""
        return {
            name: entry
            for name, entry in dict(self._values).items()
            if entry[2] >= since_s or name in _KEPT
        }


class _Register(NamedTuple):
    """A register: in Wh, with its time by the charge point's clock and by ours."""

    wh: float
    own_s: float
    time_s: float
    received_s: float


def _is_set(before: _Register, own_s: float, time_s: float, received_s: float) -> bool:
    """Return True if the charge point's clock was set since a register: no difference is over
    that."""
    passed_s = own_s - before.own_s
    is_back = passed_s < 0 <= time_s - before.time_s
    return is_back or passed_s - (received_s - before.received_s) > _MAX_AHEAD_S


def _difference_kw(before: _Register | None, wh: float, time_s: float) -> float | None:
    """Mean power in kW since a register; None over too short a time or a reset."""
    if before is None:
        return None
    passed_s = time_s - before.own_s
    if passed_s < _MIN_DELTA_S or wh < before.wh:
        return None
    return (wh - before.wh) * 3.6 / passed_s


def _is_next(before: _Register | None, wh: float, time_s: float) -> bool:
    """Return True if the next difference is from this register."""
    return before is None or wh < before.wh or time_s - before.own_s >= _MIN_DELTA_S
