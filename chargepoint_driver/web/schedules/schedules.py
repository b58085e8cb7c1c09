"""Schedule of the page: its file, its scheduler's state and log, and changes to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from chargepoint_driver.config import WebConfig
from chargepoint_driver.demand_response.schedule import Schedule as Engine
from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.calendar import moment
from chargepoint_driver.demand_response.schedule.devices import check_account_devices, check_topics
from chargepoint_driver.demand_response.schedule.engine import Period
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile, Stored
from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from chargepoint_driver.errors import InvalidValueError, NotFoundError, StoreError, TransientError
from chargepoint_driver.web.api import schedule_schemas as schemas
from chargepoint_driver.web.schedules.schedule_events import event_of

__all__ = ["Schedules"]

_DAY = timedelta(days=1)
_AHEAD = timedelta(days=8)
_MAX_UPCOMING = 24


class Schedules:
    """Reads and changes the schedule. May wait: called on threads."""

    def __init__(
        self, config: WebConfig, now: Callable[[], float], accounts: Mapping[str, Any]
    ) -> None:
        """`accounts`: name to settings of the accounts of this process."""
        self._now_s = now
        self._accounts = accounts
        self._zone = config.time_zone
        settings = config.schedule
        self._runs_here = settings is not None and settings.run
        self._file: ScheduleFile | None = None
        if settings is not None:
            self._file = ScheduleFile(settings.file, check=self._check)
        self._log: ScheduleLog | None = None
        self._upcoming: tuple[object, dict[str, list[Period]]] = None, {}

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    # ---- reading -------------------------------------------------------------------------

    def read(self) -> schemas.Schedule:
        """Return the schedule as the API shows it. Raises NotFoundError without a file."""
        file = self._known_file()
        return self._shown(file, file.read())

    def week(self, group: str, start: str | None) -> schemas.ScheduleWeek:
        """Return the week of a date (default: today) of a group, from Monday."""
        config = self._config()
        if group not in config.groups:
            raise NotFoundError(f"group: there is no {group!r} in the schedule")
        zone = ZoneInfo(config.timezone)
        today = self._now().astimezone(zone).date()
        day = today
        if start:
            try:
                day = date.fromisoformat(start)
            except ValueError:
                raise InvalidValueError(
                    f"start: {start[:20]!r} is not a date; write it like 2026-12-25"
                ) from None
        if not 1990 <= day.year <= 2190:
            raise InvalidValueError("start: must be a year from 1990 to 2190")
        monday = day - timedelta(days=day.weekday())
        first, last = moment(monday, "00:00", zone), moment(monday + 7 * _DAY, "00:00", zone)
        periods = Engine(_by_rules(config)).periods(group, first, last)
        days = []
        for number in range(7):
            each = monday + number * _DAY
            hours = [_hour(periods, each, hour, zone) for hour in range(24)]
            is_holiday = each.isoformat() in config.holidays
            days.append(schemas.WeekDay(each.isoformat(), is_holiday, hours))
        return schemas.ScheduleWeek(group, today.isoformat(), days)

    def events(self, group: str | None, before: int | None, limit: int) -> schemas.ScheduleLogPage:
        """Return a page of the scheduler's log. Raises TransientError if it cannot be read."""
        self._known_file()
        try:
            found, older = self._opened_log().entries(group, before, limit)
        except StoreError as error:
            raise TransientError(f"the log of the schedule cannot be read: {error}") from None
        after = None if older is None else str(older)
        return schemas.ScheduleLogPage([event_of(each) for each in found], after)

    # ---- changes -------------------------------------------------------------------------

    def change(self, patch: schemas.SchedulePatch, by: str) -> schemas.Schedule:
        """Write another version of the file, and return it. Raises RefusedError if the version is
        not that of the patch, ConfigurationError or InvalidValueError for a bad schedule."""
        file = self._known_file()
        stored = file.change(patch.revision, lambda content: self._edit(content, patch))
        changed = [f"groups.{name}" for name in patch.groups]
        changed += [name for name in ("exceptions", "holidays") if getattr(patch, name) is not None]
        try:
            self._opened_log().add(
                {
                    "schedule": "saved",
                    "by": by,
                    "revision": stored.revision,
                    "changed": changed,
                }
            )
        except StoreError as error:
            raise TransientError(
                f"the schedule was saved, but its log cannot be written: {error}"
            ) from None
        return self._shown(file, stored)

    def _edit(self, content: dict[str, Any], patch: schemas.SchedulePatch) -> None:
        if "timezone" not in content:
            if self._zone is None:
                raise InvalidValueError(
                    "a new schedule needs the zone of the site: set web.time_zone in the accounts "
                    "file, like Europe/Berlin"
                )
            content["timezone"] = self._zone
        groups = content.setdefault("groups", {})
        if patch.exceptions is not None:
            content["exceptions"] = [_without_defaults(each) for each in patch.exceptions]
        if patch.holidays is not None:
            content["holidays"] = patch.holidays
        for name, each in patch.groups.items():
            if not name.strip() or not name.isprintable():
                raise InvalidValueError("groups: a name needs one printable character or more")
            if each is None:
                if groups.pop(name, None) is None:
                    raise NotFoundError(f"groups: there is no {name!r} in the schedule")
                _remove_from_exceptions(content, name)
                continue
            group = groups.setdefault(name, {})
            if each.devices is not None:
                group["devices"] = [_to_file(device, name) for device in each.devices]
            if each.rules is not None:
                group["rules"] = [_without_defaults(rule) for rule in each.rules]
            if each.plan is not None:
                group["plan"] = each.plan
        if not groups:
            raise InvalidValueError(
                "groups: the schedule needs one group or more; delete its rules instead"
            )

    # ---- inside --------------------------------------------------------------------------

    def _known_file(self) -> ScheduleFile:
        if self._file is None:
            raise NotFoundError(
                "no schedule is configured; name its file in the accounts file, like "
                '"web": {"schedule": {"file": "schedule.json"}}'
            )
        return self._file

    def _config(self) -> ScheduleConfig:
        stored = self._known_file().read()
        if stored.config is None:
            raise TransientError(f"the schedule cannot be shown: {stored.fault}")
        return stored.config

    def _check(self, config: ScheduleConfig) -> None:
        if self._kind(config) == "topics":
            check_topics(config)
        else:
            check_account_devices(config, self._accounts if self._runs_here else None)

    def _kind(self, config: ScheduleConfig) -> Literal["ports", "topics"]:
        """Return how the scheduler of this file names devices."""
        if self._runs_here or config.accounts:
            return "ports"
        devices = [device for group in config.groups.values() for device in group.devices]
        found = self._state()
        if found is not None and found[1].get("host") == "agent":
            return "topics"
        return "topics" if devices and isinstance(devices[0], str) else "ports"

    def _opened_log(self) -> ScheduleLog:
        file = self._known_file()
        if self._log is None:
            self._log = ScheduleLog(log_path(file.path), self._now)
        return self._log

    def _state(self) -> tuple[datetime, dict[str, Any]] | None:
        """Return what the scheduler reported last; None if there is nothing."""
        try:
            return self._opened_log().state()
        except StoreError:
            return None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_s(), timezone.utc)

    def _shown(self, file: ScheduleFile, stored: Stored) -> schemas.Schedule:
        scheduler, groups = self._scheduler(stored)
        config = stored.config
        is_new = not stored.revision
        return schemas.Schedule(
            revision=stored.revision,
            readOnly=file.read_only(stored) or None,
            fault=None if config is not None or is_new else stored.fault,
            timezone=self._zone if config is None else config.timezone,
            groups=[] if config is None else self._groups(config, stored, groups),
            exceptions=[] if config is None else [_exception(each) for each in config.exceptions],
            holidays=[] if config is None else list(config.holidays),
            devices="ports" if config is None else self._kind(config),
            scheduler=scheduler,
        )

    def _scheduler(
        self, stored: Stored
    ) -> tuple[schemas.SchedulerState | None, dict[str, dict[str, Any]]]:
        """Return the state of the scheduler, and what it reports of each group while it runs."""
        found = self._state()
        if found is None:
            return None, {}
        seen, state = found
        is_running = not state["stopped"] and abs(self._now() - seen) < timedelta(
            seconds=state["silent_after"]
        )
        refused = state["refused"]
        shown = schemas.SchedulerState(
            isRunning=is_running,
            isCurrent=is_running and state["revision"] == stored.revision,
            host=state["host"],
            seenAt=seen.isoformat(timespec="seconds"),
            revision=state["revision"],
            since=state["since"],
            refused=None if refused is None else schemas.Refusal(**refused),
        )
        return shown, state["groups"] if shown.isCurrent else {}

    def _groups(
        self, config: ScheduleConfig, stored: Stored, running: dict[str, dict[str, Any]]
    ) -> list[schemas.ScheduleGroup]:
        upcoming = self._upcoming_of(config, stored)
        circuits = {each.group: name for name, each in config.circuits.items() if each.group}
        found = []
        for name, group in config.groups.items():
            reported = running.get(name, {})
            periods: list[schemas.SchedulePeriod] | None
            if group.prices is not None or group.cheapest is not None:
                periods = None
                if reported:
                    periods = [schemas.SchedulePeriod(**each) for each in reported["upcoming"]]
            else:
                periods = [
                    schemas.SchedulePeriod(
                        each.start.isoformat(), each.end.isoformat(), each.kw, each.reason
                    )
                    for each in upcoming[name]
                ]
            applied = reported.get("applied")
            found.append(
                schemas.ScheduleGroup(
                    name,
                    [_device(each) for each in group.devices],
                    [
                        msgspec.convert(each.model_dump(by_alias=True), schemas.ScheduleRule)
                        for each in group.rules
                    ],
                    group.plan,
                    group.prices is not None,
                    group.cheapest is not None,
                    circuits.get(name),
                    periods,
                    None if applied is None else schemas.Applied(**applied),
                )
            )
        return found

    def _upcoming_of(self, config: ScheduleConfig, stored: Stored) -> dict[str, list[Period]]:
        """Return what rules and exceptions limit in the next days, by group."""
        now = self._now()
        key = stored.revision, now.replace(second=0, microsecond=0)
        if self._upcoming[0] != key:
            engine = Engine(_by_rules(config))
            end = now + _AHEAD
            self._upcoming = (
                key,
                {name: engine.periods(name, now, end)[:_MAX_UPCOMING] for name in config.groups},
            )
        return self._upcoming[1]


