"""Model of a catalogue row, without rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

COMMANDS = "CommandRegister"


class Kind(str, Enum):
    """Type of a value. Every kind is something that JSON and a historian can carry."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATETIME = "datetime"  # text, ISO 8601 in UTC: 2016-11-07T19:19:19+00:00
    DICTIONARY = "dictionary"


class Scope(str, Enum):
    """Owner of a value: station, port or group."""

    STATION = "station"
    PORT = "port"
    SESSION = "session"  # the newest charging session of a port
    ALARM = "alarm"  # the newest alarm of a port, or of the station for all its ports


class Data(str, Enum):
    """Kinds of data that are read of stations, for every service."""

    STATUS = "status"
    LOAD = "load"  # and the limits
    ALARMS = "alarms"
    SESSIONS = "sessions"  # of charging
    STATIONS = "stations"  # the station list
    RIGHTS = "rights"
    INTERVALS = "intervals"  # quarter hours of a session
    TRANSACTIONS = "transactions"  # what was billed


class Batch(str, Enum):
    """Ways in which one call answers for many stations."""

    LIST = "list"  # takes a list of station ids
    GROUP = "group"  # takes one station group, or one station
    ACCOUNT = "account"  # takes no filter (everything the account may see), or one station


class StationValue(str, Enum):
    """Meaning of a port's attribute in a row without a port."""

    NOTHING = ""  # the row must name a port
    SAME = "same"  # the value that all ports share, else None
    ANY = "any"  # the largest of the ports' values: 1 when any port has it
    OWN = "own"  # the station has a value of its own


@dataclass(frozen=True)
class Call:
    """One read operation of the service.

    `data` is what it reports. `record` is the repeated element of its reply. `absent_is_empty`: a
    station that the reply leaves out simply has nothing (no session, no alarm); where False it is
    an error.
    `most` is the largest number of stations in one request of a `Batch.LIST` call.
    `scrape_interval_s` None means the interval of the device.
    """

    name: str
    data: tuple[Data, ...]
    record: str
    batch: Batch
    currency_s: float
    scrape_interval_s: int | None = None
    absent_is_empty: bool = False
    most: int = 100
    page: int = 500
    time_field: str = ""


@dataclass(frozen=True)
class Attribute:
    """One attribute: a row of the catalogue.

    `path` holds the places of the value below the call's record element, the first one
    that is there counts (`Port/…` is read for each port); an empty one: nothing is there to be
    read. `aliases` are former names: they find the row for one more release. `write` names the
    write operations, empty for what can only be read; in the
    CommandRegister it is the backend's command. Intervals in seconds; None for the scrape
    interval means the interval of the device. `own`: answered by this driver, from what was
    commanded and what the call reports. `grouped`: has a meaning for a station group. `pushed`:
    a change is published at once where the backend tells of changes. `call` is the name of the call
    that reports it, `data` what it is part of.
    """

    name: str
    register: str
    call: str
    path: tuple[str, ...]
    kind: Kind
    scope: Scope
    unit: str = ""
    write: str = ""
    whole: StationValue = StationValue.NOTHING
    scrape_interval_s: int | None = None
    currency_s: float = 0.0
    since: str = "5.0"
    notes: str = ""
    own: bool = False
    grouped: bool = False
    pushed: bool = False
    aliases: tuple[str, ...] = ()
    data: Data = Data.STATUS

    @property
    def is_command(self) -> bool:
        """Return True if a write of it is a command of the backend, with the value as its
        argument."""
        return self.register == COMMANDS

    @property
    def is_boolean(self) -> bool:
        """Return True if an integer is a truth value, not a count or a percentage."""
        return self.unit == "0 or 1"

    @property
    def writable(self) -> bool:
        return bool(self.write)


def rows_of(
    call: Call,
    register: str,
    *rows: Attribute,
    data: Data | None = None,
    scrape_interval_s: int | None = None,
) -> tuple[Attribute, ...]:
    """Return the rows of one register, with what their call gives them all. `data` is what they are
    part of, where the call reports more than one thing."""
    return tuple(
        replace(
            row,
            register=register,
            call=call.name,
            data=data or call.data[0],
            scrape_interval_s=scrape_interval_s or call.scrape_interval_s,
            currency_s=call.currency_s,
        )
        for row in rows
    )
