"""Settings of devices that the running platform driver does not follow: said when they are stored.

volttron-platform-driver 2.0.0rc9 keeps a device on its first remote for good, and plans publishes
on `/all` when it starts.
"""

from __future__ import annotations

from typing import Any

import gevent

from chargepoint_driver.text import get_logger

__all__ = ["RestartNotes"]

_log = get_logger(__name__)

# Devices are stored one after the other; they are named together.
_GATHER_S = 2.0
_MAX_NAMED = 5


class RestartNotes:
    """The devices of one interface that need a restart of the driver."""

    def __init__(self, interface: Any, tree: Any) -> None:
        """`tree` is the host's equipment tree."""
        self._interface = interface
        self._tree = tree
        self._published: dict[str, tuple[Any, ...]] = {}
        self._stored: set[str] = set()
        self._greenlet: gevent.Greenlet | None = None

    def stored(self, topic: str) -> None:
        """Record a device whose registers are put in."""
        if not self._tree.agent.poll_schedulers:
            # The driver starts: it follows all that is stored now.
            self._published[topic] = self._publishes(topic)
            return
        self._stored.add(topic)
        if self._greenlet is None:
            self._greenlet = gevent.spawn_later(_GATHER_S, self.check)

    def stop(self) -> None:
        """Say nothing any more."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def check(self) -> None:
        """Log one warning for each setting that counts only after a restart."""
        topics, self._stored, self._greenlet = sorted(self._stored), set(), None
        there = [topic for topic in topics if topic in self._tree]
        _warn(
            [topic for topic in there if self._is_elsewhere(topic)],
            "reached in another way now (account, endpoint or cache_agent), but the running "
            "platform driver reads and writes as before",
        )
        _warn(
            [topic for topic in there if not self._is_followed(topic)],
            "published on /all as stored now only after a restart",
        )

    def _is_elsewhere(self, topic: str) -> bool:
        remote = self._tree.get_remote(topic)
        return remote is not None and remote.interface is not self._interface

    def _is_followed(self, topic: str) -> bool:
        """Return True if `/all` of a device is published as its config asks now."""
        now = self._publishes(topic)
        before = self._published.get(topic, (None, False))
        return now == before or not (now[1] or before[1])

    def _publishes(self, topic: str) -> tuple[Any, ...]:
        """Interval and kind of publishing on `/all`."""
        tree = self._tree
        device = tree.get_device_node(topic)
        kinds = tree.is_published_all_depth(topic), tree.is_published_all_breadth(topic)
        interval_s = device.all_publish_interval
        return interval_s, bool(interval_s) and any(kinds), *kinds


def _warn(topics: list[str], what: str) -> None:
    if not topics:
        return
    more = len(topics) - _MAX_NAMED
    named = ", ".join(topics[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    _log.warning("%s: %s. Restart platform.driver: vctl restart platform.driver", named, what)