def _by_rules(config: ScheduleConfig) -> ScheduleConfig:
    """Return the configuration without limits by price."""
    groups = {
        name: group.model_copy(update={"prices": None, "cheapest": None})
        for name, group in config.groups.items()
    }
    return config.model_copy(update={"groups": groups})


def _hour(periods: list[Period], day: date, hour: int, zone: ZoneInfo) -> list[schemas.WeekPeriod]:
    """Return the periods of an hour of a day; [] for an hour that the clocks skip."""
    first, last = moment(day, f"{hour:02}:00", zone), moment(day, f"{hour + 1:02}:00", zone)
    return [
        schemas.WeekPeriod(
            _clock(max(each.start, first), zone, is_end=False),
            _clock(min(each.end, last), zone, is_end=True),
            each.kw,
            each.reason,
        )
        for each in periods
        if max(each.start, first) < min(each.end, last)
    ]


def _clock(when: datetime, zone: ZoneInfo, *, is_end: bool) -> str:
    text = f"{when.astimezone(zone):%H:%M}"
    return "24:00" if is_end and text == "00:00" else text


def _without_defaults(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a rule or an exception as people write it in a file."""
    defaults: dict[str, Any] = {
        "name": "",
        "from": "00:00",
        "until": "24:00",
        "weekdays": list(schemas.WEEKDAYS),
        "season": None,
        "holidays": "as weekday",
        "groups": [],
    }
    found: dict[str, Any] = msgspec.to_builtins(struct)
    return {
        key: value for key, value in found.items() if key not in defaults or value != defaults[key]
    }


def _exception(each: Any) -> schemas.ScheduleException:
    found = msgspec.convert(each.model_dump(by_alias=True), schemas.ScheduleException)
    assert isinstance(found, schemas.ScheduleException)
    return found


def _device(device: Any) -> schemas.ScheduleDevice:
    """Return a device of the file as the API has it."""
    if not isinstance(device, dict):
        return schemas.ScheduleDevice(topic=str(device))
    port = device.get("port")
    return schemas.ScheduleDevice(
        account=device.get("account"),
        cpid=None if "station" not in device else str(device["station"]),
        connectorId=port if isinstance(port, int) else None,
        group=None if "group" not in device else str(device["group"]),
    )


def _to_file(device: schemas.ScheduleDevice, group: str) -> Any:
    """Return a device as the file has it. Raises InvalidValueError."""
    named = [device.cpid, device.group, device.topic]
    if sum(bool(each) for each in named) != 1:
        raise InvalidValueError(
            f"groups.{group}: devices: each needs exactly one of cpid, group and topic"
        )
    if device.topic:
        return device.topic.strip("/")
    found: dict[str, Any] = {} if device.account is None else {"account": device.account}
    if device.group:
        return {**found, "group": device.group}
    found["station"] = device.cpid
    if device.connectorId is not None:
        found["port"] = device.connectorId
    return found


def _remove_from_exceptions(content: dict[str, Any], group: str) -> None:
    """Remove a group that is gone from the exceptions: one that was for it alone goes too."""
    kept = []
    for each in content.get("exceptions", []):
        names = each.get("groups", [])
        rest = [name for name in names if name != group]
        if rest or not names:
            kept.append({**each, "groups": rest} if names else each)
    if "exceptions" in content:
        content["exceptions"] = kept
