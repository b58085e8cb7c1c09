"""A scheduler on the present version of its file, with a log that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chargepoint_driver.demand_response.schedule.devices import Devices
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile, Stored
from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.process.ownership_lock import OwnershipLock
from chargepoint_driver.text import get_logger

__all__ = ["Follower"]

_log = get_logger(__name__)

_STATE_S = 15.0
# A scheduler that has not reported for longer is not taken for running.
_MIN_SILENT_S = 90.0
_MAX_UPCOMING = 24


@dataclass(frozen=True)
class _Refused:
    revision: str
    error: str
    time: str


class Follower:
    """Runs the schedule of a file. A version with a fault is refused, and the one before stays."""

    def __init__(
        self,
        file: ScheduleFile,
        devices: Devices,
        now: Callable[[], datetime],
        record: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        host: str,
    ) -> None:
        """`record` takes each entry of the log too. `host` names the program: `command`, `agent` or
        `web`. Raises ConfigurationError if the file has a fault, or another scheduler runs it."""
        self._file = file
        self._now = now
        self._pass_on = record
        self._host = host
        stored = file.changed() or file.read()
        if stored.config is None:
            raise ConfigurationError(stored.fault)
        self._lock = OwnershipLock(file.path.with_name(f"{file.path.stem}.scheduler.lock"))
        self._own()
        self._stored = stored
        self._since = now().isoformat()
        self._refused: _Refused | None = None
        self._is_stopped = False
        self._took_s = 0.0
        self._reported: datetime | None = None
        self._state: dict[str, Any] = {}
        self.log: ScheduleLog | None = None
        try:
            self.log = ScheduleLog(log_path(file.path), now)
        except StoreError as error:
            _log.warning("%s: there is no log of the schedule", error)
        self.scheduler = Scheduler(stored.config, devices, now, self._record)
        self._record_change("running", stored)

    @property
    def interval_s(self) -> float:
        """Seconds until the next `run_due`."""
        return self.scheduler.config.look_seconds

    @property
    def fault(self) -> str:
        """Return why the present version of the file is refused; '' if it runs."""
        return "" if self._refused is None else self._refused.error

    def run_due(self) -> None:
        """Take a new version of the file, do what is due, and report the state."""
        stored = self._file.changed()
        if stored is not None and stored.revision != self._stored.revision:
            self._take(stored)
        elif stored is not None and self._refused is not None:
            # The file is again what runs.
            self._refused = None
            self._reported = None
        self._report()
        begun = self._now()
        self.scheduler.run_due()
        self._took_s = (self._now() - begun).total_seconds()
        self._report()

    def stop(self) -> None:
        """Release limits, and report that nothing runs. Plans and limits of circuits stay. Safe to
        call more than once."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.scheduler.stop()
        self._record({"time": self._now().isoformat(), "schedule": "stopped", "host": self._host})
        if self.log is not None:
            with suppress(StoreError):
                self.log.put_state({**self._state, "stopped": True})
            self.log.close()
            self.log = None
        self._lock.release()

    # ---- inside --------------------------------------------------------------------------

    def _own(self) -> None:
        """Keep other schedulers from this file. Raises ConfigurationError if there is one."""
        try:
            is_owned = self._lock.acquire()
        except OSError as error:
            _log.warning("%s: another scheduler cannot be kept out: %s", self._file.path, error)
            return
        if not is_owned:
            raise ConfigurationError(
                f"{self._file.path}: another scheduler runs this schedule (process "
                f"{self._lock.owner() or 'unknown'}); stop it, or use another file"
            )

    def _take(self, stored: Stored) -> None:
        error = stored.fault
        if stored.config is not None and stored.content.get("accounts") != self._accounts:
            error = f"{self._file.path}: accounts: changed; restart the scheduler to use them"
        self._reported = None
        if stored.config is None or error:
            before = self._refused
            if before is None or (before.revision, before.error) != (stored.revision, error):
                self._refused = _Refused(stored.revision, error, self._now().isoformat())
                self._record_change("refused", stored, error=error)
                _log.error("%s. The version before stays in use.", error)
            return
        self._stored, self._refused = stored, None
        self._since = self._now().isoformat()
        self._record_change("running", stored)
        self.scheduler.take_config(stored.config)

    @property
    def _accounts(self) -> Any:
        return self._stored.content.get("accounts")

    def _record_change(self, what: str, stored: Stored, **facts: Any) -> None:
        self._record(
            {
                "time": self._now().isoformat(),
                "schedule": what,
                "revision": stored.revision,
                "host": self._host,
                **facts,
            }
        )

    def _record(self, facts: Mapping[str, Any]) -> None:
        self._reported = None
        if self.log is not None:
            self.log.add(facts)
        self._pass_on(dict(facts))

    def _report(self) -> None:
        now = self._now()
        if self.log is None or (
            self._reported is not None and 0 <= (now - self._reported).total_seconds() < _STATE_S
        ):
            return
        self._reported = now
        applied = self.scheduler.applied()
        self._state = {
            "host": self._host,
            "revision": self._stored.revision,
            "since": self._since,
            "refused": None if self._refused is None else self._refused.__dict__,
            "silent_after": max(_MIN_SILENT_S, 3 * (self.interval_s + self._took_s)),
            "stopped": False,
            "groups": {
                name: {
                    "applied": applied.get(name),
                    "upcoming": [
                        {
                            "start": each.start.isoformat(),
                            "end": each.end.isoformat(),
                            "kw": each.kw,
                            "reason": each.reason,
                        }
                        for each in self.scheduler.upcoming(name, _MAX_UPCOMING)
                    ],
                }
                for name in self.scheduler.config.groups
            },
        }
        self.log.put_state(self._state)
