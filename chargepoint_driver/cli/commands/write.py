"""`chargepoint-driver write`: one command to a station or port, after a question."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from chargepoint_driver.backend import Target
from chargepoint_driver.cli.support.account import Access, Find, access_options, serving_any
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import (
    asking,
    can_ask,
    clock_time,
    complain,
    complain_of,
    console,
    emit,
    note,
    refuse_ignored,
)
from chargepoint_driver.cli.support.fleet_service import FleetService
from chargepoint_driver.cli.support.target import points_of, target_of, target_options
from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.errors import AuthenticationError, InvalidValueError
from chargepoint_driver.service import Reading, Service, ShedOptions
from chargepoint_driver.service.shed_control.validation import check_kw, check_percent

__all__ = ["write"]

_LOAD = "LoadRegister"
_ALARM = "AlarmRegister"
_POINTS = {
    "limit": _LOAD,
    "allowedLoad": _LOAD,
    "percentShed": _LOAD,
    "shedState": _LOAD,
    "clearAlarms": _ALARM,
}
_LIMITS = {"limit", "allowedLoad", "percentShed"}
# What is shown before and after; those of a port are left out for a station, and so on.
_SHOWN = {
    _LOAD: ("shedState", "allowedLoad", "percentShed", "portLoad", "stationLoad"),
    _ALARM: ("alarmType", "alarmTime"),
}
_OF_GROUP = ("shedState", "allowedLoad", "percentShed", "siteLoad")


@click.command(
    epilog="""\b
Example:
  chargepoint-driver write allowedLoad 3.3 --station 1:34003 --port 2 --minutes 30
\b
  chargepoint-driver write limit 7.2 --station 1:34003 --port 2
  chargepoint-driver write percentShed 50 --station 1:34003 --yes --json
  chargepoint-driver write shedState 0 --config driver_configs/port.config
  chargepoint-driver write allowedLoad 20 --config driver_configs/group.config
  chargepoint-driver write clearAlarms 1 --station 1:34003
"""
)
@click.argument("point", type=click.Choice(list(_POINTS)))
@click.argument("value")
@target_options
@click.option(
    "--minutes",
    type=click.IntRange(0, 525_600),
    default=60,
    show_default=True,
    help="Minutes until the shed ends; 0: never.",
)
@click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
@access_options
@json_option
def write(
    find: Find,
    point: str,
    value: str,
    station: str | None,
    port: int | None,
    minutes: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Send one command: a limit, the end of a shed, or clearing alarms.

    limit (kW), allowedLoad (kW) and percentShed (0 … 100) limit at once, for --minutes. A limit of
    the rated power or more releases. shedState 0 ends a shed. clearAlarms 1 clears the alarms of
    the whole station. With --config of a station group allowedLoad is its total, divided by its
    config. The command is sent once, and nothing renews it: a shed ends after its minutes.
    """
    _check(point, value)
    access = find(fleet=("chargepoint",))
    target = target_of(access, station, port)
    if point == "clearAlarms":
        if target.group is not None:
            raise click.UsageError("clearAlarms is for one station: choose it with --station")
        target = Target(target.station_id)
    options = _options(access, station, minutes)
    if not yes and (as_json or not can_ask()):
        raise click.UsageError("there is nobody to ask: give --yes to send it without a question")
    register = _POINTS[point]
    with serving_any(access) as service:
        with asking(f"asking {access.account.place} …"):
            before = _state(service, register, target)
        if not as_json:
            _show("before", before)
        releases = point == "limit" and _is_release(service, target, check_kw(point, value))
        words = f"Release {target}" if releases else _describe(point, value, target, minutes)
        sends = not (point == "clearAlarms" and value.strip().lower() in {"0", "false"})
        if sends and not yes and not click.confirm(f"{words}?", err=True):
            note("nothing was sent")
            raise SystemExit(1)
        (row,) = points_of([(register, point)], target, writable=True).points.values()
        sent_at = datetime.now(timezone.utc)
        warnings: list[str] = []
        with asking(f"sending to {target} …"):
            service.write(row, value, options, warnings)
            after = _state(service, register, target)
    ends = None if releases else _end(point, sent_at, minutes)
    if as_json:
        emit(
            {
                "point": point,
                "value": value,
                "station": target.station_id or None,
                "port": target.port,
                "group": target.group,
                "sent_at": sent_at.isoformat(timespec="seconds") if sends else None,
                "ends_at": None if ends is None else ends.isoformat(timespec="seconds"),
                "warnings": warnings,
                "before": _plain(before),
                "after": _plain(after),
            }
        )
        return
    _show("after", after)
    for warning in warnings:
        complain(warning, "warning")
    note(f"sent: {words[0].lower()}{words[1:]}" if sends else "nothing was sent")
    if ends is not None:
        note(f"charging resumes at {clock_time(ends)}; sooner with: shedState 0")
    elif point in _LIMITS and not releases:
        complain("this shed has no end: end it with shedState 0", "warning")
    if register == _LOAD:
        note("a station may take 5 minutes to follow a shed, and 10 a clear")


