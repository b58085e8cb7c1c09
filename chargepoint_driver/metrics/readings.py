"""Metrics of one account from memory: no scrape costs a call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from chargepoint_driver.backend import OutcomeBackend
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.events import SinkState
from chargepoint_driver.records import StationRecord, Values
from chargepoint_driver.service import Service

__all__ = ["MAX_AGE_S", "STATUSES", "AccountReading", "of_central_system", "of_service"]

STATUSES = ("AVAILABLE", "INUSE", "UNREACHABLE", "UNKNOWN")
"""The statuses that have a series of their own; all others are `other`."""
MAX_AGE_S = 900.0
"""What is known of a station for longer counts as not known."""
_UNREACHABLE = "UNREACHABLE"
_AT_ONCE = 100
_PAUSE_S = 0.0005

Pause = Callable[[], None]
_Row = TypeVar("_Row")


@dataclass
class AccountReading:
    """One account at one moment. Gauges are None, or empty, where they are not known.

    `ages_s`: (data, bound) to seconds. `load_w` and `limit_w` are sums of what is known.
    `is_readable`: False where the account could not be read; then only counters are known.
    """

    name: str
    is_readable: bool = True
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    down: Sequence[str] = ()
    messages: Mapping[str, int] = field(default_factory=dict)
    irregularities: Mapping[str, int] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)
    ages_s: dict[tuple[str, str], float] = field(default_factory=dict)
    stations: Counter[bool] = field(default_factory=Counter)
    ports: Counter[str] = field(default_factory=Counter)
    load_w: float | None = None
    load_unknown: int = 0
    limited: int = 0
    limit_w: float | None = None
    sheds: Mapping[str, int] = field(default_factory=dict)
    events: int | None = None
    sinks: Sequence[SinkState] = ()

    def add_station(self, reachable: bool) -> None:
        """Count a station."""
        self.stations[reachable] += 1

    def add_port(self, status: object, load_kw: float | None) -> None:
        """Count a port; the load of one that is out of reach is not known."""
        self.ports[str(status) if status in STATUSES else "other"] += 1
        if load_kw is None or status == _UNREACHABLE:
            self.load_unknown += 1
        else:
            self.load_w = (self.load_w or 0.0) + load_kw * 1000

    def add_limit(self, limit_kw: float | None, ports: int = 1) -> None:
        """Count a limit in force, of `ports` together; None: it is not known in kW."""
        self.limited += ports
        if limit_kw is not None:
            self.limit_w = (self.limit_w or 0.0) + limit_kw * 1000

    def add_ages(self, data: str, ages_s: Iterable[float]) -> None:
        """Note the newest and the oldest of some ages."""
        found = [max(0.0, each) for each in ages_s]
        if found:
            self.ages_s[data, "newest"] = min(found)
            self.ages_s[data, "oldest"] = max(found)


def _rest() -> None:
    time.sleep(_PAUSE_S)


def of_service(name: str, service: Service, pause: Pause = _rest) -> AccountReading:
    """Return an account as a service has it. Never raises. `pause` lets others run for a moment."""
    found = AccountReading(name)
    backend = service.backend
    found.irregularities = service.counters()
    # What is held for a single station is named by its call alone: no label holds a station.
    found.down = sorted({name.partition(" of ")[0] for name in service.down()})
    if isinstance(backend, OutcomeBackend):
        found.outcomes = backend.outcomes()
    try:
        system = getattr(backend, "system", None)
        if system is None:
            _read_records(found, service, pause)
            found.events = service.newest_event()
        else:
            _read_views(found, system, pause)
        found.sheds = service.control.counts.by_status(MAX_AGE_S, pause)
        found.sinks = service.sinks()
    except ChargePointError:
        return _unreadable(found)
    return found


def of_central_system(name: str, system: Any, pause: Pause = _rest) -> AccountReading:
    """Return the account of a central system without a service. Never raises."""
    found = AccountReading(name)
    try:
        found.irregularities = system.counters()
        found.outcomes = system.outcomes()
        _read_views(found, system, pause)
        found.sinks = system.sinks()
    except ChargePointError:
        return _unreadable(found)
    return found


def _unreadable(found: AccountReading) -> AccountReading:
    """Return what is left of an account that could not be read: counters. A part would look
    whole."""
    return AccountReading(
        found.name,
        is_readable=False,
        outcomes=found.outcomes,
        down=found.down,
        irregularities=found.irregularities,
    )


def _read_records(found: AccountReading, service: Service, pause: Pause) -> None:
    """Take the records that the cache holds. The values of an old one are no longer known."""
    statuses, loads = (service.cache.known(data) for data in (Data.STATUS, Data.LOAD))
    found.add_ages("status", (age_s for _, age_s in statuses.values()))
    found.add_ages("load", (age_s for _, age_s in loads.values()))
    for station in _gently(sorted(statuses.keys() | loads.keys()), pause):
        _add_station(found, _current(statuses.get(station)), _current(loads.get(station)))


def _current(known: tuple[StationRecord, float] | None) -> StationRecord | None:
    """Return the record; of one that is too old only that the ports are there."""
    if known is None or known[1] <= MAX_AGE_S:
        return None if known is None else known[0]
    return known[0]._replace(ports={port: {} for port in known[0].ports})


def _gently(rows: Iterable[_Row], pause: Pause) -> Iterator[_Row]:
    """Yield the rows, with a pause after each 100: serving chargers goes first."""
    for number, row in enumerate(rows, start=1):
        yield row
        if not number % _AT_ONCE:
            pause()


def _add_station(
    found: AccountReading, status: StationRecord | None, load: StationRecord | None
) -> None:
    of_status: Mapping[int, Values] = {} if status is None else status.ports
    of_load: Mapping[int, Values] = {} if load is None else load.ports
    statuses = [text for values in of_status.values() if (text := values.get("Status"))]
    if statuses:
        found.add_station(any(text != _UNREACHABLE for text in statuses))
    for port in sorted(of_status.keys() | of_load.keys()):
        said, measured = of_status.get(port, {}), of_load.get(port, {})
        # Without a reply the status is not known.
        found.add_port(said.get("Status", "UNKNOWN"), _number(measured.get("portLoad")))
        if measured.get("shedState") == 1:
            percent = _number(measured.get("percentShed"))
            limit_kw = None if percent else _number(measured.get("allowedLoad"))
            found.add_limit(limit_kw)


def _read_views(found: AccountReading, system: Any, pause: Pause) -> None:
    """Take what a central system has in memory of its charge points."""
    found.messages = system.messages()
    found.events = system.newest_event()
    found.connections = system.connections()
    now = datetime.now(timezone.utc)
    ages: list[float] = []
    for view in _gently(system.each_charge_point(), pause):
        found.add_station(view.status != _UNREACHABLE)
        if view.connected and view.last_seen:
            ages.append(
                (now - datetime.fromisoformat(view.last_seen[:-1] + "+00:00")).total_seconds()
            )
        connectors = [each for number, each in view.connectors.items() if number != 0]
        for connector in connectors:
            found.add_port(connector.status, connector.load_kw)
        whole = view.limit
        if whole is not None and whole["active"]:
            # It holds for all connectors together, whatever theirs are.
            found.add_limit(whole["effective_kw"], max(1, len(connectors)))
            continue
        for connector in connectors:
            limit = connector.limit
            if limit is not None and limit["active"]:
                found.add_limit(limit["effective_kw"])
    found.add_ages("status", ages)


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]
