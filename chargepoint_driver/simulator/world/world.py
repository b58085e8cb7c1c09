"""The world: everything that exists in the simulator, and its one lock.

Every service (SOAP here, others next to it) reads and changes the world through
this class. Readers hold `lock` for as long as they need a consistent picture; each
method takes it too. Time comes from the clock; a station is moved ahead when it is
looked at, so a world nobody reads costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from threading import RLock
from typing import Any

from .alarms import Alarm, AlarmBook, opening_alarms
from .ceilings import Hold, Limit
from .clock import Clock
from .ports import Port, Session
from .sheds import Disobeyed, announce, check_limit, divide
from .site import Group, Station, build_site
from .vehicles import MAX_PORTS, Visit, make_visit


@dataclass(frozen=True)
class Command:
    """A control command as received. `time_s` is simulated; code 100 means accepted."""

    operation: str
    time_s: float
    arguments: dict[str, Any]
    response_code: str
    username: str


@dataclass(frozen=True)
class StationSession:
    """A session with the station and port it took place at."""

    station: Station
    port: Port
    session: Session

    @property
    def start_s(self) -> float:
        """Begin of the session, seconds UTC."""
        return self.session.start_s


class World:
    """Stations, groups, sessions, alarms and commands. See the module."""

    def __init__(
        self,
        clock: Clock,
        stations: int = 4,
        ports_per_station: int = 2,
        seed: int = 7,
        groups: int | None = None,
        organisations: int = 1,
        shed_delay_s: float = 0.0,
        clear_delay_s: float = 0.0,
    ) -> None:
        """Build a world that opens at the clock's present.

        Delays are simulated seconds from a command to its effect. Raises ValueError
        when a delay is negative or a count makes no sense.
        """
        if not (0 <= shed_delay_s < math.inf and 0 <= clear_delay_s < math.inf):
            raise ValueError("shed_delay_s and clear_delay_s must not be negative")
        self.clock = clock
        self.seed = seed
        self.shed_delay_s = shed_delay_s
        self.clear_delay_s = clear_delay_s
        self.lock = RLock()
        self.commands: list[Command] = []
        opening_s = int(clock.now_s())
        site = build_site(stations, ports_per_station, seed, opening_s, groups, organisations)
        self.organisations = site.organisations
        self.groups = site.groups
        self.stations = site.stations
        self.alarms = AlarmBook(opening_alarms(site.stations, seed, opening_s))
        self._by_id = {station.station_id: station for station in site.stations}
        self._groups_of: dict[str, list[Group]] = {}
        for group in self.groups:
            self._note_members(group)
        self._event_ports: dict[int, list[Port]] = {}
        self._event_ids = count(1)
        self._plug_in_random = Random(f"{seed}/plug in")

    def now_s(self) -> float:
        """Simulated time, seconds since the Unix epoch."""
        return self.clock.now_s()

    # -- looking ------------------------------------------------------------

    def station(self, station_id: str) -> Station | None:
        """Return the station with that id; None when there is none."""
        return self._by_id.get(station_id)

    def group(self, group_id: int) -> Group | None:
        """Return the group with that id; None when there is none."""
        return next((group for group in self.groups if group.group_id == group_id), None)

    def groups_of(self, station_id: str) -> list[Group]:
        """Return the groups a station belongs to, in order of creation."""
        return self._groups_of.get(station_id, [])

    def members(self, group: Group) -> list[Station]:
        """Return the stations of a group."""
        return [self._by_id[station_id] for station_id in group.station_ids]

    def advance(self, stations: Iterable[Station] | None = None) -> float:
        """Bring stations (None: all) to the present; returns that time in seconds."""
        with self.lock:
            now_s = self.now_s()
            for station in self.stations if stations is None else stations:
                for port in station.ports:
                    port.advance(now_s)
                if station.reachable:
                    station.last_contact_s = max(station.last_contact_s, now_s)
            return now_s

    def sessions(
        self,
        stations: Iterable[Station] | None = None,
        from_s: float | None = None,
        to_s: float | None = None,
    ) -> list[StationSession]:
        """Sessions that overlap the window (None: open), in order of their begin.

        Those ended more than 31 days ago are forgotten.
        """
        with self.lock:
            chosen = self.stations if stations is None else list(stations)
            self.advance(chosen)
            found = [
                StationSession(station, port, session)
                for station in chosen
                for port in station.ports
                for session in port.sessions(from_s, to_s)
            ]
            found.sort(key=lambda entry: (entry.start_s, entry.port.index))
            return found

    def session(self, session_id: int) -> StationSession | None:
        """Return the session with that id, running or remembered; None when there is none."""
        with self.lock:
            # The id of a session contains its port.
            index = session_id % MAX_PORTS
            for station in self.stations:
                if any(port.index == index for port in station.ports):
                    for entry in self.sessions([station]):
                        if entry.session.visit.session_id == session_id:
                            return entry
            return None

    # -- commands -----------------------------------------------------------

    def shed(
        self,
        stations: Sequence[Station],
        limit: Limit,
        interval_min: int = 0,
        ports: Sequence[tuple[Port, Limit]] = (),
        disobeyed: Disobeyed | None = None,
    ) -> None:
        """Shed each station as a whole, or the given ports one by one.

        `ports`, when given, are single ports with a limit each, and `limit` is
        ignored. `interval_min` counts from the moment of effect; 0 means no end.
        `disobeyed`: the limit shows as ever, but stations do not obey it, or only later.
        Raises ValueError for a limit or interval that makes no sense.
        """
        with self.lock:
            _refuse_nonsense([each for _, each in ports] or [limit])
            if interval_min < 0:
                raise ValueError("The time interval must not be negative.")
            start_s = self.advance(stations) + self.shed_delay_s
            end_s = start_s + 60 * interval_min if interval_min else math.inf
            holds: list[tuple[Port, Hold]] = []
            deaf = {} if disobeyed is None else disobeyed.ports(stations, start_s)
            if ports:
                for port, port_limit in ports:
                    holds += divide(port_limit, [port], start_s, end_s)
            else:
                for station in stations:
                    holds += divide(limit, station.ports, start_s, end_s)
            for port, hold in holds:
                port.order(replace(hold, obeyed_from_s=deaf.get(port.index, 0.0)))

    def clear_shed(self, stations: Sequence[Station], ports: Sequence[Port] = ()) -> None:
        """End what was commanded: for the given ports, else for all ports of the stations."""
        with self.lock:
            effective_s = self.advance(stations) + self.clear_delay_s
            for port in ports or [port for station in stations for port in station.ports]:
                port.clear(effective_s)

    def create_event(
        self, stations: Sequence[Station], limit: Limit, start_s: float, duration_min: int
    ) -> int:
        """Announce a shed of every port (the limit is per port); returns the event's id.

        Raises ValueError for a limit or duration that makes no sense.
        """
        with self.lock:
            _refuse_nonsense([limit])
            if duration_min <= 0:
                raise ValueError("The event duration must be positive.")
            now_s = self.advance(stations)
            event_id = next(self._event_ids)
            self._event_ports[event_id] = [port for station in stations for port in station.ports]
            end_s = start_s + 60 * duration_min
            for port in self._event_ports[event_id]:
                _, hold = announce(limit, port, max(start_s, now_s), end_s)
                port.add_event(event_id, hold)
            return event_id

    def remove_event(self, event_id: int) -> bool:
        """End or forget an event; False when there is no such event."""
        with self.lock:
            ports = self._event_ports.pop(event_id, None)
            self.advance()
            for port in ports or ():
                port.remove_event(event_id)
            return ports is not None

    # -- happenings, for tests and demos --------------------------------------

    def raise_alarm(
        self, station_id: str, alarm_type: str, port_number: int | None = None
    ) -> Alarm:
        """Raise an alarm now. KeyError for an unknown station."""
        with self.lock:
            alarm = Alarm(self._by_id[station_id].station_id, port_number, alarm_type, self.now_s())
            self.alarms.raise_alarm(alarm)
            return alarm

    def set_reachable(self, station_id: str, reachable: bool) -> None:
        """Cut a station off from the service, or bring it back; charging goes on."""
        with self.lock:
            station = self._by_id[station_id]
            self.advance([station])
            station.reachable = reachable

    def plug_in(
        self,
        station_id: str,
        port_number: int,
        stay_s: int = 8 * 3600,
        full_kwh: float = 30.0,
    ) -> Visit:
        """Let a vehicle come now that takes about `full_kwh`.

        KeyError for an unknown station or port, ValueError when the port is taken.
        """
        with self.lock:
            port = self._port(station_id, port_number)
            now_s = int(self.advance([self._by_id[station_id]]))
            visit = make_visit(
                self._plug_in_random, port.index, port.rated_kw, now_s, now_s + stay_s, full_kwh
            )
            port.plug_in(visit)
            return visit

    def unplug(self, station_id: str, port_number: int) -> Session:
        """Let the vehicle leave now. KeyError and ValueError as in `plug_in`."""
        with self.lock:
            port = self._port(station_id, port_number)
            self.advance([self._by_id[station_id]])
            return port.unplug()

    def add_group(self, name: str, station_ids: Iterable[str]) -> Group:
        """Put stations into one more group, owned by the first one's organisation."""
        with self.lock:
            stations = [self._by_id[station_id] for station_id in station_ids]
            group = Group(
                max(group.group_id for group in self.groups) + 1,
                name,
                stations[0].organisation,
                [station.station_id for station in stations],
            )
            self.groups.append(group)
            self._note_members(group)
            return group

    def select_alarms(self, wanted: Callable[[Alarm], bool] | None = None) -> list[Alarm]:
        """Return the alarms that are wanted (None: all), oldest first."""
        with self.lock:
            return self.alarms.select(wanted)

    def clear_alarms(self, wanted: Callable[[Alarm], bool]) -> int:
        """Clear the alarms that are wanted; returns how many."""
        with self.lock:
            return self.alarms.clear(wanted)

    def _note_members(self, group: Group) -> None:
        for station_id in group.station_ids:
            self._groups_of.setdefault(station_id, []).append(group)

    def _port(self, station_id: str, port_number: int) -> Port:
        port = self._by_id[station_id].port(port_number)
        if port is None:
            raise KeyError(f"{station_id} has no port {port_number}")
        return port


def _refuse_nonsense(limits: Iterable[Limit]) -> None:
    for limit in limits:
        wrong = check_limit(limit)
        if wrong:
            raise ValueError(wrong)
