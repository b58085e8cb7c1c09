"""One account as it is shown: read again and again, what cannot be read kept apart with its age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Catalogue, Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service import Accounts
from chargepoint_driver.web.api.schemas import (
    Group,
    LastKnown,
    Port,
    Problem,
    Session,
    Sessions,
    Station,
)
from chargepoint_driver.web.live import points
from chargepoint_driver.web.times import iso

__all__ = ["AccountPoller", "AccountSnapshot", "problem", "session_of"]

# The most that the sessions are old, how far back they go, and when a station list that could not
# be had is asked for again.
_SESSIONS_S = 60.0
_SESSIONS_OF = timedelta(hours=24)
_AGAIN_S = 30.0
# In how many parts a long list of chargers is read, and how long a part is at least.
_PARTS = 20
_MIN_PART = 50
# Ages are measured again with each reading; up to this difference they are the same.
_SAME_S = 1.5

_SHOWN_OF_STATION = ("stationManufacturer", "stationModel", "Address", "Power")
_SHOWN_OF_PORT = ("Power", "Level", "Connector", "Voltage", "Current", "Phases")


@dataclass(frozen=True)
class AccountSnapshot:
    """Snapshot of an account. Never changed: each reading makes a new one.

    `is_listed`: whether all its stations are known. Until then no station means unknown.
    """

    stations: Mapping[str, Station] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=lambda: Sessions([]))
    problem: Problem | None = None
    is_listed: bool = False


class AccountPoller:
    """Keeps the snapshot of one account. `refresh` is called by one thread at a time."""

    def __init__(
        self,
        accounts: Accounts,
        name: str,
        catalogue: Catalogue,
        now: Callable[[], float],
        expected: frozenset[str] = frozenset(),
    ) -> None:
        """`expected`: the chargers that the configuration names."""
        self._accounts = accounts
        self._catalogue = catalogue
        self._now = now
        # What is current is not decided by the time of day, which may be set.
        self._clock = time.monotonic if now is time.time else now
        self._listed: list[dict[str, Any]] = []
        self._is_listed = False
        self._expected = expected
        self._list_due_s = 0.0
        self._sessions_due_s = 0.0
        self._plan: dict[str, dict[str, Any]] = {}
        # Station to the names of its readings; '' to those of the groups.
        self._names: dict[str, list[str]] = {}
        self._heard: set[str] = set()
        self._at = 0  # where the next part of the list begins
        self._places: dict[str, tuple[str, ...]] = {}
        self._known: dict[tuple[str, ...], dict[str, tuple[Any, float]]] = {}
        self.name = name
        self.direct = bool(catalogue.named("remoteStart"))
        self.snapshot = AccountSnapshot()

    def refresh(self, *, sessions: bool = False) -> None:
        """Read everything that is shown. Failures are part of the snapshot; nothing is raised.
        `sessions` asks for them also before they are due."""
        problem_found = self.snapshot.problem
        self._heard = set()  # before the reading: what comes meanwhile is read after it
        if self._clock() >= self._list_due_s:
            problem_found = self._list()
        stations, groups = self._read()
        found = self.snapshot.sessions
        if sessions or self._clock() >= self._sessions_due_s:
            found = self._sessions()
        self.snapshot = AccountSnapshot(stations, groups, found, problem_found, self._is_listed)

    def listed(self, station: str) -> dict[str, Any] | None:
        """Return a station's entry in the list of stations; None if it is not in the list."""
        return next((each for each in self._listed if each["station"] == station), None)

    def station_values(self) -> dict[str, Mapping[str, Any]]:
        """Return the values of the list of stations by station, from any thread."""
        return {each["station"]: each["values"] for each in self._listed}

    def heard(self, station: str) -> None:
        """Record that a charger sent something: `refresh_next` reads it. From any thread."""
        self._heard.add(station)

    def refresh_next(self) -> bool:
        """Read the chargers that sent something since the last reading, the next part of the others
        and the groups; with the last part the list too. Return whether there was anything.

        Up to 50 chargers are read each time. Of more, all are read within 20 calls."""
        count = len(self._listed)
        size = max(_MIN_PART, -(-count // _PARTS))
        part = {each["station"] for each in self._listed[self._at : self._at + size]}
        self._at += size
        if self._at >= count:
            self._at = 0
            if count <= size:
                self.refresh()
                return True
            problem_found = self._list()
            self.snapshot = replace(self.snapshot, problem=problem_found, is_listed=self._is_listed)
        heard, self._heard = self._heard, set()
        known, wanted = self.snapshot.stations, heard | part
        listed = [
            each
            for each in self._listed
            if each["station"] in wanted or each["station"] not in known
        ]
        stations, groups = self._read(listed)
        found = self.snapshot.sessions
        if self._clock() >= self._sessions_due_s:
            found = self._sessions()
        self.snapshot = replace(
            self.snapshot,
            stations={
                name: stations.get(name) or known[name]
                for name in (each["station"] for each in self._listed)
                if name in stations or name in known
            },
            groups=groups,
            sessions=found,
        )
        return bool(listed)

    # ---- the list of stations ------------------------------------------------------------

    def _list(self) -> Problem | None:
        try:
            listed = self._accounts.stations(self.name)
        except ChargePointError as error:
            self._list_due_s = self._clock() + _AGAIN_S
            return problem(error)
        self._is_listed = True
        missing = sorted(self._expected - {station["station"] for station in listed})
        every_s = self._catalogue.call(Data.STATIONS).currency_s
        self._list_due_s = self._clock() + every_s
        if listed != self._listed:
            self._listed = listed
            self._make_plan()
        # A charger that never connected draws nobody knows what.
        if missing or (self.direct and not listed):
            self._is_listed = False
            names = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
            who = (
                f"{len(missing)} charge points ({names}) have never"
                if missing
                else "no charge point has ever"
            )
            return Problem(
                "try_later",
                f"{who} connected; see that they are on and name this central system's URL",
            )
        return None

    def _make_plan(self) -> None:
        """Name of a reading to its point, and to the place where its value belongs."""
        self._plan, self._places, self._names = {}, {}, {}
        of_station = points.rows(points.OF_STATION, self._catalogue)
        of_port = points.rows(points.OF_PORT, self._catalogue)
        of_group = points.rows(points.OF_GROUP, self._catalogue)
        for station in self._listed:
            cpid = station["station"]
            self._want((cpid,), of_station, station=cpid)
            for port in station["ports"]:
                self._want((cpid, port), of_port, station=cpid, port=int(port))
        for group in self._group_names():
            self._want(("", group), of_group, group=group)
        self._known = {place: self._known.get(place, {}) for place in self._places.values()}

    def _want(self, place: tuple[str, ...], rows: Iterable[Attribute], **where: Any) -> None:
        for row in rows:
            name = "\n".join((*place, row.register, row.name))
            self._plan[name] = {"attribute": row.name, "register": row.register, **where}
            self._places[name] = place
            self._names.setdefault(place[0], []).append(name)

    def _group_names(self) -> dict[str, str | None]:
        """Station groups of the account to their names, where it has such."""
        names: dict[str, str | None] = {}
        for station in self._listed:
            ids = _groups_of(station)
            name = station["values"].get("sgName")
            for group in ids:
                # The service reports the name for stations that are in one group only.
                names[group] = name if len(ids) == 1 else names.get(group)
        return names

    # ---- values --------------------------------------------------------------------------

    def _read(
        self, listed: list[dict[str, Any]] | None = None
    ) -> tuple[dict[str, Station], dict[str, Group]]:
        """Read the stations of a part of the list (None: of all of it), and the groups."""
        clock_s, now_s = self._clock(), self._now()
        if listed is None:
            listed, plan = self._listed, self._plan
        else:
            names = [*(station["station"] for station in listed), ""]
            plan = {name: self._plan[name] for each in names for name in self._names.get(each, ())}
        cells = {
            place: _Cell(self._known[place], clock_s, now_s) for place in self._places_of(listed)
        }
        if plan:
            self._fill(cells, plan)
        stations = {each["station"]: self._station(each, cells) for each in listed}
        groups = {
            group: Group(
                self.name,
                group,
                name,
                [each["station"] for each in self._listed if group in _groups_of(each)],
                *cells["", group].parts(),
            )
            for group, name in self._group_names().items()
        }
        return stations, groups

    def _places_of(self, listed: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
        """Yield the places of stations, of their ports and of all groups."""
        for station in listed:
            yield (station["station"],)
            yield from ((station["station"], port) for port in station["ports"])
        yield from (place for place in self._known if not place[0])

    def _fill(
        self, cells: dict[tuple[str, ...], _Cell], plan: Mapping[str, Mapping[str, Any]]
    ) -> None:
        try:
            reading = self._accounts.read(plan, self.name)
        except ChargePointError as error:
            problem = error.to_dict()
            reading = {"values": {}, "errors": dict.fromkeys(plan, problem), "ages_s": {}}
        for name, point in plan.items():
            cell = cells[self._places[name]]
            row = self._catalogue.find(point["register"], point["attribute"])
            assert row is not None
            # Readers of the JSON API may still look under a former name.
            for attribute in (row.name, *row.aliases):
                if name in reading["errors"]:
                    cell.failed(attribute, reading["errors"][name])
                else:
                    age_s = reading["ages_s"].get(name, 0.0)
                    cell.read(attribute, CHARGEPOINT.name(row.data), reading["values"][name], age_s)

    def _station(
        self, listed: Mapping[str, Any], cells: Mapping[tuple[str, ...], _Cell]
    ) -> Station:
        cpid, facts = listed["station"], listed["values"]
        name = facts.get("stationName")
        ports = [
            Port(
                self.name,
                cpid,
                int(number),
                values.get("stationName") or name,
                {key: values.get(key, facts.get(key)) for key in _SHOWN_OF_PORT},
                *cells[cpid, number].parts(),
            )
            for number, values in listed["ports"].items()
        ]
        return Station(
            self.name,
            cpid,
            name,
            _groups_of(listed),
            {key: facts.get(key) for key in _SHOWN_OF_STATION},
            *cells[cpid,].parts(),
            ports,
        )

    # ---- sessions ------------------------------------------------------------------------

    def _sessions(self) -> Sessions:
        call = self._catalogue.call(Data.SESSIONS)
        self._sessions_due_s = self._clock() + min(call.currency_s, _SESSIONS_S)
        since = datetime.fromtimestamp(self._now(), timezone.utc) - _SESSIONS_OF
        before = self.snapshot.sessions
        try:
            found = self._accounts.sessions(None, since.isoformat(), None, self.name)
        except ChargePointError as error:
            return Sessions(before.sessions, {self.name: problem(error)}, before.readAt)
        return Sessions([session_of(self.name, each) for each in found], {}, iso(self._now()))


class _Cell:
    """The values of one place in one reading, and what was known there before."""

    def __init__(self, known: dict[str, tuple[Any, float]], clock_s: float, now_s: float) -> None:
        """`known` has times of the clock that shows `clock_s`; the time of day is `now_s`."""
        self._known = known
        self._clock_s = clock_s
        self._ahead_s = now_s - clock_s
        self._values: dict[str, Any] = {}
        self._errors: dict[str, Problem] = {}
        self._read_s: dict[str, float] = {}

    def read(self, attribute: str, call: str, value: Any, age_s: float) -> None:
        read_s = self._clock_s - age_s
        before = self._known.get(attribute)
        if before is not None and abs(read_s - before[1]) < _SAME_S and before[0] == value:
            read_s = before[1]
        self._known[attribute] = value, read_s
        self._values[attribute] = value
        self._read_s[call] = min(read_s, self._read_s.get(call, read_s))

    def failed(self, attribute: str, error: Mapping[str, Any]) -> None:
        self._errors[attribute] = Problem(**error)

    def parts(
        self,
    ) -> tuple[dict[str, Any], dict[str, Problem], dict[str, LastKnown], dict[str, str]]:
        """(values, errors, what was known of those, when the values of each call were read)."""
        last = {
            name: LastKnown(self._known[name][0], iso(self._known[name][1] + self._ahead_s))
            for name in self._errors
            if name in self._known
        }
        return (
            self._values,
            self._errors,
            last,
            {call: iso(time_s + self._ahead_s) for call, time_s in self._read_s.items()},
        )


def session_of(account: str, event: Mapping[str, Any]) -> Session:
    """A session as `Accounts.sessions` tells it. Who charges is left out."""
    start, end = event.get("startTime"), event.get("endTime")
    energy_kwh, known = event.get("Energy"), str(event.get("sessionID") or "")
    return Session(
        account=account,
        cpid=event["station"],
        connectorId=event["port"],
        transactionId=int(known) if known.isdecimal() else known or None,
        startTime=start,
        endTime=end,
        durationSecs=None if not (start and end) else _moment(end) - _moment(start),
        energy=None if energy_kwh is None else round(energy_kwh * 1000, 1),
        meterStart=event.get("meterStart"),
        meterStop=event.get("meterStop"),
    )


def problem(error: ChargePointError) -> Problem:
    """An error as it is shown."""
    return Problem(**error.to_dict())


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _groups_of(station: Mapping[str, Any]) -> list[str]:
    ids = str(station["values"].get("sgID") or "")
    return [each.strip() for each in ids.split(",") if each.strip()]
