"""Station groups and ports of stations, learned from the station list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from chargepoint_driver.records import StationRecord, Unreadable

__all__ = ["Groups"]


class Groups:
    """Group id to member stations. Not locked: the owner calls it under its own lock."""

    def __init__(self) -> None:
        self._members: dict[str, set[str]] = {}
        self._astray: set[tuple[str, str]] = set()
        self._ports: dict[str, frozenset[int]] = {}

    def learn(self, records: Iterable[StationRecord]) -> None:
        """Replace what is known by the `sgID` of each station (a comma-separated list). A station
        whose sgID cannot be read stays where it was."""
        before = self._members
        self._members = {}
        self._astray = set()
        self._ports = {}
        for record in records:
            station = record.station_id
            self._ports[station] = frozenset(record.ports)
            text = record.values.get("sgID")
            if isinstance(text, Unreadable):
                groups = [group for group, members in before.items() if station in members]
            else:
                groups = str(text or "").split(",")
            for group in groups:
                if group.strip():
                    self._members.setdefault(group.strip(), set()).add(station)

    def found(self, group: str, stations: Iterable[str]) -> None:
        """Note the stations that the group's reply holds, newcomers too."""
        self._members.setdefault(group, set()).update(stations)

    def members(self, group: str) -> frozenset[str]:
        """The stations of a group, without those that its reply left out."""
        return frozenset(
            station
            for station in self._members.get(group, ())
            if (group, station) not in self._astray
        )

    def missing(self, group: str, stations: Iterable[str]) -> None:
        """Record stations that the group's reply left out; they are asked for individually until
        the groups are learned again."""
        for station in stations:
            self._astray.add((group, station))

    def ports(self, station: str) -> frozenset[int]:
        """The ports of a station; none where the list does not say."""
        return self._ports.get(station, frozenset())

    @property
    def doubtful(self) -> bool:
        """Return True if a reply disagreed with what is known."""
        return bool(self._astray)

    def usable(self) -> Mapping[str, Set[str]]:
        """Group id to the stations that its reply can be trusted to hold."""
        # The calls that take a group want an integer.
        return {group: set(self.members(group)) for group in self._members if group.isdigit()}
