"""Texts and examples of the operations, for the OpenAPI document: tags, descriptions, bodies."""

from __future__ import annotations

from typing import Any

__all__ = ["DESCRIPTIONS", "EXAMPLES", "TAGS", "tag_of"]

# Tag to what its operations are about, and their names.
TAGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "stations": (
        "Stations, ports and the site as they are read at present. A value that cannot be read is "
        "in `errors`, and in `lastKnown` with its time; it is never 0.",
        ("stations", "status", "state", "charger", "live_status", "events"),
    ),
    "load": ("Load, limits and headroom over time.", ("load", "series")),
    "sessions": (
        "Charging sessions and what they cost.",
        ("active", "history", "sessions", "session_sums", "sessions_csv", "report", "report_csv"),
    ),
    "alarms": (
        "Alarms and maintenance, with acknowledgements.",
        ("alarms", "acknowledge", "clear_alarms"),
    ),
    "sheds": ("Limits of ports, stations and station groups.", ("shed", "clear")),
    "chargers": (
        "Commands and messages of chargers that connect directly (OCPP). Others answer 409.",
        (
            "start",
            "stop",
            "charge_stop",
            "availability",
            "reset",
            "release",
            "call",
            "messages",
        ),
    ),
    "schedule": (
        "Limits by weekday and hour.",
        ("schedule", "schedule_week", "schedule_log", "change_schedule"),
    ),
    "service": (
        "Health of this process, the audit log, and this document.",
        ("health", "audit", "audit_csv", "openapi"),
    ),
}

DESCRIPTIONS: dict[str, str] = {
    "health": "`good` is false while anything cannot be read. `faults` are faults of the "
    "configuration.",
    "stations": "The stations of all accounts, in the order of the accounts and of their lists.",
    "status": "The ports of all stations. `values` has the attributes that could be read.",
    "active": "Sessions without an end. `readAt` is when they were read.",
    "history": "Asks the service or the store of each account again. `errors` has the accounts "
    "that could not be asked: their sessions are missing.",
    "state": "What the page shows besides the stations.",
    "load": "Samples since this process runs. `/series` has those of the store.",
    "series": "Without `cpid` and `group`: of an account, or of all. With `cpid`, `connectorId` is "
    "needed. A time without samples was not looked at.",
    "alarms": "Open ones have `ended` null.",
    "audit": "An entry is written before its command is sent. `result` null: it still runs, or the "
    "process ended before the answer.",
    "charger": "Facts of the station list, and the settings of a charger that connects directly.",
    "messages": "Tags, keys and passwords are masked.",
    "live_status": "The answer is the bare list. The header `Link` has the next page.",
    "shed": "Exactly one of `allowedLoad` and `percentShed`, for exactly one of `cpid` and "
    "`group`. For a group the limit is the total. The limit is renewed while this process runs, "
    "and cleared after `minutes`. `warnings` say what it costs.",
    "clear": "Takes back what this driver limited.",
    "clear_alarms": "Alarms that still have a cause come again.",
    "acknowledge": "Writes a note. The alarm stays until its cause is over or it is cleared.",
    "start": "The charger decides: `status` is its word.",
    "stop": "By `connectorId` or by `transactionId`; without both, the only session that runs.",
    "charge_stop": "NotRunning where no session runs there.",
    "availability": "Inoperative ports take no new session.",
    "reset": "Soft ends sessions first, Hard restarts at once.",
    "release": "Opens the lock of the connector.",
    "call": "`payload` is checked by the schemas of OCPP.",
    "openapi": "OpenAPI 3.1. `/docs` shows it.",
}

_PORT: dict[str, Any] = {"cpid": "1:34001", "connectorId": 1}
_ACCEPTED: dict[str, Any] = {"status": "Accepted", "reported": None, "warnings": []}

