"""Read-only queries of the database without a running central system, from any process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from chargepoint_driver.backends.ocpp.status import register_status
from chargepoint_driver.backends.ocpp.storage import queries, session_queries
from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import NotFoundError
from chargepoint_driver.records import EnergyReading, Event, SessionQuery, SessionRecord

__all__ = ["Record", "event_of", "id_of"]

# Contacts are written this often.
_WRITTEN_S = 30.0


class Record:
    """See `service.session_reports.Source`."""

    def __init__(self, account: OcppAccount, now: Callable[[], float] = time.time) -> None:
        self._path = account.database
        self._within_s = 2 * account.heartbeat_s + _WRITTEN_S
        self._now = now

    def contacts(self) -> dict[str, tuple[str | None, bool]]:
        """Charge point to (its last message, whether that is not long ago)."""
        there = set(queries.active_points(self._path, self._now(), self._within_s))
        return {
            station: (at, station in there)
            for station, at in queries.last_contact(self._path).items()
        }

    def charge_points(self) -> list[dict[str, Any]]:
        """Every charge point, as the control API shows it, with what is kept of it: no loads."""
        there = {station for station, (_, is_there) in self.contacts().items() if is_there}
        found = []
        for kept in queries.charge_points(self._path):
            up = kept["id"] in there
            connectors = {
                number: {
                    "status": register_status(up, said.get("status")),
                    "ocpp_status": said.get("status"),
                    "error_code": said.get("error_code"),
                }
                for number, said in kept["connectors"].items()
            }
            found.append({**kept, "connected": up, "connectors": connectors})
        return found

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """The sessions that touch a time, oldest first."""
        until_s = None if until is None else until.timestamp()
        rows = queries.sessions(self._path, station_id, since.timestamp(), until_s)
        return [event_of(row) for row in rows]

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """A page of sessions, newest first; see `backend.SessionBackend`."""
        return session_queries.session_page(self._path, query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Meter values within sessions; see `backend.SessionBackend`."""
        return session_queries.energy_readings(self._path, session_ids)

    def session(self, session_id: str) -> Event:
        """One session, however old. Raises NotFoundError."""
        return event_of(queries.transaction(self._path, id_of(session_id)))


def id_of(session_id: str) -> int:
    """Return the id that a sessionID is the text of. Raises NotFoundError."""
    if not session_id.isascii() or not session_id.removeprefix("-").isdigit():
        raise NotFoundError(f"no transaction {session_id[:40]!r}; its id is a whole number")
    # Ids have fewer digits than this; Python refuses to read very many.
    return int(session_id[:40])


def event_of(row: dict[str, Any]) -> Event:
    """A row of `queries.sessions` in the words of the registers."""
    energy_wh = row["energy_wh"]
    return Event(
        row["charge_point"],
        row["connector"] or None,
        _time(row["start"]) or "",
        {
            "sessionID": str(row["id"]),
            "startTime": _time(row["start"]),
            "endTime": _time(row["stop"]),
            "Energy": None if energy_wh is None else energy_wh / 1000,
            "rfidSerialNumber": row["id_tag"],
            "endedBy": row["reason"],
            "meterStart": row["meter_start_wh"],
            "meterStop": row["meter_stop_wh"],
        },
    )


def _time(text: str | None) -> str | None:
    return None if text is None else text.replace("Z", "+00:00")
