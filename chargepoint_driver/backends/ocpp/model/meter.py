"""The meter of a connector: the newest value of each quantity, and the load from its registers."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.metering import COMPUTED, Sample
from chargepoint_driver.catalogue.measurands import ENERGY, EXPORTED, LOAD, MEASURANDS

__all__ = ["Meter"]

_KEPT = frozenset(row.field for row in MEASURANDS if row.keeps)
_RESTARTING = tuple(row.field for row in MEASURANDS if row.restarts)
# A load from registers yields to any other of its moment.
_FROM_REGISTERS = 2 * COMPUTED
_SHORTEST_DELTA_S = 10.0


class Meter:
    """The newest value of each quantity of a connector. Older ones never replace newer ones."""

    __slots__ = ("_exported", "_register", "_values", "received_s", "time_s")

    def __init__(self) -> None:
        # field -> (value, time of measuring, time of receipt, rank)
        self._values: dict[str, tuple[Any, float, float, int]] = {}
        # The registers that the next difference is from: (Wh, own time, time of measuring).
        self._register: tuple[float, float, float] | None = None
        self._exported: tuple[float, float, float] | None = None
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
        is_same = self.time_s == time_s
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
        """Phases together with those that another message told of the same moment."""
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
        if LOAD not in values and imported is not None:
            measured = self._values.get(LOAD)
            load_kw = _difference_kw(self._register, imported, own_s)
            if load_kw is not None and exported is not None:
                load_kw -= _difference_kw(self._exported, exported, own_s) or 0.0
            is_measured = (
                measured is not None
                and measured[3] < _FROM_REGISTERS
                and self._register is not None
                and measured[1] >= self._register[2]
            )
            if load_kw is not None and not is_measured:
                self._put_same(LOAD, load_kw, time_s, received_s, _FROM_REGISTERS)
        if imported is not None and _is_next(self._register, imported, own_s):
            self._register = imported, own_s, time_s
        if exported is not None and _is_next(self._exported, exported, own_s):
            self._exported = exported, own_s, time_s

    def restart(self) -> None:
        """Another transaction: no difference is taken over its begin, no charge carried over."""
        self._register = self._exported = None
        for name in _RESTARTING:
            self._values.pop(name, None)

    def known(self, since_s: float) -> dict[str, tuple[Any, float, float, int]]:
        """What was received at that time or later; registers whenever it was."""
        return {
            name: entry
            for name, entry in dict(self._values).items()
            if entry[2] >= since_s or name in _KEPT
        }


def _difference_kw(
    before: tuple[float, float, float] | None, wh: float, time_s: float
) -> float | None:
    """Mean power in kW since a register; None over too short a time or a reset."""
    if before is None:
        return None
    before_wh, before_s, _ = before
    passed_s = time_s - before_s
    if passed_s < _SHORTEST_DELTA_S or wh < before_wh:
        return None
    return (wh - before_wh) * 3.6 / passed_s


def _is_next(before: tuple[float, float, float] | None, wh: float, time_s: float) -> bool:
    """Whether the next difference is from this register."""
    return before is None or wh < before[0] or time_s - before[1] >= _SHORTEST_DELTA_S
