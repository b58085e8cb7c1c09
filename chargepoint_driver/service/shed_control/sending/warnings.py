"""Warnings about side effects of a write; never a refusal."""

from __future__ import annotations

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import Point
from chargepoint_driver.service.shed_control import validation
from chargepoint_driver.service.shed_control.records.command_state import describe
from chargepoint_driver.service.shed_control.records.reported_state import report_of
from chargepoint_driver.service.shed_control.sending.dispatcher import STATE_CURRENCY_S, Dispatcher
from chargepoint_driver.service.shed_control.validation import ZeroLimit

__all__ = ["warnings_of"]

# How old the station list may be that has the ratings.
_RATED_CURRENCY_S = 86_400.0


def warnings_of(
    commands: Dispatcher, point: Point, value: object, *, ask: bool, zero: ZeroLimit = "stop"
) -> list[str]:
    """Return the warnings of a write, in sentences. What cannot be found out warns of nothing.
    `ask`: what is not known is asked for, which may cost calls. `zero`: what 0 kW of allowedLoad
    means."""
    name, target = point.attribute.name, point.target
    try:
        if name in validation.LIMITS:
            limit = validation.LIMITS[name](point, value)
        elif name == "shedState" and validation.as_bool(point, value):
            staged = commands.command_log.staged.get(target)
            if staged is None:
                return []
            limit = staged
        elif name == "clearAlarms" and not validation.as_bool(point, value):
            return [
                f"{point.name} 0: nothing is sent; write 1 to clear the alarms of "
                f"{target.station_id}"
            ]
        else:
            return []
        if _releases(name, limit, zero):
            return []
        return _of_limit(_Facts(commands, ask=ask), target, limit)
    except ChargePointError:
        return []


def _releases(name: str, limit: Limit, zero: ZeroLimit) -> bool:
    """Return True if a write that looks odd as a limit only releases."""
    if name == "limit":
        return limit.allowed_load_kw != 0  # above the rated power
    return name == "allowedLoad" and limit.allowed_load_kw == 0 and zero != "stop"


class _Facts:
    """Known loads and ratings."""

    def __init__(self, commands: Dispatcher, *, ask: bool) -> None:
        self._commands = commands
        self._ask = ask
        # Chargers that connect directly take a percentage of their rated power then.
        self.idle_is_zero = not commands.watch.is_direct

    def records(
        self, data: Data, target: Target, currency_s: float, *, ask: bool
    ) -> list[StationRecord | None]:
        """Return what a call reports of the stations of a target; None for each unknown one."""
        cache = self._commands.cache
        stations = [target.station_id]
        if target.group is not None:
            stations = sorted(cache.members(target.group))
        if not ask:
            return [cache.peek(data, station) for station in stations]
        keys = [cache.key(data, station) for station in stations]
        found = cache.get(dict.fromkeys(keys, currency_s))
        return [found[key].record for key in keys]

    def loads(self, target: Target) -> dict[Target, float | None]:
        """Return the load in kW of each port of a target, None where it is not reported. The write
        itself reads it, if this does not."""
        loads: dict[Target, float | None] = {}
        for record in self.records(Data.LOAD, target, STATE_CURRENCY_S, ask=True):
            if record is not None:
                report = report_of(Target(record.station_id, target.port), record)
                for port, found in report.ports.items():
                    loads[Target(record.station_id, port)] = found.load_kw
        return loads

    def rated_kw(self, target: Target) -> float | None:
        """Return the rated power of a target in kW; None unless it is known of every port."""
        powers: list[object] = []
        for record in self.records(Data.STATIONS, target, _RATED_CURRENCY_S, ask=self._ask):
            if record is None:
                return None
            ports = record.ports if target.port is None else {0: record.ports.get(target.port, {})}
            powers += [port.get("Power") for port in ports.values()]
        known = [power for power in powers if isinstance(power, (int, float))]
        return sum(known) if known and len(known) == len(powers) else None


def _of_limit(facts: _Facts, target: Target, limit: Limit) -> list[str]:
    found = []
    if limit.allowed_load_kw == 0 or limit.percent_shed == 100:
        found.append(f"{target}: {limit} stops charging until the limit ends")
    elif limit.percent_shed is not None and facts.idle_is_zero:
        found += [
            f"{port}: {describe(limit)}: a vehicle that comes will not charge; write allowedLoad "
            "instead"
            for port, load_kw in facts.loads(target).items()
            if load_kw == 0
        ]
    elif limit.allowed_load_kw:
        rated_kw = facts.rated_kw(target)
        if rated_kw is not None and limit.allowed_load_kw > rated_kw:
            found.append(
                f"{target}: {limit} is above its rated power of {rated_kw:g} kW, and limits nothing"
            )
    return found
