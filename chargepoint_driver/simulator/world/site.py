"""The lie of the land: organisations, groups and stations, built from a seed.

Nothing here changes while a world runs, except who belongs to which group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from .ports import Port
from .vehicles import MAX_PORTS
from .visits import HISTORY_S, Timetable

STATIONS_PER_GROUP = 100
FIRST_STATION_NUMBER = 34_001
FIRST_GROUP_ID = 39_491
GROUP_ID_STEP = 97


@dataclass(frozen=True)
class Organisation:
    """Owner of stations."""

    org_id: str
    name: str


@dataclass
class Group:
    """A named set of stations, by which load is read and shed."""

    group_id: int
    name: str
    organisation: Organisation
    station_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Nameplate:
    """Nameplate of a station."""

    manufacturer: str
    model: str
    serial_number: str
    mac_address: str


@dataclass(frozen=True)
class Place:
    """Location of a station; degrees, positive north and east."""

    address: str
    city: str
    state: str
    country: str
    postal_code: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Tariff:
    """Price for drivers, in US dollars."""

    min_price: float
    max_price: float
    per_hour: float
    per_session: float
    per_kwh: float


@dataclass
class Station:
    """A charging station with its ports, in order of their numbers."""

    station_id: str
    name: str
    description: str
    organisation: Organisation
    nameplate: Nameplate
    place: Place
    tariff: Tariff
    activated_s: int
    ports: list[Port]
    reachable: bool = True
    last_contact_s: float = 0.0

    def port(self, number: int) -> Port | None:
        """Return the port with that number; None when there is none."""
        return next((port for port in self.ports if port.number == number), None)


@dataclass(frozen=True)
class Site:
    """Everything that stands: all lists in order of creation."""

    organisations: list[Organisation]
    groups: list[Group]
    stations: list[Station]


def build_site(
    stations: int,
    ports_per_station: int,
    seed: int,
    opening_s: int,
    groups: int | None = None,
    organisations: int = 1,
) -> Site:
    """Build a site; the same arguments give the same site.

    `groups` None means one for every hundred stations. Raises ValueError for counts
    that make no sense, naming the argument.
    """
    if groups is None:
        groups = -(-stations // STATIONS_PER_GROUP)
    for name, value in (
        ("stations", stations),
        ("ports_per_station", ports_per_station),
        ("groups", groups),
        ("organisations", organisations),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if stations * ports_per_station > MAX_PORTS:
        raise ValueError(f"at most {MAX_PORTS} ports: use fewer stations or ports_per_station")
    if groups > stations or organisations > groups:
        raise ValueError("there cannot be more groups than stations or organisations than groups")
    owners = [
        Organisation(f"1:ORG{number:05d}", f"Harbour & Hill County {number}")
        for number in range(1, organisations + 1)
    ]
    built_groups = [
        Group(
            FIRST_GROUP_ID + GROUP_ID_STEP * index,
            f"Garage {index + 1}",
            owners[index * organisations // groups],
        )
        for index in range(groups)
    ]
    built_stations = []
    for index in range(stations):
        group = built_groups[index * groups // stations]
        station = _build_station(index, ports_per_station, seed, opening_s, group)
        group.station_ids.append(station.station_id)
        built_stations.append(station)
    return Site(owners, built_groups, built_stations)


def _build_station(
    index: int, ports_per_station: int, seed: int, opening_s: int, group: Group
) -> Station:
    random = Random(f"{seed}/station {index}")
    # Two kinds of site supply: 208 V (three-phase building) and 240 V (split phase).
    voltage_v, current_a, rated_kw = random.choice(((208, 32, 6.6), (240, 30, 7.2)))
    model = "CT4011" if ports_per_station == 1 else random.choice(("CT4021", "CT4023", "CT4025"))
    mac = f"{random.getrandbits(32):08X}"
    ports = []
    for offset in range(ports_per_station):
        port_index = index * ports_per_station + offset
        timetable = Timetable(seed, port_index, rated_kw, opening_s)
        ports.append(
            Port(
                offset + 1,
                port_index,
                voltage_v,
                current_a,
                rated_kw,
                timetable.visits(),
                opening_s - HISTORY_S,
            )
        )
    return Station(
        station_id=f"1:{FIRST_STATION_NUMBER + index}",
        name=f"R&D CAMPUS / {group.name.upper()} -{index + 1:03d}",
        description=f"Level {1 + index % 4}, bay {index + 1}",
        organisation=group.organisation,
        nameplate=Nameplate(
            manufacturer="ChargePoint",
            model=model,
            serial_number=f"{115_110_000_000 + 1_000 * index + random.randrange(1_000)}",
            mac_address=f"000D:6F00:{mac[:4]}:{mac[4:]}",
        ),
        place=Place(
            address=f"{100 + index} Example Street",
            city="Oakland",
            state="California",
            country="United States",
            postal_code="94612",
            latitude=round(37.8 + random.uniform(-0.01, 0.01), 6),
            longitude=round(-122.27 + random.uniform(-0.01, 0.01), 6),
        ),
        tariff=Tariff(min_price=0.0, max_price=20.0, per_hour=0.5, per_session=0.25, per_kwh=0.29),
        activated_s=opening_s - 86_400 * random.randrange(100, 2_000),
        ports=ports,
        last_contact_s=float(opening_s),
    )
