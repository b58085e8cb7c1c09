"""Schemas of the API: bodies are checked by them, and the OpenAPI document is made from them. Names
are those of the catalogue and of the central-system document.

null means that the service or the charger does not report it; 0 is a measurement.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "AccountHealth",
    "Alarm",
    "Alert",
    "Charger",
    "Connectors",
    "Error",
    "ErrorDetail",
    "Group",
    "Health",
    "Incident",
    "Incidents",
    "LastKnown",
    "Loads",
    "Maintenance",
    "Message",
    "Messages",
    "Port",
    "Problem",
    "Sample",
    "SeriesAnswer",
    "SeriesSample",
    "Session",
    "Sessions",
    "Site",
    "State",
    "Station",
    "Stations",
]

Time = Annotated[str, Meta(description="ISO 8601, UTC")]
After = Annotated[
    str | None, Meta(description="`after` of the request for the next page; null: this is the last")
]
Values = Annotated[dict[str, Any], Meta(description="attribute of the catalogue to its value")]


class Problem(msgspec.Struct):
    """An error: `code` for programs, `message` for people."""

    code: str
    message: str
    service_code: str | None = None
    retry_after_s: float | None = None


class ErrorDetail(Problem):
    """An error of a request. `role`: the lowest role that may send it, where that is why."""

    role: str | None = None


class Error(msgspec.Struct):
    """The answer to what failed, in one form for all of it."""

    error: ErrorDetail


class LastKnown(msgspec.Struct):
    """A value that cannot be read at present, as it was read last."""

    value: Any
    readAt: Time  # noqa: N815


class Port(msgspec.Struct):
    """A port. What cannot be read stands in `errors` by attribute, and is not in `values`;
    `readAt` is when the values of each call were reported. `station` are the facts of the
    station list (Power, Level, Connector)."""

    account: str
    cpid: str
    connectorId: int  # noqa: N815
    name: str | None
    station: Values
    values: Values
    errors: dict[str, Problem]
    lastKnown: dict[str, LastKnown]  # noqa: N815
    readAt: dict[str, Time]  # noqa: N815


class Station(msgspec.Struct):
    """A station and its ports; see Port."""

    account: str
    cpid: str
    name: str | None
    groups: list[str]
    station: Values
    values: Values
    errors: dict[str, Problem]
    lastKnown: dict[str, LastKnown]  # noqa: N815
    readAt: dict[str, Time]  # noqa: N815
    ports: list[Port]


class Group(msgspec.Struct):
    """A station group as one load; see Port."""

    account: str
    group: str
    name: str | None
    stations: list[str]
    values: Values
    errors: dict[str, Problem]
    lastKnown: dict[str, LastKnown]  # noqa: N815
    readAt: dict[str, Time]  # noqa: N815


class Session(msgspec.Struct):
    """A charging session; `endTime` null while it lasts. Meters and energy in Wh."""

    account: str
    cpid: str
    connectorId: int | None  # noqa: N815
    transactionId: int | str | None  # noqa: N815
    startTime: Time | None  # noqa: N815
    endTime: Time | None  # noqa: N815
    durationSecs: float | None  # noqa: N815
    energy: float | None
    meterStart: float | None  # noqa: N815
    meterStop: float | None  # noqa: N815


class Sessions(msgspec.Struct):
    """Charging sessions, oldest first; `errors` by account that could not be asked."""

    sessions: list[Session]
    errors: dict[str, Problem] = {}
    readAt: Time | None = None  # noqa: N815
    after: After = None


class Alarm(msgspec.Struct):
    """An alarm that nobody has cleared. `asOf`: when it was read, where that fails at present."""

    account: str
    cpid: str
    name: str | None
    connectorId: int | None  # noqa: N815
    alarmType: str  # noqa: N815
    alarmTime: Time | None  # noqa: N815
    asOf: Time | None = None  # noqa: N815
    firstSeen: Time | None = None  # noqa: N815
    lastSeen: Time | None = None  # noqa: N815
    acknowledged: Time | None = None
    acknowledgedBy: str | None = None  # noqa: N815
    note: str | None = None


class Maintenance(msgspec.Struct):
    """A charge point that needs somebody, and why. `firstSeen`, `lastSeen`: by this page."""

    account: str
    cpid: str
    name: str | None
    connectorId: int | None  # noqa: N815
    reason: str
    firstSeen: Time | None = None  # noqa: N815
    lastSeen: Time | None = None  # noqa: N815
    acknowledged: Time | None = None
    acknowledgedBy: str | None = None  # noqa: N815
    note: str | None = None


class Incident(msgspec.Struct):
    """An alarm, or a need of maintenance, over time. `since` is the time of the alarm as the
    service gives it; first and last seen are this page's. `ended` null: it is open."""

    kind: Literal["alarm", "maintenance"]
    account: str
    cpid: str
    name: str | None
    connectorId: int | None  # noqa: N815
    what: str
    since: Time | None
    firstSeen: Time  # noqa: N815
    lastSeen: Time  # noqa: N815
    ended: Time | None
    acknowledged: Time | None
    acknowledgedBy: str | None  # noqa: N815
    note: str | None


