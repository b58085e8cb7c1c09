"""Energy of a session from its registers, also where a register was reset inside it.

A register is the meter's total in Wh and rises. A fall is rounding (a sample in kWh next to a stop
in Wh) or a reset. After a reset the energy is the sum of the rises that were seen on each side: a
minimum, because what flowed between the last register before the reset and the first one after
it is not known. The energy is never negative, and None where no register tells it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Delivered", "Registers", "after"]

# A fall of up to this much is rounding, unless the register more than halved.
_ROUNDING_WH = 1_000.0


@dataclass(frozen=True, slots=True)
class Registers:
    """Energy registers of one session, in Wh. None means not reported.

    `last_wh` is the newest sample after the begin. `carried_wh` is the sum of the pieces before
    the last of `resets`, `base_wh` the first register after it.
    """

    start_wh: float | None
    last_wh: float | None = None
    resets: int = 0
    carried_wh: float = 0.0
    base_wh: float | None = None

    def delivered(self, stop_wh: float | None = None) -> Delivered:
        """Return the energy, with the register of the end where there is one."""
        if self.start_wh is None:
            return Delivered(None, self.resets)
        if not self.resets:
            return self._without_reset(self.start_wh, stop_wh)
        return self._with_resets(self.start_wh, stop_wh)

    def _without_reset(self, start_wh: float, stop_wh: float | None) -> Delivered:
        before_wh = start_wh if self.last_wh is None else self.last_wh
        if stop_wh is not None and not _fell(before_wh, stop_wh):
            return Delivered(max(0.0, stop_wh - start_wh), 0)
        resets = 0 if stop_wh is None else 1
        if self.last_wh is None:
            return Delivered(None, resets)
        return Delivered(max(0.0, self.last_wh - start_wh), resets, is_minimum=True)

    def _with_resets(self, start_wh: float, stop_wh: float | None) -> Delivered:
        last_wh = self.last_wh or 0.0
        pieces = self.carried_wh + max(0.0, last_wh - (self.base_wh or 0.0))
        if stop_wh is None:
            return Delivered(pieces, self.resets, is_minimum=True)
        if self._is_another_meter(pieces, last_wh, stop_wh):
            return Delivered(stop_wh - start_wh, 0)
        if _fell(last_wh, stop_wh):
            return Delivered(pieces, self.resets + 1, is_minimum=True)
        return Delivered(pieces + max(0.0, stop_wh - last_wh), self.resets, is_minimum=True)

    def _is_another_meter(self, pieces: float, last_wh: float, stop_wh: float) -> bool:
        """True if samples and begin are of two registers: samples that count the session only,
        next to a begin and an end that count the total. Then the end fits the begin better than
        it fits the last sample."""
        if self.resets != 1 or self.carried_wh or self.start_wh is None or stop_wh < self.start_wh:
            return False
        rest = stop_wh - self.start_wh - pieces
        return rest >= -10 - pieces / 100 and (_fell(last_wh, stop_wh) or rest <= stop_wh - last_wh)


@dataclass(frozen=True, slots=True)
class Delivered:
    """`wh`: None where no register tells it. `is_minimum`: more may have flowed, because a
    register was reset or the end has none."""

    wh: float | None
    resets: int
    is_minimum: bool = False


def after(before: Registers, last_wh: float | None, wh: float) -> Registers:
    """Return the registers with one more sample. `last_wh` is the register before it, that of
    the begin included."""
    if last_wh is None or not _fell(last_wh, wh):
        return Registers(before.start_wh, wh, before.resets, before.carried_wh, before.base_wh)
    base_wh = before.start_wh if before.base_wh is None else before.base_wh
    carried_wh = before.carried_wh
    if base_wh is not None:
        carried_wh += max(0.0, last_wh - base_wh)
    return Registers(before.start_wh, wh, before.resets + 1, carried_wh, wh)


def _fell(before_wh: float, wh: float) -> bool:
    """True if the register was reset between the two."""
    return wh < before_wh and (before_wh - wh > _ROUNDING_WH or wh < before_wh / 2)
