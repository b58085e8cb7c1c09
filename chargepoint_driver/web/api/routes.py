"""Table of the API: what is served, with its entries of the OpenAPI document."""

from __future__ import annotations

from aiohttp import web

from chargepoint_driver.config.web_keys import Role
from chargepoint_driver.web.api import audit_schemas, schedule_schemas, schemas, session_schemas
from chargepoint_driver.web.api.command_routes import COMMANDS
from chargepoint_driver.web.api.paging import MAX_LIMIT
from chargepoint_driver.web.api.route import BASE, Query, Route

__all__ = [
    "LIVE_STATUS",
    "PAGED",
    "ROUTES",
    "STREAM",
    "operation_of",
    "roles_of_routes",
]

_MAX_OPERATION = 100
_LOGINS = {("POST", "/login"): "log_in", ("POST", "/logout"): "log_out"}
LIVE_STATUS = "/charge_point_live_status"
STREAM = "text/event-stream"


def _text(name: str, description: str) -> Query:
    return Query(name, description, {"type": "string"})


def _time(name: str, description: str) -> Query:
    # An empty text is as if it were not given.
    kinds = [{"format": "date-time"}, {"format": "date"}, {"const": ""}]
    return Query(name, f"ISO 8601; {description}", {"type": "string", "anyOf": kinds})


_STATION = Query("cpid", "id of the station", {"type": "string", "minLength": 1}, required=True)