class Incidents(msgspec.Struct):
    """Alarms and maintenance, newest first."""

    incidents: list[Incident]
    after: After = None


class Charger(msgspec.Struct):
    """A station in the list of stations: its facts, those of its ports by number, and `settings`:
    the configuration of a charger that connects directly, null where not known."""

    account: str
    cpid: str
    name: str | None
    values: Values
    ports: dict[str, dict[str, Any]]
    settings: dict[str, Any] | None
    direct: bool


class Message(msgspec.Struct):
    """A message of a charger as it was stored. Tags and keys in `data` are masked."""

    id: int
    time: Time
    received: Time
    connectorId: int | None  # noqa: N815
    action: str
    data: Any


class Messages(msgspec.Struct):
    """Messages of a charger, newest first. `before`: the id to ask for older ones with, null when
    there are none."""

    messages: list[Message]
    before: int | None = None
    after: After = None


class Alert(msgspec.Struct):
    """A shed that is not as it was commanded. `over`: since when it is resolved."""

    time: Time
    about: str
    what: str
    over: Time | None = None


class Site(msgspec.Struct):
    """All ports together, in kW. null: not known.

    `load`: what is drawn, of the ports whose load is known (all but `portsUnknown`). `allowed`:
    the most that may be drawn: limits in force, ratings elsewhere. `headroom`: the sum of
    `siteHeadroom`, commanded limit minus load; null while `portsUnlimited` ports have no
    commanded limit. `portsCharging` and `portsShed` count the ports that are known.
    `accountsUnknown`: accounts of whose stations not all are known; those ports count nowhere.
    """

    load: float | None
    allowed: float | None
    ports: int
    portsUnknown: int  # noqa: N815
    portsCharging: int | None  # noqa: N815
    portsShed: int | None  # noqa: N815
    portsShedUnknown: int  # noqa: N815
    headroom: float | None = None
    portsUnlimited: int = 0  # noqa: N815
    accountsUnknown: int = 0  # noqa: N815


class AccountHealth(msgspec.Struct):
    """An account. `direct`: its chargers connect to us and can be started and stopped."""

    account: str
    backend: str
    direct: bool
    errors: dict[str, Problem]
    counters: dict[str, int] = {}


class Health(msgspec.Struct):
    """Health of the process; `faults` are those of the configuration. `refused`, and `counters` of
    an account, count since the start what was refused, by kind: at this page, and at the port of
    the account. Only /health has them."""

    good: bool
    faults: list[str]
    accounts: list[AccountHealth]
    refused: dict[str, int] = {}


class Stations(msgspec.Struct):
    """Every station with its ports."""

    stations: list[Station]
    after: After = None


class Connectors(msgspec.Struct):
    """Every port."""

    connectors: list[Port]
    after: After = None


class Sample(msgspec.Struct, array_like=True):
    """Time (seconds since 1970), load and most allowed in kW, ports that were not known,
    accounts whose stations were not known."""

    time: float
    load: float | None
    allowed: float | None
    portsUnknown: int  # noqa: N815
    accountsUnknown: int = 0  # noqa: N815


class Loads(msgspec.Struct):
    """The site's load over time, oldest first; of each stretch of time its peak."""

    samples: list[Sample]


class SeriesSample(msgspec.Struct, array_like=True):
    """A stretch of time: begin and end (seconds since 1970), mean and highest load, lowest of
    the most that may be drawn, capacity (ratings), lowest headroom, all in kW, and the number of
    ports whose load was not known. null: not known."""

    start: float
    until: float
    load: float | None
    peak: float | None
    allowed: float | None
    capacity: float | None
    headroom: float | None
    unknown: int


class SeriesAnswer(msgspec.Struct):
    """Load over time, oldest first. A time without samples was not looked at. `step`: seconds that
    a sample stands for, at most. `source`: the page's own store, or a historian."""

    samples: list[SeriesSample]
    step: int
    source: str


class State(msgspec.Struct):
    """State of the page besides the stations. `alarmsUnknown` and `maintenanceUnknown`: the number
    of ports of which these are not known at present."""

    time: Time
    site: Site
    health: Health
    groups: list[Group]
    alarms: list[Alarm]
    alarmsUnknown: int  # noqa: N815
    maintenance: list[Maintenance]
    maintenanceUnknown: int  # noqa: N815
    alerts: list[Alert]
    sessions: Sessions
    sample: Sample | None
