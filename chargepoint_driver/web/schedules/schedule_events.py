"""Entries of a scheduler's log as the API shows them."""

from __future__ import annotations

from itertools import islice

from chargepoint_driver.demand_response.schedule.schedule_log import LogEntry
from chargepoint_driver.web.api.schedule_schemas import ScheduleEvent

__all__ = ["event_of"]

_MAX_DEVICES = 50
_KINDS = (
    ("schedule", ""),
    ("plan", "plan"),
    ("need", "need"),
    ("prices", "prices"),
    ("silent", "silent"),
    ("lost", "lost"),
    ("amps", "circuit"),
    ("removed", "removed"),
)


def event_of(entry: LogEntry) -> ScheduleEvent:
    """Return an entry of the log as the API has it."""
    facts = entry.facts
    kind = next((kind for key, kind in _KINDS if key in facts), "limit")
    devices = [str(each) for each in facts.get("devices", [])]
    errors = {str(name): str(error) for name, error in facts.get("errors", {}).items()}
    energy = facts.get("energy_kwh")
    message = {
        "plan": facts.get("plan"),
        "prices": facts.get("prices"),
        "silent": ", ".join(facts.get("silent") or []),
        "need": facts.get("need"),
        "": facts.get("error") or ", ".join(facts.get("changed", [])),
    }.get(kind)
    # Devices that failed come first: they are what is looked for.
    first = sorted(devices, key=lambda each: each not in errors)
    return ScheduleEvent(
        id=entry.id,
        time=entry.time,
        kind=kind or str(facts["schedule"]),
        name=facts.get("group") or facts.get("port") or facts.get("device"),
        kw=facts.get("kw"),
        reason=facts.get("reason"),
        # The end of the horizon is not the end of the limit.
        until=None if facts.get("lasts") else facts.get("until") or facts.get("deadline"),
        done=facts.get("done"),
        devices=first[:_MAX_DEVICES],
        deviceCount=len(devices),
        errors=dict(islice(errors.items(), _MAX_DEVICES)),
        message=message or None,
        energy=None if energy is None else energy * 1000,
        by=facts.get("by"),
        revision=facts.get("revision"),
    )