def _check(point: str, value: str) -> None:
    """Refuse a value, and options that it ignores, before anything is asked. Raises
    InvalidValueError."""
    if point == "shedState" and value.strip().lower() in {"1", "true"}:
        raise InvalidValueError(
            "shedState 1 sends the limit written before it, and no limit is kept between two "
            "commands: write allowedLoad or percentShed, which shed at once"
        )
    if point in {"shedState", "clearAlarms"}:
        refuse_ignored({"minutes"}, f"is for a shed: {point} sends no time; leave it out")
    if point == "clearAlarms":
        refuse_ignored({"port"}, "does not choose alarms: all of the station are cleared")
    if point in {"allowedLoad", "limit"}:
        check_kw(point, value)
    elif point == "percentShed":
        check_percent(point, value)
    elif value.strip().lower() not in {"0", "1", "false", "true"}:
        raise InvalidValueError(f"{point}: {value!r} is not a truth value; write 1 or 0")


def _options(access: Access, station: str | None, minutes: int) -> ShedOptions:
    """Return the driver config's options if it names the target; at once, for these minutes."""
    default = ShedOptions()
    if access.file is not None and station is None:
        default = ShedOptions.of(access.file.device)
    # Nothing renews it here: it is sent for these minutes, and a lease would cut them short.
    options = replace(default, minutes=minutes, on_write=True, lease_s=0.0, writer="cli")
    if isinstance(access.account, FleetAccountConfig):
        # The fleet would renew it until then.
        return replace(options, wanted_minutes=float(minutes))
    return options


def _is_release(service: Service | FleetService, target: Target, limit_kw: float) -> bool:
    if isinstance(service, FleetService):
        return service.is_release(target, limit_kw)
    return service.control.limit_point.is_release(target, limit_kw)


def _describe(point: str, value: str, target: Target, minutes: int) -> str:
    time = f"for {minutes} minutes" if minutes else "with no end"
    return {
        "limit": f"Limit {target} to {value} kW {'in all ' if target.group else ''}{time}",
        "allowedLoad": f"Limit {target} to {value} kW {'in all ' if target.group else ''}{time}",
        "percentShed": f"Shed {value} % of the present load of {target} {time}",
        "shedState": f"End the shed of {target}",
        "clearAlarms": f"Clear all alarms of station {target.station_id}",
    }[point]


def _end(point: str, sent_at: datetime, minutes: int) -> datetime | None:
    sheds = point in _LIMITS and minutes
    return sent_at + timedelta(minutes=minutes) if sheds else None


def _state(service: Service | FleetService, register: str, target: Target) -> Reading:
    """Return what is reported of the target. Raises AuthenticationError, for then no write can
    work."""
    shown = _OF_GROUP if target.group is not None else _SHOWN[register]
    points = points_of([(register, name) for name in shown], target).points
    reading = service.read(points)
    for error in reading.errors.values():
        if isinstance(error, AuthenticationError):
            raise error
    return reading


def _plain(reading: Reading) -> dict[str, Any]:
    return {
        **reading.values,
        **{name: {"error": error.to_dict()} for name, error in reading.errors.items()},
    }


def _show(when: str, reading: Reading) -> None:
    table = Table(when, "Value")
    for name, value in reading.values.items():
        table.add_row(name, "[dim]not reported[/]" if value is None else escape(str(value)))
    for name, error in reading.errors.items():
        table.add_row(name, f"[red]{error.code}[/]")
    console().print(table)
    complain_of(reading.errors.values())
