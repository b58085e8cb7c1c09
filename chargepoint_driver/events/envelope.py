"""The envelope: one shape for every event of every backend, as CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

__all__ = [
    "EVENTS_LOST",
    "KINDS",
    "SCHEMA_ID",
    "SCHEMA_VERSION",
    "Event",
    "iso",
    "kind_of",
    "schema",
    "seconds",
]

SCHEMA_VERSION = 1
"""Version of the envelope. A field that is added keeps it; another meaning makes a new one."""

SCHEMA_ID = f"urn:chargepoint-driver:event:{SCHEMA_VERSION}"

EVENTS_LOST = "EventsLost"
"""Action of the event that has the number of events a sink did not get."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "status": ("StatusNotification", "StatusChange"),
    "load": ("MeterValues", "LoadChange"),
    "session": (
        "StartTransaction",
        "StopTransaction",
        "TransactionEvent",
        "SessionBegin",
        "SessionEnd",
    ),
    "shed": ("Shed",),
    "alarm": ("Alarm", "AlarmOver"),
    "connection": ("Connected", "Disconnected"),
    "lost": (EVENTS_LOST,),
    "message": (),
}
"""Kind to its actions. Every other action of a charger is of the kind `message`."""

_KIND_OF = {action: kind for kind, actions in KINDS.items() for action in actions}


def kind_of(action: str) -> str:
    """Return the kind of an action."""
    return _KIND_OF.get(action, "message")


def iso(time_s: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    second, rest = divmod(round(time_s * 1_000_000), 1_000_000)
    return f"{_whole_second(second)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=1_024)
def _whole_second(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, timezone.utc):%Y-%m-%dT%H:%M:%S}"


def seconds(text: str) -> float:
    """Return an ISO 8601 time as seconds since 1970; UTC where it names no zone.

    Raises ValueError.
    """
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    `run` and `seq` are its identity: `seq` grows within the store, and `run` is the start of the
    process that wrote it, in milliseconds since 1970. Order by (run, seq); drop what was seen
    before.
    `received_s` is when it came here, `time_s` when it happened by its sender's clock, both in
    seconds since 1970. `station` is '' for what is of no station, `connector` None for what is of
    the whole station. `data_text` is the content as JSON text.
    """

    run: int
    seq: int
    received_s: float
    time_s: float
    account: str
    station: str
    connector: int | None
    action: str
    data_text: str

    @property
    def id(self) -> str:
        """The identity as one text, unique within the account."""
        # What was skipped may still be sent by `events --after`, under its own id.
        ending = "-lost" if self.action == EVENTS_LOST else ""
        return f"{self.run}-{self.seq}{ending}"

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return kind_of(self.action)

    @property
    def data(self) -> Any:
        """The content. Raises ValueError where it is damaged."""
        return json.loads(self.data_text)

    def to_json(self) -> str:
        """Return the envelope as JSON text; the content is taken as it is stored."""
        account, station, subject = _names(self.account, self.station, self.connector)
        action = _quoted(self.action)
        connector = "null" if self.connector is None else str(self.connector)
        kind = kind_of(self.action)
        return (
            f'{{"specversion":"1.0","id":"{self.id}",'
            f'"source":"/chargepoint-driver/{self.account}",'
            f'"type":"chargepoint.{kind}",{subject}"time":"{iso(self.time_s)}",'
            f'"dataschema":"{SCHEMA_ID}","datacontenttype":"application/json",'
            f'"run":{self.run},"seq":{self.seq},"received":"{iso(self.received_s)}",'
            f'"account":{account},"station":{station},"connector":{connector},'
            f'"kind":"{kind}","action":{action},"data":{self.data_text}}}'
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the envelope. Raises ValueError where the content is damaged."""
        found: dict[str, Any] = json.loads(self.to_json())
        return found

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Event:
        """Return the event of an envelope. Raises ValueError, KeyError, TypeError."""
        schema_id = fields.get("dataschema")
        if schema_id != SCHEMA_ID:
            raise ValueError(f"dataschema {schema_id!r} is not {SCHEMA_ID}")
        connector = fields.get("connector")
        return cls(
            int(fields["run"]),
            int(fields["seq"]),
            seconds(fields["received"]),
            seconds(fields["time"]),
            str(fields["account"]),
            str(fields["station"]),
            None if connector is None else int(connector),
            str(fields["action"]),
            json.dumps(fields.get("data"), separators=(",", ":")),
        )


@lru_cache(maxsize=65_536)
def _names(account: str, station: str, connector: int | None) -> tuple[str, str, str]:
    """Return account and station as JSON, and the attribute `subject` with its comma."""
    subject = quote(station, safe=":") if station else ""
    if connector is not None:
        subject += f"/{connector}"
    # CloudEvents allows no empty attribute.
    attribute = f'"subject":"{subject}",' if subject else ""
    return json.dumps(account), json.dumps(station), attribute


@lru_cache(maxsize=1_024)
def _quoted(text: str) -> str:
    return json.dumps(text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the envelope, as it is in the package."""
    text = files(__package__).joinpath(f"event-{SCHEMA_VERSION}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
