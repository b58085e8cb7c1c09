"""Specification of a twin, as data: read and checked, all faults at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..quirks.quirks import quirk_faults
from ..transport.connection import Pace
from ..transport.security import Security
from .electrical import Supply

VERSIONS = ("1.6", "2.0.1")
MAX_CONNECTORS = 32

# The default connector of each kind.
DEFAULT = {"AC": Supply("AC", 22.0, 3, 230.0), "DC": Supply("DC", 150.0, 3, 230.0)}


@dataclass(frozen=True)
class TwinSpec:
    """One charge point."""

    identity: str
    ocpp: str = "1.6"
    csms_url: str = "ws://127.0.0.1:9000/ocpp"
    supplies: tuple[Supply, ...] = (DEFAULT["AC"],)
    vendor: str = "Twin Works"
    model: str = "Twin 22"
    serial_number: str | None = None
    firmware_version: str = "1.0.0"
    security: Security = field(default_factory=Security)
    quirks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    reboot_s: float = 0.2
    # False: absolute times in requests are on a central system's real clock and are moved to
    # the simulated one when they arrive. True: both share the simulated clock.
    shared_clock: bool = False
    journal: int = 50
    visits_per_day: float = 0.0
    # A vehicle arrives automatically for a remote start that waits for one.
    plug_on_remote_start: bool = False


class InvalidSpecError(ValueError):
    """All that is wrong with a description, a line each."""


_TEXTS = {"id": 255, "csms_url": 2000, "vendor": 50, "model": 20, "firmware_version": 50}
_PACE = ("call_timeout_s", "open_timeout_s", "backoff_s", "longest_backoff_s")
_SECURITY = ("password", "ca_file", "certificate_file", "key_file")
KEYS = {
    *_TEXTS,
    *_PACE,
    *_SECURITY,
    "ocpp",
    "connectors",
    "serial_number",
    "quirks",
    "configuration",
    "reboot_s",
    "shared_clock",
    "journal",
    "visits_per_day",
    "plug_on_remote_start",
}
_SUPPLY = {"kind", "rated_kw", "phases", "voltage_v"}


def read_spec(  # noqa: PLR0912 - one for each key
    given: Any, defaults: Mapping[str, Any] | None = None, where: str = ""
) -> TwinSpec:
    """Return a description as JSON gives it; `defaults` fill in what it leaves out. Raises
    InvalidSpecError."""
    faults: list[str] = []
    if not isinstance(given, Mapping):
        raise InvalidSpecError(f"{where}must be an object; it needs at least an id")
    data = {**(defaults or {}), **given}
    faults += [
        f"{key}: unknown; it takes {', '.join(sorted(KEYS))}" for key in given if key not in KEYS
    ]
    for key, most in _TEXTS.items():
        if key in data and not (isinstance(data[key], str) and 0 < len(data[key]) <= most):
            faults.append(f"{key}: must be a text of 1 to {most} characters, not {data[key]!r}")
    if "id" not in data:
        faults.append("id: is missing")
    if str(data.get("csms_url", "ws://")).partition("://")[0] not in ("ws", "wss"):
        faults.append("csms_url: must begin with ws:// or wss://")
    if data.get("ocpp", "1.6") not in VERSIONS:
        faults.append(f"ocpp: must be one of {', '.join(VERSIONS)}, not {data['ocpp']!r}")
    for key in (*_SECURITY, "serial_number"):
        if data.get(key) is not None and not isinstance(data[key], str):
            faults.append(f"{key}: must be a text")
        elif key.endswith("_file") and data.get(key) is not None and not Path(data[key]).is_file():
            faults.append(f"{key}: there is no file {data[key]!r}")
    for key in (*_PACE, "reboot_s"):
        if key in data and not _is_number(data[key], 0, 86_400):
            faults.append(f"{key}: must be seconds from 0 to 86400, not {data[key]!r}")
    for key in ("shared_clock", "plug_on_remote_start"):
        if not isinstance(data.get(key, False), bool):
            faults.append(f"{key}: must be true or false")
    if type(data.get("journal", 0)) is not int or not 0 <= data.get("journal", 0) <= 100_000:
        faults.append("journal: must be a whole number from 0 to 100000")
    if not _is_number(data.get("visits_per_day", 0), 0, 1_000):
        faults.append("visits_per_day: must be a number from 0 to 1000")
    faults += quirk_faults(data.get("quirks", {}))
    configuration = data.get("configuration", {})
    if not isinstance(configuration, Mapping) or not all(
        isinstance(value, str) for value in configuration.values()
    ):
        faults.append("configuration: must be an object of key: text")
    supplies = _supplies(data.get("connectors", 1), faults)
    if faults:
        raise InvalidSpecError("\n".join(f"{where}{fault}" for fault in faults))
    return TwinSpec(
        identity=data["id"],
        supplies=supplies,
        security=Security(**{key: data[key] for key in _SECURITY if key in data}),
        pace=Pace(**{key: float(data[key]) for key in _PACE if key in data}),
        **{
            key: data[key]
            for key in (
                *(set(_TEXTS) - {"id"}),
                "ocpp",
                "serial_number",
                "quirks",
                "configuration",
                "reboot_s",
                "shared_clock",
                "journal",
                "visits_per_day",
                "plug_on_remote_start",
            )
            if key in data
        },
    )


def _supplies(given: Any, faults: list[str]) -> tuple[Supply, ...]:
    if type(given) is int and 1 <= given <= MAX_CONNECTORS:
        return (DEFAULT["AC"],) * given
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_CONNECTORS:
        faults.append(f"connectors: must be 1 to {MAX_CONNECTORS}, as a number or a list")
        return ()
    supplies = []
    for index, one in enumerate(given):
        where = f"connectors[{index}]"
        if not isinstance(one, Mapping) or set(one) - _SUPPLY:
            faults.append(f"{where}: must be an object of {', '.join(sorted(_SUPPLY))}")
            continue
        kind = one.get("kind", "AC")
        if kind not in DEFAULT:
            faults.append(f"{where}.kind: must be AC or DC, not {kind!r}")
            continue
        default = DEFAULT[kind]
        numbers = {key: one.get(key, getattr(default, key)) for key in ("rated_kw", "voltage_v")}
        for key, value in numbers.items():
            if not _is_number(value, 0.1, 2_000):
                faults.append(f"{where}.{key}: must be a number from 0.1 to 2000, not {value!r}")
        phases = one.get("phases", default.phases)
        if type(phases) is not int or not 1 <= phases <= 3:
            faults.append(f"{where}.phases: must be 1, 2 or 3, not {phases!r}")
            continue
        if not faults:
            supplies.append(Supply(kind, numbers["rated_kw"], phases, numbers["voltage_v"]))
    return tuple(supplies)


def _is_number(value: Any, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most
