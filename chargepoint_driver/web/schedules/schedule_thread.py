"""Scheduler in the process of the page, on the accounts of the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from chargepoint_driver.demand_response.schedule.devices import (
    AccountDevices,
    check_account_devices,
)
from chargepoint_driver.demand_response.schedule.follower import Follower
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.service import Accounts
from chargepoint_driver.text import get_logger

__all__ = ["ScheduleThread"]

_log = get_logger(__name__)
# Until a file that is missing or has a fault is read again, and after an unexpected error.
_AGAIN_S = 2.0
_STOP_S = 20.0


class ScheduleThread:
    """Runs the schedule of a file from `start` to `stop`."""

    def __init__(self, path: Path, accounts: Accounts, now: Callable[[], float]) -> None:
        self._file = ScheduleFile(path, check=check_account_devices)
        self._devices = AccountDevices(accounts)
        self._now = now
        self._failures = RateLimitedLog(_log)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chargepoint-schedule", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Release the limits of the schedule. Plans stay until their end."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        follower: Follower | None = None
        try:
            while not self._ending.is_set():
                wait_s = _AGAIN_S
                try:
                    if follower is None:
                        follower = Follower(self._file, self._devices, self._time, host="web")
                    follower.run_due()
                    wait_s = follower.interval_s
                except ConfigurationError as error:
                    self._failures.warning("schedule", reason=str(error))
                except Exception as error:  # noqa: BLE001 - logged; limits of others go on
                    if self._failures.error("schedule_failures", reason=type(error).__name__):
                        _log.exception("the schedule failed; it is tried again")
                self._ending.wait(wait_s)
        finally:
            if follower is not None:
                follower.stop()

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), timezone.utc)
