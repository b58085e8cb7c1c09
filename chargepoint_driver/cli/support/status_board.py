"""The state of every port at one moment, as `watch` shows it and its JSON lines carry it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from chargepoint_driver.cli.discovery.site import Station
from chargepoint_driver.cli.support.console import distinct_errors
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.registry import Selection, build
from chargepoint_driver.registry import columns as col
from chargepoint_driver.service import Reader, Reading

__all__ = ["LIVE", "PortState", "StatusBoard", "read_board", "selection"]

_SESSION = "ChargingSessionRegister"
_POINTS = (
    ("Status", "StationStatusRegister"),
    ("portLoad", "LoadRegister"),
    ("shedState", "LoadRegister"),
    ("allowedLoad", "LoadRegister"),
    ("percentShed", "LoadRegister"),
    ("sessionID", _SESSION),
    ("endTime", _SESSION),
    ("Energy", _SESSION),
)
# Sessions are asked for a whole account at once, in pages: not at every refresh.
_SESSION_CURRENCY_S = 60.0
LIVE = ("Status", "portLoad", "shedState")


@dataclass(frozen=True)
class PortState:
    """One port. None means not reported, or not readable (then `errors` has the reason).

    `limit_kw` and `limit_percent` are the shed in force. `session_kwh` is of the session that
    lasts; `age_s` the age of the oldest of status, load and shed state. `unknown`: the points
    that could not be read.
    """

    station_id: str
    station: str
    port: int
    status: str | None
    load_kw: float | None
    rated_kw: float | None
    is_shed: bool | None
    limit_kw: float | None
    limit_percent: int | None
    session_kwh: float | None
    age_s: float | None
    errors: tuple[str, ...]
    unknown: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "unknown": sorted(self.unknown)}


@dataclass(frozen=True)
class StatusBoard:
    """All ports, and the messages of what went wrong, each once.

    `ports` is None while the stations of the account are not known. `problems`: the messages for
    people, with codes, each cause once.
    """

    at: datetime
    ports: tuple[PortState, ...] | None
    messages: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @classmethod
    def without_stations(cls, error: ChargePointError) -> StatusBoard:
        """While the list of stations cannot be read."""
        problems = tuple(distinct_errors([error]))
        return cls(datetime.now(timezone.utc), None, (str(error),), problems)

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "ports": None if self.ports is None else [port.to_dict() for port in self.ports],
            "errors": list(self.messages),
        }


def selection(stations: Iterable[Station], currency_s: float) -> Selection:
    """Return the points that a picture needs, with how old they may be."""
    wanted = Selection()
    for station in stations:
        rows = [
            {
                col.POINT_NAME: _name(station.station_id, port.number, name),
                col.ATTRIBUTE: name,
                col.REGISTER: register,
                col.PORT: str(port.number),
                col.CURRENCY: str(
                    max(currency_s, _SESSION_CURRENCY_S) if register == _SESSION else currency_s
                ),
            }
            for port in station.ports
            for name, register in _POINTS
        ]
        wanted.update(build(enumerate(rows, start=1), "watch", station.station_id).points)
    return wanted


def read_board(service: Reader, stations: Sequence[Station], wanted: Selection) -> StatusBoard:
    """Every port now."""
    reading = service.read(wanted)
    return StatusBoard(
        datetime.now(timezone.utc),
        tuple(
            _state(station, port.number, port.power_kw, reading)
            for station in stations
            for port in station.ports
        ),
        tuple(dict.fromkeys(str(error) for error in reading.errors.values())),
        tuple(distinct_errors(reading.errors.values())),
    )


def _name(station_id: str, port: int, name: str) -> str:
    return f"{station_id} {port} {name}"


def _state(station: Station, port: int, rated_kw: float | None, reading: Reading) -> PortState:
    names = {name: _name(station.station_id, port, name) for name, _ in _POINTS}

    def value(name: str) -> Any:
        return reading.values.get(names[name])

    shed = value("shedState")
    percent = value("percentShed")
    # With a shed by per cent the service reports an allowed load of 0, which is not a limit.
    by_percent = bool(shed) and bool(percent)
    lasts = value("sessionID") is not None and value("endTime") is None
    ages = [reading.ages_s[names[name]] for name in LIVE if names[name] in reading.values]
    errors = (reading.errors.get(key) for key in names.values())
    return PortState(
        station.station_id,
        station.name,
        port,
        value("Status"),
        value("portLoad"),
        rated_kw,
        None if shed is None else bool(shed),
        value("allowedLoad") if shed and not by_percent else None,
        percent if by_percent else None,
        value("Energy") if lasts else None,
        round(max(ages), 1) if ages else None,
        tuple(dict.fromkeys(error.code for error in errors if error is not None)),
        frozenset(name for name, key in names.items() if key in reading.errors),
    )
