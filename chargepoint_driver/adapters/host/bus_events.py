"""Messages of chargers on the platform's bus, `ocpp/<charge point id>/<action>`, and what a caching
agent publishes of its chargers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import gevent
from volttron.client.vip.agent.errors import VIPError

from chargepoint_driver.adapters.host.event_queue import EventQueue
from chargepoint_driver.fleet_client import ForwardingAccounts
from chargepoint_driver.service import Accounts
from chargepoint_driver.text import get_logger

__all__ = ["Announcer", "changes_topic", "publish", "publish_event", "publish_lost"]

_log = get_logger(__name__)

_LIMIT_S = 10.0


def publish_event(vip: Any, event: dict[str, Any]) -> None:
    """Publish one message of a charger. A slash in an id would part the topic: it is
    percent-encoded."""
    topic = f"ocpp/{quote(event['charge_point'], safe='')}/{event['action']}"
    headers = {"Date": event["received"], "TimeStamp": event["received"]}
    publish(vip, topic, headers, event)


def publish_lost(vip: Any, lost: int) -> None:
    """Publish on `ocpp//EventsLost` the number of lost messages, of any charger. The event has
    the form of `CentralSystem.subscribe`: `charge_point` '', `data` {"lost": count}."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"charge_point": "", "action": "EventsLost", "connector": None}
    publish_event(vip, {**event, "time": now, "received": now, "data": {"lost": lost}})


def changes_topic(agent: str) -> str:
    """Return the topic on which a caching agent lists chargers with news: {"account", "stations"},
    and "all" true where messages were lost, so that any charger may have news."""
    return f"chargepoint/changes/{agent}"


def publish(vip: Any, topic: str, headers: dict[str, Any], message: Any) -> None:
    """Publish, and wait until the bus has it. What it does not take is logged, and lost."""
    try:
        vip.pubsub.publish("pubsub", topic, headers=headers, message=message).get(timeout=_LIMIT_S)
    except (VIPError, gevent.Timeout) as error:
        _log.warning("%s was not published: %s", topic, type(error).__name__)


class Announcer:
    """Publishes each message as an event if the account is set to, and for drivers the list of
    chargers with news."""

    def __init__(self, vip: Any, identity: str, accounts: Accounts) -> None:
        self._vip = vip
        self._topic = changes_topic(identity)
        self._accounts = accounts
        self._queue = EventQueue(self._handle)
        accounts.follow(lambda account, event: self._queue.put((account, event)))
        if isinstance(accounts, ForwardingAccounts):
            accounts.follow_changes(self._changed)

    def _changed(self, account: str, stations: list[str] | None) -> None:
        """Take news of a fleet: there is no message to publish of it."""
        for station in [None] if stations is None else stations:
            self._queue.put((account, {"charge_point": station}))

    def _handle(self, items: list[tuple[str, dict[str, Any]]], lost: int) -> None:
        changed: dict[str, dict[Any, None]] = {}
        for account, event in items:
            changed.setdefault(account, {})[event["charge_point"]] = None
        # The drivers first: they have something to do. What was lost may be of any account.
        for account in self._accounts.names if lost else changed:
            stations = changed.get(account, {})
            is_any = None in stations
            stations.pop(None, None)
            news: dict[str, Any] = {"account": account, "stations": list(stations)}
            if lost or is_any:
                news["all"] = True
            publish(self._vip, self._topic, {}, news)
        if lost and any(self._accounts.publishes(account) for account in self._accounts.names):
            publish_lost(self._vip, lost)
        for account, event in items:
            if "action" in event and self._accounts.publishes(account):
                publish_event(self._vip, event)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._queue.stop()
