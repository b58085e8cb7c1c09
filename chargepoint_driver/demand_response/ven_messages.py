"""Events as VOLTTRON's own OpenADR 2.0b agents publish them, on classic and on modular VOLTTRON.

Both publish the event as openleadr has it, with times as text and durations as seconds, on
`openadr/event/<VEN>` (classic) or `openadr/event/<event>/<VEN>` (modular).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["Period", "is_of_ven", "is_test", "name_of", "periods_of", "rank_of"]

_ENDED = {"cancelled", "completed"}
# SI prefixes of OpenADR, as factors.
_SCALES = {None: 1.0, "none": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6}


class Period(NamedTuple):
    """A time in which a number counts. `kind`: level, price, kw or percent (of the rated power)."""

    start: datetime
    end: datetime
    kind: str
    value: float


def is_of_ven(message: Mapping[str, Any]) -> bool:
    """Return whether a message is an event of VOLTTRON's own OpenADR agent."""
    return isinstance(message.get("event_descriptor"), Mapping)


def name_of(message: Any) -> Any:
    """Return the id of a message's event; None where it has none."""
    if not isinstance(message, Mapping):
        return None
    descriptor = message.get("event_descriptor")
    return (descriptor if isinstance(descriptor, Mapping) else message).get("event_id")


def is_test(message: Mapping[str, Any]) -> bool:
    """Return whether an event is only a test: OpenADR, rule 6."""
    said = message["event_descriptor"].get("test_event", False)
    return bool(said) and str(said).lower() != "false"


def rank_of(message: Mapping[str, Any]) -> tuple[int, bool]:
    """Return (modification number, whether the event is cancelled or completed)."""
    descriptor = message["event_descriptor"]
    number = descriptor.get("modification_number", 0)
    if type(number) is not int:
        raise ValueError("modification_number must be a whole number")
    return number, descriptor.get("event_status") in _ENDED


def periods_of(message: Mapping[str, Any], longest: timedelta) -> list[Period]:
    """Return what the signals of an event ask for. A duration of 0 is an open end, taken as
    `longest`. Raises ValueError where none of the signals is supported; KeyError, TypeError for
    what is missing."""
    active = message["active_period"]
    found: list[Period] = []
    unknown: list[str] = []
    for signal in message["event_signals"]:
        read = _READ.get((signal["signal_name"].upper(), signal["signal_type"]))
        if read is None:
            unknown.append(f"{signal['signal_name']} of type {signal['signal_type']}")
            continue
        for start, length, payload in _intervals(signal, active):
            kind, value = read(_number(payload), signal.get("measurement"))
            found.append(Period(start, start + (length or longest), kind, value))
    if not found:
        said = ", ".join(unknown) or "none"
        raise ValueError(f"no signal of the event is supported: {said}")
    return found


def _intervals(
    signal: Mapping[str, Any], active: Mapping[str, Any]
) -> Iterator[tuple[datetime, timedelta, Any]]:
    """Yield (start, duration, payload) of each interval; one after the other where they have no
    start."""
    begins = _time(active["dtstart"])
    for interval in signal["intervals"]:
        given = interval.get("dtstart")
        start = begins if given is None else _time(given)
        length = _duration(interval.get("duration", active.get("duration", 0)))
        yield start, length, interval["signal_payload"]
        begins = start + length


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{text}: a time needs a time zone")
    return found


def _duration(seconds: Any) -> timedelta:
    length = timedelta(seconds=_number(seconds))
    if length < timedelta(0):
        raise ValueError("a duration is below 0")
    return length


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


Measurement = Mapping[str, Any] | None


def _kw(value: float, measurement: Measurement) -> tuple[str, float]:
    """Return a power; in kW where it has no unit."""
    if not measurement or not measurement.get("unit"):
        return "kw", value
    unit, scale = measurement["unit"], measurement.get("scale")
    if unit != "W" or scale not in _SCALES:
        raise ValueError(f"unit {unit} (scale {scale}) is not a power in W")
    return "kw", value * _SCALES[scale] / 1000


_READ: dict[tuple[str, str], Callable[[float, Measurement], tuple[str, float]]] = {
    ("SIMPLE", "level"): lambda value, _: ("level", value),
    ("ELECTRICITY_PRICE", "price"): lambda value, _: ("price", value),
    ("ENERGY_PRICE", "price"): lambda value, _: ("price", value),
    ("LOAD_DISPATCH", "setpoint"): _kw,
    ("LOAD_CONTROL", "x-loadControlSetpoint"): _kw,
    # OpenADR 2.0b: 1 is the normal capacity; an offset is a change from normal in per cent.
    ("LOAD_CONTROL", "x-loadControlCapacity"): lambda value, _: ("percent", value * 100),
    ("LOAD_CONTROL", "x-loadControlPercentOffset"): lambda value, _: ("percent", 100 + value),
}