# Name of an operation to the examples of its body and of its answer; None: it has none.
EXAMPLES: dict[str, tuple[dict[str, Any] | None, Any]] = {
    "shed": ({**_PORT, "allowedLoad": 3.0, "minutes": 60}, {**_ACCEPTED, "reported": 3.0}),
    "clear": (_PORT, _ACCEPTED),
    "clear_alarms": ({"cpid": "1:34001"}, _ACCEPTED),
    "acknowledge": (
        {**_PORT, "kind": "alarm", "what": "GFCI Trip", "note": "electrician comes on Monday"},
        _ACCEPTED,
    ),
    "start": ({**_PORT, "id_tag": "04A2B3C4"}, _ACCEPTED),
    "stop": (_PORT, _ACCEPTED),
    "charge_stop": (_PORT, {**_ACCEPTED, "status": "NotRunning"}),
    "availability": ({**_PORT, "type": "Inoperative"}, {**_ACCEPTED, "status": "Scheduled"}),
    "reset": ({"cpid": "1:34001", "type": "Soft"}, _ACCEPTED),
    "release": (_PORT, {**_ACCEPTED, "status": "Unlocked"}),
    "call": (
        {"cpid": "CP1", "action": "GetConfiguration", "payload": {"key": ["HeartbeatInterval"]}},
        {
            "action": "GetConfiguration",
            "payload": {
                "configurationKey": [
                    {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
                ]
            },
        },
    ),
    "change_schedule": (
        {"revision": "0f3c", "holidays": ["2027-01-01"]},
        None,
    ),
    "health": (
        None,
        {
            "good": True,
            "faults": [],
            "accounts": [
                {
                    "account": "garage",
                    "backend": "chargepoint",
                    "direct": False,
                    "errors": {},
                    "counters": {},
                }
            ],
            "refused": {},
        },
    ),
    "alarms": (
        None,
        {
            "incidents": [
                {
                    "kind": "alarm",
                    "account": "garage",
                    "cpid": "1:34001",
                    "name": "Level 1, west",
                    "connectorId": 1,
                    "what": "GFCI Trip",
                    "since": "2026-11-28T16:00:00+00:00",
                    "firstSeen": "2026-11-28T16:00:20+00:00",
                    "lastSeen": "2026-11-29T08:00:00+00:00",
                    "ended": None,
                    "acknowledged": None,
                    "acknowledgedBy": None,
                    "note": None,
                }
            ],
            "after": None,
        },
    ),
    "audit": (
        None,
        {
            "entries": [
                {
                    "id": 17,
                    "time": "2026-11-29T08:00:00+00:00",
                    "by": "dispatch",
                    "role": "operator",
                    "address": "192.0.2.7",
                    "command": "shed",
                    "account": "garage",
                    "cpid": "1:34001",
                    "connectorId": 1,
                    "group": None,
                    "arguments": {"allowedLoad": 3.0, "minutes": 60},
                    "ended": "2026-11-29T08:00:01+00:00",
                    "status": 200,
                    "result": "done",
                    "message": "Accepted",
                }
            ],
            "after": None,
        },
    ),
    "series": (
        None,
        {
            "samples": [[1796025600.0, 1796025660.0, 6.4, 6.6, 6.6, 6.6, None, 0]],
            "step": 60,
            "source": "own",
        },
    ),
    "active": (
        None,
        {
            "sessions": [
                {
                    "account": "garage",
                    "cpid": "1:34001",
                    "connectorId": 1,
                    "transactionId": 4711,
                    "startTime": "2026-11-29T07:10:00+00:00",
                    "endTime": None,
                    "durationSecs": None,
                    "energy": 5400.0,
                    "meterStart": None,
                    "meterStop": None,
                }
            ],
            "errors": {},
            "readAt": "2026-11-29T08:00:00+00:00",
            "after": None,
        },
    ),
}


def tag_of(name: str) -> str:
    """Return the tag of an operation. Raises LookupError."""
    for tag, (_, names) in TAGS.items():
        if name in names:
            return tag
    raise LookupError(f"operation {name} has no tag; add it to TAGS")
