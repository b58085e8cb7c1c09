"""Bodies and answers of the API about schedules."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "GroupPatch",
    "Schedule",
    "ScheduleDevice",
    "ScheduleEvent",
    "ScheduleException",
    "ScheduleGroup",
    "ScheduleLogPage",
    "SchedulePatch",
    "SchedulePeriod",
    "ScheduleRule",
    "ScheduleWeek",
    "SchedulerState",
    "WeekDay",
]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Name = Annotated[str, msgspec.Meta(max_length=100)]
Kw = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Part of a request. An unknown key is refused."""


class ScheduleRule(_Strict):
    """A limit of a group in kW at certain local times. Times are HH:MM, up to 24:00; `until` before
    `from` is the next day. `season`: first and last day of the year, as month and day."""

    kw: Kw
    name: Name = ""
    weekdays: list[Weekday] = msgspec.field(default_factory=lambda: list(WEEKDAYS))
    from_: str = msgspec.field(name="from", default="00:00")
    until: str = "24:00"
    season: tuple[str, str] | None = None
    holidays: Literal["as weekday", "only", "never"] = "as weekday"


class ScheduleException(_Strict):
    """Limit of a date in place of the rules. `kw` null: no rule applies. `groups` empty: all."""

    date: str
    kw: Kw | None
    name: Name = ""
    from_: str = msgspec.field(name="from", default="00:00")
    until: str = "24:00"
    groups: list[Name] = []


class ScheduleDevice(_Strict):
    """Port (`cpid`, `connectorId`), station (`cpid`), station group (`group`), or the topic of a
    device on a VOLTTRON platform. `account` is needed if there are several."""

    account: str | None = None
    cpid: str | None = None
    connectorId: int | None = None  # noqa: N815
    group: str | None = None
    topic: str | None = None


class SchedulePeriod(msgspec.Struct):
    """A time with one limit in kW; null: no limit."""

    start: str
    end: str
    kw: float | None
    reason: str


class Applied(msgspec.Struct):
    """Last write of the scheduler. `done` false: not every device took it."""

    kw: float | None
    reason: str
    done: bool


class ScheduleGroup(msgspec.Struct):
    """Devices with one limit. `prices`, `cheapest`: it is limited by them too. `circuit`: the limit
    counts for this circuit. `upcoming`: what applies now and next; null: only a running scheduler
    knows. `applied`: null where no scheduler runs."""

    name: str
    devices: list[ScheduleDevice]
    rules: list[ScheduleRule]
    plan: bool
    prices: bool
    cheapest: bool
    circuit: str | None
    upcoming: list[SchedulePeriod] | None
    applied: Applied | None


class Refusal(msgspec.Struct):
    """A version of the file that the scheduler refused."""

    revision: str
    error: str
    time: str


class SchedulerState(msgspec.Struct):
    """State of the scheduler of the file. `isRunning` false: it stopped, or was not heard of since
    `seenAt`. `isCurrent`: the present version of the file runs. `host`: `command`, `agent` or
    `web`."""

    isRunning: bool  # noqa: N815
    isCurrent: bool  # noqa: N815
    host: str
    seenAt: str  # noqa: N815
    revision: str
    since: str
    refused: Refusal | None


class Schedule(msgspec.Struct):
    """Schedule of the file that `web.schedule` names. `readOnly`: why it cannot be edited, and what
    to do; null if it can be. `fault`: what is wrong with the file. `scheduler` null: no scheduler
    has run it yet. `devices`: how the scheduler names devices."""

    revision: str
    readOnly: str | None  # noqa: N815
    fault: str | None
    timezone: str | None
    groups: list[ScheduleGroup]
    exceptions: list[ScheduleException]
    holidays: list[str]
    devices: Literal["ports", "topics"]
    scheduler: SchedulerState | None


class GroupPatch(_Strict):
    """Parts of a group to replace; null or missing: they stay."""

    devices: list[ScheduleDevice] | None = None
    rules: list[ScheduleRule] | None = None
    plan: bool | None = None


class SchedulePatch(_Strict):
    """Parts of the schedule to replace; what is missing stays. `revision`: the version that was
    read. `groups`: null removes a group."""

    revision: str
    groups: dict[Name, GroupPatch | None] = {}
    exceptions: list[ScheduleException] | None = None
    holidays: list[str] | None = None


class WeekPeriod(msgspec.Struct):
    """Part of an hour with one limit, in local time; null: no limit."""

    start: str = msgspec.field(name="from")
    until: str
    kw: float | None
    reason: str


class WeekDay(msgspec.Struct):
    """One date. `hours`: 24 lists of periods; an hour that the clocks skip has none."""

    date: str
    isHoliday: bool  # noqa: N815
    hours: list[list[WeekPeriod]]


class ScheduleWeek(msgspec.Struct):
    """Limits of a week from Monday, by rules and exceptions. Prices are not in it."""

    group: str
    today: str
    days: list[WeekDay]


class ScheduleEvent(msgspec.Struct):
    """Entry of the scheduler's log.

    `kind`: `limit` (of a group), `removed` (a group), `circuit` (a port under a circuit), `lost`
    (its limit is not in force any more), `plan`, `need`, `prices`, `silent` (circuits without
    meter), or `saved`, `running`, `refused`, `stopped` (a version of the file). `kw` of a limit
    null: no limit.
    `errors`: device to reason. `devices` has the first 50 of `deviceCount`. Energy is in Wh.
    """

    id: int
    time: str
    kind: str
    name: str | None = None
    kw: float | None = None
    reason: str | None = None
    until: str | None = None
    done: bool | None = None
    devices: list[str] = []
    deviceCount: int = 0  # noqa: N815
    errors: dict[str, str] = {}
    message: str | None = None
    energy: float | None = None
    by: str | None = None
    revision: str | None = None


class ScheduleLogPage(msgspec.Struct):
    """Entries, newest first. `after`: for the next page; null after the last."""

    entries: list[ScheduleEvent]
    after: str | None
