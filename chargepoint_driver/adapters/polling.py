"""Scrape intervals on the host's poll scheduler, without its traps.

The host plans different intervals of one remote over their least common multiple, counted
from midnight: beside a daily row nothing is polled before the next midnight, and `/all`
publishing waits as long. Here every interval of a remote is a series of its own: the first
poll comes within the remote's shortest interval, and `/all` starts one such interval later.

The host finds the scheduler by the group of a row; `claim` puts a row into that group.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

from platform_driver.config import GroupConfig
from platform_driver.poll_scheduler import PollScheduler

__all__ = ["GROUP", "ScrapeScheduler", "claim"]

_log = logging.getLogger(__name__)

GROUP = "chargepoint"


def claim(point_node: Any, agent_config: Any) -> None:
    """Poll a point by this module's scheduler, unless its row names a group of its own."""
    if point_node.config.group not in (None, GROUP):
        return
    point_node.config.group = GROUP
    if GROUP not in agent_config.groups:
        agent_config.groups[GROUP] = GroupConfig(
            poll_scheduler_module=__name__, poll_scheduler_class_name=ScrapeScheduler.__name__
        )


class ScrapeScheduler(PollScheduler):  # type: ignore[misc]  # the host has no types
    """One series of polls for each remote and interval."""

    start_all_datetime: datetime  # the host's: when `/all` publishing starts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._next: dict[tuple[Any, float], datetime] = {}
        self._generation = 0

    def _prepare_to_schedule(self) -> None:
        # The host calls this again when devices are added. Series that were begun before end
        # at their next turn; their successors keep the times that were due.
        self._generation += 1

    def _schedule_polling(self) -> None:
        now = _utc_now()
        for remote, by_interval in self.poll_sets[self.group].items():
            base_s = min(by_interval)
            for interval_s in by_interval:
                key = (remote.unique_id, interval_s)
                due = self._next.get(key)
                if due is None or due <= now:
                    due = _next_turn(now, base_s)
                    self._next[key] = due
                self._schedule(due, remote, interval_s)
                self.start_all_datetime = max(
                    self.start_all_datetime, due + timedelta(seconds=base_s)
                )

    def _schedule(self, due: datetime, remote: Any, interval_s: float) -> None:
        self.data_model.agent.core.schedule(
            due, self._poll, self._generation, due, remote, interval_s
        )

    def _poll(self, generation: int, due: datetime, remote: Any, interval_s: float) -> None:
        """Poll once and see to the next turn first: a poll may outlast its interval."""
        poll_set = self.poll_sets.get(self.group, {}).get(remote, {}).get(interval_s)
        if generation != self._generation or not poll_set:
            return
        # After a pause of the host, one poll makes up for all that were missed.
        missed = max(0.0, (_utc_now() - due).total_seconds()) // interval_s
        due += timedelta(seconds=interval_s * (missed + 1))
        self._next[remote.unique_id, interval_s] = due
        self._schedule(due, remote, interval_s)
        remote.poll_data(poll_set)

    def get_schedule(self, full_topics: bool = False) -> dict[str, dict[str, dict[str, list[str]]]]:
        """Interval, time of the next turn, remote and its points, for the host's RPC."""
        found: dict[str, dict[str, dict[str, list[str]]]] = {}
        for remote, by_interval in self.poll_sets[self.group].items():
            for interval_s, poll_set in by_interval.items():
                due = self._next.get((remote.unique_id, interval_s))
                topics = list(poll_set.points.keys())
                found.setdefault(f"{interval_s:g} s", {}).setdefault(str(due), {})[
                    str(remote.unique_id)
                ] = topics if full_topics else [topic.rsplit("/", 1)[-1] for topic in topics]
        return found


def _next_turn(now: datetime, interval_s: float) -> datetime:
    """The next multiple of the interval, counted from midnight UTC as the host counts."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    turns = (now - midnight).total_seconds() // interval_s + 1
    return midnight + timedelta(seconds=turns * interval_s)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)
