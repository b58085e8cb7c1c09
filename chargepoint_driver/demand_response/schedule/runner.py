"""Runner of the scheduler: it reads, decides and writes, and records what it did."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from chargepoint_driver.config.texts import read_json
from chargepoint_driver.demand_response.circuits import Circuits
from chargepoint_driver.demand_response.schedule.cheapest import Need
from chargepoint_driver.demand_response.schedule.config import GroupConfig, ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import Devices, PortReading, key_of
from chargepoint_driver.demand_response.schedule.engine import Period, Schedule
from chargepoint_driver.demand_response.schedule.group_limits import GroupLimits
from chargepoint_driver.demand_response.schedule.prices import Prices, parse_time
from chargepoint_driver.errors import ChargePointError, InvalidValueError
from chargepoint_driver.text import get_logger

__all__ = ["Scheduler", "describe"]

_log = get_logger(__name__)

_DAY = timedelta(days=1)
_MAX_RECORDS = 1_000


@dataclass(frozen=True)
class _Applied:
    """Last write to the devices of a group."""

    kw: float | None
    reason: str
    done: bool


class Scheduler:
    """Schedules, prices and circuits of one configuration, at devices."""

    def __init__(
        self,
        config: ScheduleConfig,
        devices: Devices,
        now: Callable[[], datetime],
        record: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """`now` is the time with its zone. `record` takes each change: see `run_due`."""
        self._devices = devices
        self._now = now
        self._record = record
        self.records: deque[dict[str, Any]] = deque(maxlen=_MAX_RECORDS)
        self._prices = Prices()
        self._file_s: float | None = None
        self._needs: dict[str, dict[str, Need]] = {}
        self._visits: dict[str, str] = {}
        self._deadlines: dict[str, tuple[str, datetime]] = {}
        self._applied: dict[str, _Applied] = {}
        self._limits = GroupLimits(devices, self._publish)
        self._circuits: Circuits | None = None
        self._booted: dict[str, str] = {}
        if config.circuits:
            self._circuits = Circuits(config.circuits, now().timestamp())
        self._configure(config)

    def _configure(self, config: ScheduleConfig) -> None:
        self.config = config
        self._schedule = Schedule(config)
        self._needs = {name: self._needs.get(name, {}) for name in config.groups}
        self._ports = {
            name: port
            for circuit in config.circuits.values()
            for name, port in circuit.ports.items()
        }
        self._ruled = {circuit.group for circuit in config.circuits.values() if circuit.group}

    # ---- what comes in -------------------------------------------------------------------

    def take_config(self, config: ScheduleConfig) -> None:
        """Go on with another configuration. Limits that stay the same are not interrupted; the next
        `run_due` writes what differs, and releases devices that no group has now."""
        before = self.config
        self._configure(config)
        if config.prices_file != before.prices_file:
            self._file_s = None
        if config.circuits != before.circuits:
            circuits = config.circuits
            self._circuits = Circuits(circuits, self._now().timestamp()) if circuits else None
        for name in [name for name in self._applied if name and name not in config.groups]:
            del self._applied[name]
            self._publish(group=name, removed=True)
        for name, group in config.groups.items():
            known = before.groups.get(name)
            if known is not None and known.devices != group.devices:
                # Recorded again: the limit of each device is another.
                self._applied.pop(name, None)

    def take_prices(self, message: Any) -> str:
        """Take day-ahead prices; `accepted`, or what is wrong with them (those before stand)."""
        try:
            newer = Prices.parse(message)
        except InvalidValueError as error:
            self._publish(prices=f"malformed: {error}")
            return f"malformed: {error}"
        self._prices = self._prices.merged(newer, self._now() - 2 * _DAY)
        self._publish(prices="accepted", count=len(newer))
        return "accepted"

    def take_meter(self, circuit: str, values: Mapping[str, Any]) -> bool:
        """Take the points of a circuit's meter. False where they lack what its limits need."""
        config = self.config.circuits[circuit]
        kw = _number(values.get(config.meter_kw)) if config.meter_kw else None
        amps = tuple(_number(values.get(name)) for name in config.meter_amps)
        known = tuple(a for a in amps if a is not None)
        assert self._circuits is not None
        return self._circuits.meter(
            circuit, self._now().timestamp(), kw, known if len(known) == 3 else None
        )

    def set_need(
        self, group: str, name: str, energy_kwh: float | None, deadline: str | None = None
    ) -> None:
        """Set what a vehicle of a group needs by a deadline (ISO 8601); energy None ends it.
        Raises InvalidValueError."""
        if group not in self._needs:
            raise InvalidValueError(
                f"no group {group!r} in the schedule (there: {', '.join(self._needs)})"
            )
        if energy_kwh is None:
            self._needs[group].pop(name, None)
            return
        if _number(energy_kwh) is None or not 0 < energy_kwh < 1e6:
            raise InvalidValueError("energy_kwh: expected a number above 0")
        now = self._now()
        until = parse_time(deadline, "deadline")
        if until <= now:
            raise InvalidValueError("deadline: is not in the future")
        self._needs[group][name] = Need(energy_kwh, now, until, self._vehicle_kw(group), name)

    # ---- work ----------------------------------------------------------------------------

    def run_due(self) -> None:
        """Do what is due now. Changes are recorded:

        `{"time", "group", "kw", "reason", "until", "done", "devices", "errors"}`, kw None: no
        limit; done False: a device did not take it, `errors` has the reason by device, and it is
        tried again; `lasts` True: it ends after `until`, which is the end of the horizon.
        `{"time", "port", "amps", "kw", "done", "devices", "errors"}` of a port under
        circuits; `{"time", "port", "lost": True}` where its limit is not in force any
        more. `{"time", "silent": [circuits]}`.
        """
        self.read_prices()
        readings = self._readings()
        now = self._now()
        limits_kw: dict[str, float] = {}
        for name, group in self.config.groups.items():
            self._record_needs(name, group, readings, now)
            periods = self._schedule.now(name, now, self._prices, self._needs[name].values())
            for circuit, config in self.config.circuits.items():
                if config.group == name and periods[0].kw is not None:
                    limits_kw[circuit] = periods[0].kw
            errors: dict[str, str] = {}
            if name not in self._ruled:
                errors = self._limits.apply(group, periods, self.config.lease_seconds, now)
            applied = _Applied(periods[0].kw, periods[0].reason, not errors)
            if self._applied.get(name) != applied:
                self._applied[name] = applied
                self._publish(
                    group=name,
                    **_shown(periods[0]),
                    done=not errors,
                    devices=[key_of(device) for device in group.devices],
                    errors=errors,
                    lasts=len(periods) == 1,
                )
        self._limits.keep_only(
            [group for name, group in self.config.groups.items() if name not in self._ruled]
        )
        if self._circuits is not None:
            self._step(self._circuits, readings, limits_kw)

    def show(self) -> dict[str, Any]:
        """Return what applies now and next: group to `describe`; `at` is the time of it."""
        now = self._now()
        groups = {
            name: describe(self._schedule.now(name, now, self._prices, self._needs[name].values()))
            for name in self.config.groups
        }
        return {"at": now.isoformat(), "groups": groups}

    def upcoming(self, group: str, limit: int) -> list[Period]:
        """Return what applies to a group now and next within the horizon, at most `limit`."""
        needs = self._needs[group].values()
        return self._schedule.now(group, self._now(), self._prices, needs)[:limit]

    def applied(self) -> dict[str, dict[str, Any]]:
        """Return what was written last: group to `{"kw", "reason", "done"}`."""
        return {name: asdict(each) for name, each in self._applied.items() if name}

    def stop(self) -> None:
        """Give back what is held. Plans and limits of circuits stay: they protect the site."""
        self._limits.release_all()

    def _record_needs(
        self, name: str, group: GroupConfig, readings: Mapping[str, PortReading], now: datetime
    ) -> None:
        """Learn what vehicles need, and forget what is over."""
        needs = self._needs[name]
        for each in [each for each, need in needs.items() if need.deadline <= now]:
            del needs[each]
        for port in group.ports:
            key = key_of(port)
            reading = readings.get(key)
            if reading is None or reading.is_active is None:
                continue
            need = self._need_of(name, key, reading, now)
            before = self._visits.get(f"{name} {key}")
            if need is None:
                if before is not None:
                    needs.pop(key, None)
                    del self._visits[f"{name} {key}"]
                continue
            visit = f"{reading.session} {need.energy_kwh:g} {need.deadline.isoformat()}"
            if visit != before:
                self._visits[f"{name} {key}"] = visit
                needs[key] = replace(need, name=key)
                self._publish(
                    group=name,
                    need=key,
                    energy_kwh=need.energy_kwh,
                    deadline=need.deadline.isoformat(),
                )

    def _need_of(self, name: str, key: str, reading: PortReading, now: datetime) -> Need | None:
        if not reading.is_active:
            return None
        vehicle = self.config.vehicles.get(reading.id_tag or "")
        energy_kwh, deadline = reading.energy_kwh, reading.departure
        if vehicle is not None:
            energy_kwh = energy_kwh or vehicle.energy_kwh
            deadline = deadline or self._deadline(name, key, reading, vehicle.deadline, now)
        if not energy_kwh or deadline is None or deadline <= now:
            return None
        return Need(energy_kwh, now, deadline, self._vehicle_kw(name))

    def _deadline(
        self, name: str, key: str, reading: PortReading, clock: str, now: datetime
    ) -> datetime:
        """Return the deadline of a visit: that which was found when it began."""
        place, session = f"{name} {key}", reading.session or ""
        known = self._deadlines.get(place)
        if known is None or known[0] != session:
            known = session, self._schedule.need(1.0, clock, now, name).deadline
            self._deadlines[place] = known
        return known[1]

    def _vehicle_kw(self, group: str) -> float:
        cheapest = self.config.groups[group].cheapest
        if cheapest is None:
            return 1.0
        return cheapest.vehicle_kw or cheapest.kw

    # ---- circuits ------------------------------------------------------------------------

    def _step(
        self,
        circuits: Circuits,
        readings: Mapping[str, PortReading],
        limits_kw: Mapping[str, float],
    ) -> None:
        now_s = self._now().timestamp()
        for name, port in self._ports.items():
            reading = readings.get(key_of(port.device))
            if reading is None or reading.is_active is None:
                continue
            if (
                reading.booted is not None
                and self._booted.get(name, reading.booted) != reading.booted
            ):
                circuits.forget(name)
            self._booted[name] = reading.booted or self._booted.get(name, "")
            if reading.limit_kw is not None and not circuits.reported(
                name, reading.limit_kw, now_s
            ):
                self._publish(port=name, lost=True)
            currents = reading.currents
            if currents is not None:
                currents = {
                    phase: currents[line]
                    for line, phase in enumerate(port.phases, 1)
                    if line in currents
                }
            circuits.seen(
                name, is_active=reading.is_active, currents=currents, load_kw=reading.load_kw
            )
        silent = circuits.silent(now_s)
        if self._applied.get("") != (applied := _Applied(None, ", ".join(silent), True)):
            if silent or "" in self._applied:
                self._publish(silent=silent)
            self._applied[""] = applied
        for command in circuits.step(now_s, limits_kw):
            device = self._ports[command.port].device
            error = self._limits.attempt(
                key_of(device),
                partial(self._devices.hold, device, command.kw, lease_s=0),
            )
            if not error:
                circuits.confirmed(command.port, command.amps)
            else:
                circuits.failed(command.port, now_s)
            failed = {key_of(device): error} if error else {}
            self._publish(
                port=command.port,
                amps=command.amps,
                kw=command.kw,
                done=not error,
                devices=[key_of(device)],
                errors=failed,
            )

    # ---- inside --------------------------------------------------------------------------

    def _readings(self) -> dict[str, PortReading]:
        """Read every port that a group or a circuit asks for, once."""
        wanted = {key_of(port): port for g in self.config.groups.values() for port in g.ports}
        wanted |= {key_of(port.device): port.device for port in self._ports.values()}
        found = {}
        for key, device in wanted.items():
            try:
                found[key] = self._devices.read(device)
            except ChargePointError as error:
                _log.warning("%s: %s", key, error)
        return found

    def read_prices(self) -> str:
        """Read the file of prices where it changed: as `take_prices`; '' where it did not."""
        if not self.config.prices_file:
            return ""
        path = Path(self.config.prices_file)
        try:
            changed_s = path.stat().st_mtime
            if changed_s == self._file_s:
                return ""
            content = read_json(path).content
        except (OSError, ChargePointError) as error:
            if self._file_s != -1.0:
                self._file_s = -1.0
                self._publish(prices=f"cannot be read: {error}")
            return f"cannot be read: {error}"
        self._file_s = changed_s
        return self.take_prices(content)

    def _publish(self, **facts: Any) -> None:
        entry = {"time": self._now().isoformat(), **facts}
        self.records.append(entry)
        self._record(entry)


def describe(periods: list[Period]) -> dict[str, Any]:
    """Return what applies now (`now`) and what follows (`next`, None: nothing known)."""
    following = _shown(periods[1]) if len(periods) > 1 else None
    if following is not None:
        following["from"] = periods[1].start.isoformat()
    return {"now": _shown(periods[0]), "next": following}


def _shown(period: Period) -> dict[str, Any]:
    return {"kw": period.kw, "reason": period.reason, "until": period.end.isoformat()}


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
