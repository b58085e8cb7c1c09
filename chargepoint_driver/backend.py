"""The interface of a backend to the layers above. ChargePoint's SOAP service is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from chargepoint_driver.config import Account
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import (
    EnergyReading,
    Event,
    SessionQuery,
    SessionRecord,
    StationRecord,
)

__all__ = [
    "OPERATIONS",
    "Backend",
    "CountingBackend",
    "DirectBackend",
    "Limit",
    "MessageBackend",
    "OutcomeBackend",
    "Reply",
    "Request",
    "RequestBackend",
    "SessionBackend",
    "ShedEvents",
    "StreamingBackend",
    "Stubborn",
    "Target",
    "UsageBackend",
]


@dataclass(frozen=True)
class Request:
    """One planned read: of the listed stations, of a station group, or (both empty) of
    everything that the account may see."""

    call: str
    stations: tuple[str, ...] = ()
    group: str | None = None

    @property
    def whole_account(self) -> bool:
        return not self.stations and self.group is None


@dataclass(frozen=True)
class Reply:
    """Records of a reply by station id. Stations that it leaves out are missing."""

    records: Mapping[str, StationRecord]


@dataclass(frozen=True)
class Target:
    """The target of a write: a station (`port` None), one port of it, or all stations of a station
    group (`station_id` is '' then)."""

    station_id: str
    port: int | None = None
    group: str | None = None

    def __str__(self) -> str:
        if self.group is not None:
            return f"station group {self.group}"
        return self.station_id if self.port is None else f"{self.station_id} port {self.port}"


@dataclass(frozen=True)
class Limit:
    """The limit of a shed: an absolute ceiling in kW or a percentage of the present load. Exactly
    one of the two is not None."""

    allowed_load_kw: float | None = None
    percent_shed: int | None = None

    def __str__(self) -> str:
        if self.allowed_load_kw is not None:
            return f"allowedLoad {self.allowed_load_kw:g} kW"
        return f"percentShed {self.percent_shed} %"


@runtime_checkable
class ShedEvents(Protocol):
    """A backend whose service starts and ends sheds automatically at a time."""

    def create_shed_event(
        self,
        target: Target,
        limit: Limit,
        start: datetime,
        minutes: int,
        allow_opt_out: bool | None,
    ) -> int:
        """Announce a shed of a station (each of its ports) or group; its id. Sent once."""

    def remove_shed_event(self, event_id: int) -> None:
        """End or forget an event. Sent once."""


@runtime_checkable
class UsageBackend(Protocol):
    """A backend whose service keeps quarter hours and bills of sessions."""

    def intervals(self, session_id: str) -> list[Event]:
        """Return the quarter hours of one session, oldest first, at the cost of one call.

        The values are `energyConsumed` (kWh since the session's begin), `peakPower` and
        `rollingPowerAvg` (kW), by `stationTime`. Raises NotFoundError.
        """

    def transactions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return what was billed in a time for a station (None: all), oldest first."""


@runtime_checkable
class SessionBackend(Protocol):
    """A backend that keeps sessions itself, for pages of long histories."""

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """Return the first `query.limit` sessions that a query leaves, newest first."""

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Return meter values within sessions by `sessionID`, oldest first. A session without any
        is missing."""


class Backend(Protocol):
    """Reads and writes of one account. Every method waits for a limited time, raises errors
    of the tree, and may be called from several threads at once.

    `group_calls`: whether one call can shed, or clear, all stations of a group. `effect_s`
    (optional, default 300): seconds that a limit may need to take effect."""

    name: str
    group_calls: bool

    def fetch(self, request: Request) -> Reply:
        """Carry out one planned read, to the last page."""

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return the charging sessions of a station (None: of all) that touch a time, oldest
        first."""

    def session(self, session_id: str) -> Event:
        """One charging session by its `sessionID`, however old. Raises NotFoundError."""

    def shed(self, target: Target, limit: Limit, minutes: float) -> None:
        """Limit the load of the target for `minutes` (0 = no end). Sent once. The limit of
        a group is that of each of its stations."""

    def clear(self, target: Target) -> None:
        """End a shed of the target. Sent once."""

    def clear_alarms(self, station_id: str) -> None:
        """Clear all alarms of the station. Sent once."""

    def secret_digest(self) -> bytes | None:
        """Return what tells the password that a call would use now from another one, and cannot be
        turned back into it. None where there is no password, or it cannot be had."""

    def calls(self) -> dict[str, int]:
        """Operation to the number of calls that were sent so far."""

    def reconfigure(self, account: Account) -> None:
        """Go on with other settings (a corrected password, another time limit)."""

    def close(self) -> None:
        """Close all connections. A closed backend is not used again."""


@runtime_checkable
class Stubborn(Protocol):
    """A backend whose chargers may accept a limit in one form and obey another."""

    def try_otherwise(self, target: Target) -> bool:
        """The load contradicts the limit in force: send it in the next form. False when every
        form was tried."""


@runtime_checkable
class OutcomeBackend(Protocol):
    """A backend that counts how its calls end."""

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return (operation, `ok` or the code of its error) to the number of calls that ended
        so."""


@runtime_checkable
class CountingBackend(Protocol):
    """A backend that others connect to."""

    def counters(self) -> dict[str, int]:
        """Return what was refused, forgiven or out of order since the start, by kind."""


@runtime_checkable
class MessageBackend(Protocol):
    """A backend that stores the messages of its chargers."""

    def stored_messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return messages of a charger, newest first, and the id to ask for older ones with (None:
        there are none). Each is {"id", "received", "time", "charge_point", "connector", "action",
        "data"}. `before`: only with a smaller id; `action`: only of this one."""


@runtime_checkable
class DirectBackend(Protocol):
    """A backend that chargers connect to."""

    def command(self, target: Target, name: str, argument: object) -> str:
        """Carry out a command of the catalogue's CommandRegister; the charger's answer. Raises
        InvalidValueError before anything is sent, WriteRejectedError when the charger refuses."""

    def records(self, stations: Iterable[str]) -> dict[str, StationRecord | ChargePointError]:
        """Look at memory. Return station id to all that is known of the station, or to why it
        cannot be read now; stations that are not known are missing."""

    def follow(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call back for each message of a charger, in order and on the backend's own thread: the
        callback must return at once and never wait. It gets {"charge_point", "action",
        "connector", "time", "received", "data"}. Returns how to end it."""

    def fetch(self, request: Request) -> Reply:
        """Carry out one planned read (see `Backend`)."""


OPERATIONS = (
    "get_settings",
    "set_setting",
    "trigger",
    "get_diagnostics",
    "get_log",
    "update_firmware",
    "reserve",
    "cancel_reservation",
    "list_reservations",
    "local_list_version",
    "send_local_list",
)
"""Names that `RequestBackend.operate` takes."""


@runtime_checkable
class StreamingBackend(Protocol):
    """A backend that stores events and sends them to sinks."""

    def has_sinks(self) -> bool:
        """Return True if any sink is configured."""

    def add_event(
        self,
        action: str,
        station: str,
        connector: int | None,
        data: dict[str, Any],
        *,
        time_s: float | None = None,
    ) -> None:
        """Store an event of ours among those of chargers. From any thread; never waits."""

    def sinks(self) -> list[Any]:
        """Return how each sink stands, as `events.SinkState`."""

    def live_status(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """Return the latest status (see `events.live_status`) of all charge points, or of one.
        Raises NotFoundError."""

    def alert_to(self, alert: Callable[[str, str], None]) -> None:
        """Call with what an alert of a sink is about and what happened, on a thread of ours."""


@runtime_checkable
class RequestBackend(Protocol):
    """A backend whose chargers speak OCPP. Both raise PermissionDeniedError unless the account
    allows it, InvalidValueError before anything is sent, and the errors of the request."""

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer."""

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `OPERATIONS`; arguments and answer are JSON objects."""
