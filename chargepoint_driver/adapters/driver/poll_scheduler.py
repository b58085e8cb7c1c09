"""Scrape intervals on the host's poll scheduler, without its traps.

The host plans different intervals of one remote over their least common multiple, counted
from midnight: with a daily row nothing is polled before the next midnight, and `/all` publishing
waits as long. Here every interval of a remote is a series of its own: the first
poll comes within the remote's shortest interval, and `/all` starts one such interval later.
A point that has no value when its turn is over (its device is new, or the service was down) is
polled along with the shortest interval until it has one. With each poll the host's schedule is
made to forget the calls that are over.

The host finds the scheduler by the group of a row; `claim` puts a row into that group.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import gevent
from platform_driver.config import GroupConfig
from platform_driver.poll_scheduler import PollScheduler, PollSet

__all__ = ["GROUP", "ScrapeScheduler", "claim", "limit_staleness", "mend_interval"]

GROUP = "chargepoint"
_MAX_S = 366 * 86_400
_USUAL_S = 60.0
# In intervals: one missed poll is repeated on `/all` for half of one at most, and a poll that
# takes half an interval longer than the one before costs nothing.
_STALE_INTERVALS = 1.5
# The host's default: three intervals, that is, two or three repeats of an old value.
_HOST_STALE_INTERVALS = 3.0


def claim(point_node: Any, agent_config: Any) -> None:
    """Poll a point by this module's scheduler, unless its row names a group of its own."""
    group = point_node.config.group
    if group not in (None, GROUP):
        return
    if group is None:
        point_node.config.group = GROUP
    if GROUP not in agent_config.groups:
        agent_config.groups[GROUP] = GroupConfig(
            poll_scheduler_module=__name__, poll_scheduler_class_name=ScrapeScheduler.__name__
        )


def mend_interval(point_node: Any, tree: Any) -> float | None:
    """Give a point whose interval cannot be scheduled, which would break off the host's whole
    configuration, the host's default; the interval that was wrong, None when it was good."""
    wrong: float = tree.get_polling_interval(point_node.identifier)
    if _can_be_scheduled(wrong):
        return None
    usual_s = tree.agent.config.default_polling_interval
    point_node.config.polling_interval = usual_s if _can_be_scheduled(usual_s) else _USUAL_S
    return wrong


def limit_staleness(point_node: Any, tree: Any) -> None:
    """Keep an old value of a point from being repeated on `/all` for longer than one interval.

    Does nothing where a registry row, a device or the driver's config sets stale_timeout or
    stale_timeout_multiplier itself, or where the host has no such settings.
    """
    name = point_node.identifier
    try:
        if (
            tree.get_stale_timeout_configured(name) is None
            and tree.get_stale_timeout_multiplier(name) == _HOST_STALE_INTERVALS
        ):
            timeout_s = _STALE_INTERVALS * tree.get_polling_interval(name)
            point_node.config.stale_timeout_configured = timeout_s
    except AttributeError:
        return


def _can_be_scheduled(interval_s: float) -> bool:
    return 1 <= interval_s <= _MAX_S


class ScrapeScheduler(PollScheduler):  # type: ignore[misc]  # the host has no types
    """One series of polls for each remote and interval."""

    start_all_datetime: datetime  # the host's: when `/all` publishing starts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._next: dict[tuple[Any, float], datetime] = {}
        self._generation = 0
        # Remote to the points without value: how many of its shortest intervals they are late.
        self._late: dict[Any, dict[str, int]] = {}

    def _prepare_to_schedule(self) -> None:
        # The host calls this again when devices are added. Series that were begun before end
        # at their next turn; their successors keep the times that were due.
        self._generation += 1

    def _schedule_polling(self) -> None:
        now = _utc_now()
        for remote, by_interval in self.poll_sets[self.group].items():
            base_s = min(by_interval, default=0.0)
            for interval_s in sorted(by_interval):
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
        # A new configuration of the host brings a new scheduler, and leaves this one running.
        replaced = self.data_model.agent.poll_schedulers.get(self.group) is not self
        if generation != self._generation or replaced:
            return
        by_interval = self.poll_sets.get(self.group, {}).get(remote, {})
        poll_set = by_interval.get(interval_s)
        if not poll_set:
            # The host begins a series again only for an interval that it does not know.
            by_interval.pop(interval_s, None)
            return
        _forget_past_calls()
        now = _utc_now()
        # After a pause of the host, one poll makes up for all that were missed.
        missed = max(0.0, (now - due).total_seconds()) // interval_s
        due += timedelta(seconds=interval_s * (missed + 1))
        self._next[remote.unique_id, interval_s] = due
        self._schedule(due, remote, interval_s)
        if interval_s == min(by_interval):
            poll_set = self._with_late(poll_set, now, remote, by_interval)
        remote.poll_data(poll_set)

    def _with_late(self, poll_set: Any, now: datetime, remote: Any, by_interval: Any) -> Any:
        """Return the poll set, and with it the points of longer intervals that have no value
        although it is not their turn; each after 1, 2, 4, 8 … turns, since it may be permanent."""
        soon = now + timedelta(seconds=min(by_interval))
        known = self._late.get(remote.unique_id, {})
        late: dict[str, int] = {}
        again = PollSet(self.data_model, remote)
        for interval_s, other in by_interval.items():
            due = self._next.get((remote.unique_id, interval_s))
            if other is poll_set or due is None or due <= soon:
                continue
            for point in list(other.points.values()):
                if point.last_updated is None:
                    late[point.identifier] = turns = known.get(point.identifier, 0) + 1
                    if turns & (turns - 1) == 0:
                        again.add(point)
        self._late[remote.unique_id] = late
        return poll_set | again if again else poll_set

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


def _forget_past_calls() -> None:
    """Free what the host's schedule keeps of every call that it ever made, its `/all` publishes
    above all. To be called by a scheduled call.

    volttron-core 2.0.0rc38 links a callback to its schedule for each (`schedule_loop`), so as to
    end the call when the agent ends; all of them end the newest one.
    """
    schedule: Any = getattr(gevent.getcurrent(), "spawning_greenlet", lambda: None)()
    if getattr(getattr(schedule, "_run", None), "__name__", "") == "schedule_loop":
        schedule.unlink_all()


def _next_turn(now: datetime, interval_s: float) -> datetime:
    """Return the next multiple of the interval, counted from midnight UTC as the host counts."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    turns = (now - midnight).total_seconds() // interval_s + 1
    return midnight + timedelta(seconds=turns * interval_s)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)
