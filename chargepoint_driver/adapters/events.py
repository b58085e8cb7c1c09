"""Messages of chargers on the platform's bus: `ocpp/<charge point id>/<action>`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import gevent
from volttron.client.vip.agent.errors import VIPError

from chargepoint_driver.text import get_logger

__all__ = ["changes_topic", "publish", "publish_event", "publish_lost"]

_log = get_logger(__name__)

_LIMIT_S = 10.0


def publish_event(vip: Any, event: dict[str, Any]) -> None:
    """One message of a charger. A slash in an id would part the topic: it is percent-encoded."""
    topic = f"ocpp/{quote(event['charge_point'], safe='')}/{event['action']}"
    headers = {"Date": event["received"], "TimeStamp": event["received"]}
    publish(vip, topic, headers, event)


def publish_lost(vip: Any, lost: int) -> None:
    """Say on `ocpp//EventsLost` that so many messages are missing, of any charger. The event has
    the form of `CentralSystem.subscribe`: `charge_point` '', `data` {"lost": count}."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"charge_point": "", "action": "EventsLost", "connector": None}
    publish_event(vip, {**event, "time": now, "received": now, "data": {"lost": lost}})


def changes_topic(agent: str) -> str:
    """Return where a caching agent says which chargers have news: {"account", "stations"}, and
    "all" true where messages were lost, so that any charger may have news."""
    return f"chargepoint/changes/{agent}"


def publish(vip: Any, topic: str, headers: dict[str, Any], message: Any) -> None:
    """Publish, and wait until the bus has it. What it does not take is logged, and lost."""
    try:
        vip.pubsub.publish("pubsub", topic, headers=headers, message=message).get(timeout=_LIMIT_S)
    except (VIPError, gevent.Timeout) as error:
        _log.warning("%s was not published: %s", topic, type(error).__name__)
