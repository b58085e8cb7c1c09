"""The number of commanded targets by status, for metrics. Asks nobody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from chargepoint_driver.backend import Target
from chargepoint_driver.cache import DirectCache, SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.service.shed_control.records.command_state import shed_status
from chargepoint_driver.service.shed_control.records.measured import Load
from chargepoint_driver.service.shed_control.records.reported_state import report_of

__all__ = ["ShedCounts"]

_AT_ONCE = 50


class ShedCounts:
    """The commands of one account, counted by what is known of them."""

    def __init__(
        self,
        command_log: CommandLog,
        cache: SharedCache | DirectCache,
        load_of: Callable[[Target], Load | None],
        time_s: Callable[[], float],
    ) -> None:
        self._command_log = command_log
        self._cache = cache
        self._load_of = load_of
        self._time_s = time_s

    def by_status(
        self, max_age_s: float = math.inf, pause: Callable[[], None] = lambda: None
    ) -> dict[str, int]:
        """Return `shedStatus` to the number of commanded targets that have it.

        `unknown`: nothing was reported of the station within `max_age_s`. `pause` is called from
        time to time, so that others run.
        """
        found: Counter[str] = Counter()
        now_s = self._time_s()
        for number, (target, state) in enumerate(self._command_log.all().items(), start=1):
            if not number % _AT_ONCE:
                pause()
            record = self._cache.peek(Data.LOAD, target.station_id)
            age_s = self._cache.age_s(Data.LOAD, target.station_id)
            is_old = record is None or age_s is None or age_s > max_age_s
            if (
                record is None
                or is_old
                or (target.port is not None and target.port not in record.ports)
            ):
                found["unknown"] += 1
                continue
            report = report_of(target, record)
            found[shed_status(state, report, now_s, self._load_of(target))[0].value] += 1
        return dict(found)
