"""Messages on the bus about the chargers that are connected to it."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.adapters.event_queue import EventQueue
from chargepoint_driver.adapters.events import changes_topic, publish, publish_event, publish_lost
from chargepoint_driver.service import Accounts

__all__ = ["Announcer"]


class Announcer:
    """Each message as an event, where the account says so, and for drivers which chargers have
    news."""

    def __init__(self, vip: Any, identity: str, accounts: Accounts) -> None:
        self._vip = vip
        self._topic = changes_topic(identity)
        self._accounts = accounts
        self._queue = EventQueue(self._handle)
        accounts.follow(lambda account, event: self._queue.put((account, event)))

    def _handle(self, items: list[tuple[str, dict[str, Any]]], lost: int) -> None:
        changed: dict[str, dict[str, None]] = {}
        for account, event in items:
            changed.setdefault(account, {})[event["charge_point"]] = None
        # The drivers first: they have something to do. What was lost may be of any account.
        for account in self._accounts.names if lost else changed:
            news: dict[str, Any] = {"account": account, "stations": list(changed.get(account, ()))}
            if lost:
                news["all"] = True
            publish(self._vip, self._topic, {}, news)
        if lost and any(self._accounts.publishes(account) for account in self._accounts.names):
            publish_lost(self._vip, lost)
        for account, event in items:
            if self._accounts.publishes(account):
                publish_event(self._vip, event)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._queue.stop()
