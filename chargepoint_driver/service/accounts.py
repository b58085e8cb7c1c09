"""JSON-serialisable facade over several accounts.

The caching agent offers these methods by RPC, and the proxy in the driver calls them; nothing
here knows VOLTTRON. A point is described by a dictionary:

    {"attribute": "portLoad", "register": "LoadRegister", "station": "1:34003", "port": 1}

with `type` and `currency` (seconds) where they differ from the catalogue's. `register` may be
left out where the attribute stands in one register only, `port` for what belongs to the station;
`group` (a station group's sgID) stands instead of `station`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import TABLES, Catalogue
from chargepoint_driver.config import Account, AgentAccountConfig, AgentConfig, ShedSettings
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
)
from chargepoint_driver.events import SinkState
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service.json_points import DescribedPoints, plain, station_fields
from chargepoint_driver.service.service import Service
from chargepoint_driver.service.shed_control import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = ["Accounts"]

_log = get_logger(__name__)

_HELD = (
    "nodes of a fleet hold this account, and this process cannot ask them; name an account with "
    "its own login or central system, or leave it out"
)
_MAX_TARGETS = 200_000
_MAX_READERS = 100
_CALL_S = 30.0
_MAX_CALL_S = 300.0


class Accounts:
    """The accounts of a caching agent. Raises errors of the tree; in answers they stand as
    dictionaries (`ChargePointError.to_dict`)."""

    # True where accounts that nodes of a fleet hold are forwarded to them.
    _forwards = False

    def __init__(self, serve: Callable[[Account], Service] = Service.of_account) -> None:
        """`serve` makes the service of an account."""
        self._serve = serve
        self._lock = threading.Lock()
        self._services: dict[str, tuple[AgentAccountConfig, Service]] = {}
        self._faults: list[str] = []
        self._points = DescribedPoints()
        # (account, identity of an agent that reads) to the targets that it has read.
        self._readers: dict[tuple[str, str], set[Target]] = {}
        self._followers: tuple[Callable[[str, dict[str, Any]], None], ...] = ()

    @classmethod
    def of_one(cls, name: str, account: AgentAccountConfig, service: Service) -> Accounts:
        """Return the facade of one account whose service runs already."""
        accounts = cls()
        accounts._services = {name: (account, service)}
        return accounts

    def configure(self, fields: Mapping[str, Any]) -> list[str]:
        """Take over a configuration; what is wrong with it. Accounts that are unchanged keep
        what they know, a changed one goes on with its new settings, a bad one is left out."""
        config, faults = AgentConfig.from_dict(fields)
        if not self._forwards:
            # A part of the accounts never looks like all of them.
            faults += [f"config: accounts.{name}: {_HELD}" for name in config.fleet_accounts]
        with self._lock:
            before, kept = self._services, {}
            for name in before.keys() - config.accounts.keys():
                before[name][1].close()
            for name, account in config.accounts.items():
                try:
                    kept[name] = account, self._service(name, account, before.get(name))
                except ChargePointError as error:
                    faults.append(f"config: accounts.{name}: {error}")
                    if name in before:
                        before[name][1].close()
            self._services = kept
            self._points.clear()
            self._readers.clear()
            self._faults = faults
        # The password of an account may come later; that it is not there yet is said now.
        return faults + [
            f"config: accounts.{name}: {missing}"
            for name, account in config.accounts.items()
            if (missing := account.missing_secret()) is not None
        ]

    def _service(
        self,
        name: str,
        account: AgentAccountConfig,
        before: tuple[AgentAccountConfig, Service] | None,
    ) -> Service:
        """Return the service of an account: the one before where it is the same account."""
        if before is None or before[0].key != account.key:
            if before is not None:
                before[1].close()
            service = self._serve(account)
            self._lead(name, service)
            return service
        if before[0] != account:
            before[1].reconfigure(account)
        return before[1]

    # ---- points ------------------------------------------------------------------------------

    def read(
        self,
        points: Mapping[str, Mapping[str, Any]],
        account: str | None = None,
        *,
        reader: str = "",
    ) -> dict[str, Any]:
        """Return {"values", "errors", "ages_s"} by the names given; each name is in values or
        errors. `reader` is the identity of the agent that asks, "" for none."""
        name, settings, service = self._find(account)
        if not isinstance(points, Mapping):
            raise ConfigurationError("points: must be names with the description of each point")
        errors: dict[str, ChargePointError] = {}
        wanted: dict[str, Point] = {}
        for key, fields in points.items():
            try:
                wanted[key] = self._points.of(name, settings, fields)
            except ChargePointError as error:
                errors[key] = error
        if reader:
            self._record_reader(name, reader, wanted.values())
        reading = service.read(wanted)
        errors.update(reading.errors)
        return {
            "values": reading.values,
            "errors": {key: error.to_dict() for key, error in errors.items()},
            "ages_s": dict(reading.ages_s),
        }

    def write(
        self,
        point: Mapping[str, Any],
        value: Any,
        account: str | None = None,
        *,
        minutes: float | None = None,
        writer: str = "",
        warnings: list[str] | None = None,
        **shed: Any,
    ) -> Value:
        """Write one point; what is reported then (see `Service.write`).

        `minutes`: the limit is cleared after so long, whatever renews it; None or 0: no deadline.
        `writer`: who writes, for the lease. `warnings` takes what the write costs. `shed`: how,
        as options of a driver config: shed_duration, shed_on_write and the like."""
        name, settings, service = self._find(account)
        settled = ShedSettings.from_words(shed)
        options = ShedOptions.of(settled, minutes=minutes, writer=str(writer or ""))
        return service.write(self._points.of(name, settings, point), value, options, warnings)

    def release(
        self, point: Mapping[str, Any], account: str | None = None, on_delete: str = "clear"
    ) -> bool:
        """The device that owned a point's target was deleted: what it limits is cleared, or not
        renewed any more (`lapse`), with an alert. True when there was something."""
        if on_delete not in ("clear", "lapse"):
            raise InvalidValueError(f"on_delete: expected clear or lapse, got {on_delete!r}")
        name, settings, service = self._find(account)
        target = self._points.of(name, settings, point).target
        return service.control.owners.release(target, "lapse" if on_delete == "lapse" else "clear")

    def _record_reader(self, name: str, reader: str, points: Iterable[Point]) -> None:
        """Record the targets that an agent reads, up to a limit of agents and of targets."""
        readers = self._readers
        if (name, reader) not in readers and len(readers) >= _MAX_READERS:
            return
        known = readers.setdefault((name, reader), set())
        if len(known) < _MAX_TARGETS:
            known.update(point.target for point in points)

    def take_over(self, file_of: Callable[[str], Path]) -> None:
        """Keep up the limits of the stations that a driver reads here now, and that it commanded
        itself before: they are in its own file. `file_of` gives the file of an identity."""
        services = self._snapshot()
        for (name, reader), targets in list(self._readers.items()):
            if name in services:
                services[name][1].control.take_over([file_of(reader)], frozenset(targets))

    def revert(
        self, point: Mapping[str, Any], account: str | None = None, *, writer: str = ""
    ) -> bool:
        """Take back what was done to the point's target; True when a command was sent.
        `writer`: who reverts, for the audit."""
        name, settings, service = self._find(account)
        return service.revert(self._points.of(name, settings, point), str(writer or ""))

    # ---- load shed events --------------------------------------------------------------------

    def create_load_shed_event(
        self,
        start: str,
        duration: int,
        station: str | None = None,
        group: str | int | None = None,
        allowed_load_per_port: float | None = None,
        percent_shed_per_station: float | None = None,
        allow_opt_out: bool | None = None,
        account: str | None = None,
    ) -> int:
        """Announce a shed of a station, or of a station group, from `start` (ISO 8601) for
        `duration` minutes, to exactly one of a limit in kW for each port and a percentage; the
        id of the event."""
        _, _, service = self._find(account)
        if bool(station) == bool(group):
            raise InvalidValueError("exactly one of station and group must be given")
        target = Target(str(station or ""), None, None if not group else str(group))
        return service.control.events.create(
            target,
            _moment("start", start),
            duration,
            allowed_load_per_port=allowed_load_per_port,
            percent_shed_per_station=percent_shed_per_station,
            allow_opt_out=allow_opt_out,
        )

    def remove_load_shed_event(self, event_id: int, account: str | None = None) -> None:
        """End or forget an event."""
        self._find(account)[2].control.events.remove(event_id)

    def command(
        self, name: str, station: str, port: int | None, value: Any, account: str | None = None
    ) -> str:
        """Carry out a command of the CommandRegister (see `Service.command`)."""
        _, _, service = self._find(account)
        _station_id(station)
        if port is not None and (isinstance(port, bool) or not isinstance(port, int) or port < 1):
            raise InvalidValueError("port: must be the number of a connector, or null")
        return service.command(Target(station, port), name, value)

    def call(
        self,
        station: str,
        action: str,
        payload: Mapping[str, Any] | None = None,
        account: str | None = None,
        timeout: float = _CALL_S,
    ) -> dict[str, Any]:
        """Send any request of OCPP (see `Service.call`). `timeout`: seconds for the answer."""
        _, _, service = self._find(account)
        if not isinstance(action, str) or not action.strip():
            raise InvalidValueError("action: must be the name of a request, like GetConfiguration")
        if payload is not None and not isinstance(payload, Mapping):
            raise InvalidValueError(f"{action}: the payload must be an object")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise InvalidValueError(f"timeout: expected seconds, got {timeout!r}")
        if not 0 < timeout <= _MAX_CALL_S:
            raise InvalidValueError(f"timeout: expected seconds above 0, at most {_MAX_CALL_S:g}")
        return service.call(_station_id(station), action, payload or {}, timeout)

    def stored_messages(
        self,
        station: str,
        account: str | None = None,
        before: int | None = None,
        limit: int = 100,
        action: str | None = None,
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Stored messages of a charger, newest first (see `Service.stored_messages`)."""
        return self._find(account)[2].stored_messages(_station_id(station), before, limit, action)

    def operate(
        self,
        name: str,
        station: str,
        arguments: Mapping[str, Any] | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Carry out one of `backend.OPERATIONS` (see `Service.operate`)."""
        _, _, service = self._find(account)
        if arguments is not None and not isinstance(arguments, Mapping):
            raise InvalidValueError(f"{name}: the arguments must be an object")
        return service.operate(_station_id(station), name, arguments or {})

    def _lead(self, name: str, service: Service) -> None:
        def publish(event: dict[str, Any]) -> None:
            for follower in self._followers:
                follower(name, event)

        service.follow(publish)

    def follow(self, callback: Callable[[str, dict[str, Any]], None]) -> None:
        """Call back with account and event for each message of a charger, of every account, also
        of those to come. It is called on the backend's own thread and must return at once."""
        with self._lock:
            self._followers = (*self._followers, callback)

    def service_of(self, account: str | None = None) -> Service:
        """Return the service of an account, for questions."""
        return self._find(account)[2]

    def services(self) -> list[tuple[str, Service]]:
        """Return the accounts with their services, as they are now."""
        return [(name, service) for name, (_, service) in self._snapshot().items()]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts."""
        return tuple(self._services)

    def publishes(self, account: str) -> bool:
        """Return True if the messages of an account's chargers belong on the platform's bus."""
        state = self._services.get(account)
        return state is not None and getattr(state[0], "bus_events", False)

    # ---- stations and sessions ---------------------------------------------------------------

    def stations(self, account: str | None = None) -> list[dict[str, Any]]:
        """Every station of the account: {"station", "values", "ports": {number: values}}.
        A value stands under the former names of its attribute too."""
        _, settings, service = self._find(account)
        catalogue = TABLES[settings.backend]
        return [station_fields(record, catalogue) for record in service.stations()]

    def sessions(
        self,
        station: str | None,
        start: str,
        end: str | None = None,
        account: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return the sessions of a station (None: of all) that touch the time from `start` to `end`
        (ISO 8601, UTC where no zone is given; None: no end), oldest first: {"station", "port", and
        what is reported of the session}."""
        _, _, service = self._find(account)
        since, until = _moment("start", start), None if end is None else _moment("end", end)
        if station is not None and not (isinstance(station, str) and station.strip()):
            raise InvalidValueError("station: must be a station id, or null for all")
        if until is not None and until < since:
            raise InvalidValueError("end: lies before start")
        return [
            {"station": event.station_id, "port": event.port, **plain(event.values)}
            for event in service.sessions(station, since, until)
        ]

    def writes(self, account: str | None = None, most: int = 100) -> list[dict[str, Any]]:
        """Return the newest writes, newest first: {time, station, port, group, point, value,
        writer, outcome}."""
        return self._find(account)[2].control.writers.newest(most)

    # ---- state -------------------------------------------------------------------------------

    def tables(self) -> dict[str, Catalogue]:
        """Account name to the table of what it has."""
        return {name: TABLES[account.backend] for name, (account, _) in self._snapshot().items()}

    def stats(self) -> dict[str, Any]:
        """Account name to counts: calls sent by operation, their total, records kept."""
        return {name: service.stats() for name, (_, service) in self._snapshot().items()}

    def health(self) -> dict[str, Any]:
        """Return {"good", "faults": of the configuration, "accounts": name to {call: error}}; the
        error of `password` is that there is none."""
        accounts: dict[str, dict[str, Any]] = {}
        for name, (account, service) in self._snapshot().items():
            wrong = {call: error.to_dict() for call, error in service.down().items()}
            missing = account.missing_secret()
            if missing is not None:
                wrong["password"] = missing.to_dict()
            accounts[name] = wrong
        good = not self._faults and not any(accounts.values()) and bool(accounts)
        return {"good": good, "faults": list(self._faults), "accounts": accounts}

    def sinks(self) -> dict[str, list[SinkState]]:
        """Account to how each sink of its events stands."""
        return {name: service.sinks() for name, (_, service) in self._snapshot().items()}

    def live_status(
        self, station: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the latest status of every station of every account, or of one (see
        `events.live_status`), `account` as it is named here. Raises NotFoundError."""
        found = []
        for name, (_, service) in self._snapshot().items():
            if account in (None, name):
                with suppress(NotFoundError):
                    found += [{**each, "account": name} for each in service.live_status(station)]
        if station is not None and not found:
            raise NotFoundError(f"station {station[:128]!r} is not known here")
        return found

    def counters(self) -> dict[str, dict[str, int]]:
        """Account to what was refused at its own port since the start, by kind."""
        return {name: service.counters() for name, (_, service) in self._snapshot().items()}

    def close(self) -> None:
        for _, service in self._snapshot().values():
            service.close()

    # ---- inside ------------------------------------------------------------------------------

    def _snapshot(self) -> dict[str, tuple[AgentAccountConfig, Service]]:
        with self._lock:
            return dict(self._services)

    def _find(self, account: str | None) -> tuple[str, AgentAccountConfig, Service]:
        """Return the account of that name or user name; None is the only one."""
        services = self._snapshot()
        for name, (settings, service) in services.items():
            names = (name, getattr(settings, "username", name))
            if account in names or (not account and len(services) == 1):
                return name, settings, service
        known = ", ".join(services) or "none"
        said = "no account is named" if not account else f"unknown account {account!r}"
        raise ConfigurationError(
            f"{said}; the caching agent holds {known}"
            + ("".join(f"\n{fault}" for fault in self._faults))
        )


def _station_id(station: object) -> str:
    if not isinstance(station, str) or not station.strip():
        raise InvalidValueError("station: must be the id of a charge point")
    return station


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise InvalidValueError(f"{name}: {text!r} is not an ISO 8601 time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
