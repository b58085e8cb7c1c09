"""Actual state of the simulated world, as plain JSON values."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from .ports import Port
from .site import Station
from .world import World


def world_json(world: World) -> dict[str, Any]:
    """Time, stations with ports and loads, groups, open alarms, received commands.

    Loads in kW, energies in kWh, times as ISO 8601 in UTC. `session` is None for a
    free port and `ceiling_kw` None for one that is not shed.
    """
    with world.lock:
        now_s = world.advance()
        return {
            "simulated_time": iso(now_s),
            "seed": world.seed,
            "stations": [_station(world, station) for station in world.stations],
            "groups": [
                {
                    "sgID": group.group_id,
                    "name": group.name,
                    "orgID": group.organisation.org_id,
                    "stations": list(group.station_ids),
                }
                for group in world.groups
            ],
            "alarms": [
                {
                    "stationID": alarm.station_id,
                    "portNumber": alarm.port_number,
                    "alarmType": alarm.alarm_type,
                    "time": iso(alarm.time_s),
                }
                for alarm in world.select_alarms()
            ],
            "commands": [
                {
                    "operation": command.operation,
                    "time": iso(command.time_s),
                    "arguments": command.arguments,
                    "responseCode": command.response_code,
                    "username": command.username,
                }
                for command in world.commands
            ],
        }


def iso(time_s: float) -> str:
    """Return a moment as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _station(world: World, station: Station) -> dict[str, Any]:
    return {
        "stationID": station.station_id,
        "name": station.name,
        "orgID": station.organisation.org_id,
        "groups": [group.group_id for group in world.groups_of(station.station_id)],
        "reachable": station.reachable,
        "load_kw": sum(port.load_kw for port in station.ports),
        "ports": [_port(port) for port in station.ports],
    }


def _port(port: Port) -> dict[str, Any]:
    hold = port.hold
    session = port.session
    return {
        "portNumber": port.number,
        "rated_kw": port.rated_kw,
        "plugged_in": session is not None,
        "load_kw": port.load_kw,
        "shedState": int(hold is not None),
        "allowed_kw": hold.limit.allowed_kw if hold else None,
        "percent_shed": hold.limit.percent if hold else None,
        "ceiling_kw": hold.ceiling_kw if hold else None,
        "sessions": len(port.sessions()),
        "session": session
        and {
            "sessionID": session.visit.session_id,
            "start": iso(session.start_s),
            "energy_kwh": session.energy_kwh,
            "charging_s": session.charging_s,
            "userID": session.visit.driver.user_id,
            "leaves": iso(session.visit.leave_s),
        },
    }