_ACCOUNT = _text("account", "only of this account")
_CPID = _text("cpid", "only of this station")
PAGED = (
    Query("limit", "items of a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
    _text("after", "the page after the one whose answer has this `after`"),
)
"""Parameters of a list that is read in pages."""
_AUDIT = (
    _time("start", "not before then"),
    _time("end", "before then"),
    _text("by", "only of the key or the user of this name"),
    _text("command", "only this operation, like shed or log_in"),
    _text("result", "only with this result: done, the code of an error, or failed for all errors"),
    _ACCOUNT,
    _CPID,
)

_CSV = "text/csv"
_SESSION_QUERIES = (
    _ACCOUNT,
    _CPID,
    Query("connectorId", "only of this port of the station", {"type": "integer", "minimum": 1}),
    _text("idTag", "only of this idTag, for roles that may see idTags"),
    _time("start", "a day before the end where it is not given"),
    _time("end", "no end where it is not given"),
)
_MONTH = Query(
    "month",
    "YYYY-MM, a month of the site; the present one where it is not given",
    {"type": "string", "pattern": "^([0-9]{4}-(0[1-9]|1[0-2]))?$"},
)

ROUTES = (
    Route("GET", "/health", "health", "What does not work at present", schemas.Health),
    Route(
        "GET",
        "/stations",
        "stations",
        "Every station with its ports",
        schemas.Stations,
        queries=PAGED,
    ),
    Route(
        "GET",
        "/status",
        "status",
        "Every port: status, load, limits, shed, alarm",
        schemas.Connectors,
        queries=(_ACCOUNT, _CPID, *PAGED),
    ),
    Route(
        "GET",
        "/active",
        "active",
        "The sessions that run, as they were read last",
        schemas.Sessions,
        queries=(_ACCOUNT, _CPID, *PAGED),
    ),
    Route(
        "GET",
        "/history",
        "history",
        "The sessions that touch a time, asked again",
        schemas.Sessions,
        queries=(
            _ACCOUNT,
            _CPID,
            _time("start", "a day ago where it is not given"),
            _time("end", "no end where it is not given"),
            *PAGED,
        ),
    ),
    Route(
        "GET",
        "/sessions",
        "sessions",
        "A page of sessions that touch a time, newest first, with their costs",
        session_schemas.SessionPage,
        queries=(*_SESSION_QUERIES, *PAGED),
    ),
    Route(
        "GET",
        "/sessions/sums",
        "session_sums",
        "Sums of all sessions that touch a time",
        session_schemas.SessionSums,
        queries=_SESSION_QUERIES,
    ),
    Route(
        "GET",
        "/sessions.csv",
        "sessions_csv",
        "All sessions that touch a time, as a file; account by account, newest first",
        None,
        queries=_SESSION_QUERIES,
        content=_CSV,
    ),
    Route(
        "GET",
        "/report",
        "report",
        "Sessions that ended in a month of the site, by cost centre",
        session_schemas.MonthlyReport,
        queries=(_MONTH, _ACCOUNT),
        role="operator",
    ),
    Route(
        "GET",
        "/report.csv",
        "report_csv",
        "The report of a month as a file",
        None,
        queries=(
            _MONTH,
            _ACCOUNT,
            Query("by", "a line for each idTag", {"type": "string", "enum": ["idTag"]}),
        ),
        content=_CSV,
        role="operator",
    ),
    Route("GET", "/state", "state", "The site, groups, alarms, sessions at once", schemas.State),
    Route(
        "GET",
        "/load",
        "load",
        "The site's load over time, since this process runs",
        schemas.Loads,
        queries=(
            Query(
                "hours",
                "how far back",
                {"type": "number", "exclusiveMinimum": 0, "maximum": 24, "default": 24},
            ),
        ),
    ),
    Route(
        "GET",
        "/series",
        "series",
        "Load, limit, capacity and headroom over time, of a port, a group, an account or all",
        schemas.SeriesAnswer,
        queries=(
            _ACCOUNT,
            _CPID,
            Query("connectorId", "port of the station", {"type": "integer", "minimum": 1}),
            _text("group", "only of this station group"),
            _time("start", "a day ago where it is not given"),
            _time("end", "now where it is not given"),
        ),
    ),
    Route(
        "GET",
        "/alarms",
        "alarms",
        "Alarms and maintenance over time, also what is over",
        schemas.Incidents,
        queries=(
            _ACCOUNT,
            _CPID,
            _time("start", "seen since then. 31 days ago where it is not given"),
            *PAGED,
        ),
    ),
    Route(
        "GET",
        "/audit",
        "audit",
        "Commands, logins and refused attempts, newest first",
        audit_schemas.AuditEntries,
        queries=(*_AUDIT, *PAGED),
        role="administrator",
    ),
    Route(
        "GET",
        "/audit.csv",
        "audit_csv",
        "All of these, as CSV",
        None,
        queries=_AUDIT,
        content="text/csv",
        role="administrator",
    ),
    Route(
        "GET",
        "/charger",
        "charger",
        "What is known of a station besides its values: facts, and its settings",
        schemas.Charger,
        queries=(_ACCOUNT, _STATION),
    ),
    Route(
        "GET",
        "/messages",
        "messages",
        "Stored messages of a charger that connects directly, newest first",
        schemas.Messages,
        queries=(
            _ACCOUNT,
            _STATION,
            _text("action", "only of this action, like StatusNotification"),
            Query("before", "only with a smaller id", {"type": "integer", "minimum": 1}),
            *PAGED,
        ),
        role="operator",
    ),
    Route(
        "GET",
        "/schedule",
        "schedule",
        "Limits by weekday and hour, exceptions, next changes, and the state of the scheduler",
        schedule_schemas.Schedule,
    ),
    Route(
        "GET",
        "/schedule/week",
        "schedule_week",
        "What rules and exceptions limit in a week, by hour",
        schedule_schemas.ScheduleWeek,
        queries=(
            _text("group", "group of the schedule"),
            _text("start", "a date of the week, like 2026-12-25; today where it is not given"),
        ),
    ),
    Route(
        "GET",
        "/schedule/log",
        "schedule_log",
        "What the scheduler wrote, to which devices and with which result, newest first",
        schedule_schemas.ScheduleLogPage,
        queries=(
            _text("group", "only of this group, port or device"),
            *PAGED,
        ),
    ),
    Route(
        "PATCH",
        "/schedule",
        "change_schedule",
        "Change the schedule: rules, devices, exceptions, holidays. A version with a fault is "
        "refused, and the one before stays",
        schedule_schemas.Schedule,
        schedule_schemas.SchedulePatch,
        role="administrator",
    ),
    Route(
        "GET",
        "/events",
        "events",
        "Server-sent events `state` and `stations`, all at first, then what changes",
        None,
        queries=(
            Query(
                "parts",
                "`state` comes without sessions, time and sample, and only after a change; "
                "`sessions` come after a change, and `alive` with time and sample always",
                {"type": "integer", "enum": [1]},
            ),
        ),
        content=STREAM,
    ),
    *(
        Route(
            "GET",
            path,
            "live_status",
            "The latest status of every charge point, as a list",
            None,
            queries=(_ACCOUNT, _text("charge_point_id", "only of this charge point"), *PAGED),
            base=base,
        )
        for base, path in (
            (BASE, "/live-status"),
            ("", f"{LIVE_STATUS}/"),
        )
    ),
    Route("GET", "/openapi.json", "openapi", "This document", None),
    *COMMANDS,
)


def operation_of(request: web.Request) -> str:
    """Return the name of the operation that a request asks for, else its method and path."""
    resource = request.match_info.route.resource
    path = request.path if resource is None else resource.canonical
    named = (r.name for r in ROUTES if (r.method, r.base + r.path) == (request.method, path))
    other = _LOGINS.get((request.method, path), f"{request.method} {path}"[:_MAX_OPERATION])
    return next(named, other)


def roles_of_routes() -> dict[str, Role]:
    """Return method and path below `BASE`, like `POST shed`, with the lowest role of each."""
    return {f"{r.method} {r.path[1:]}": r.least for r in ROUTES if r.base == BASE}
