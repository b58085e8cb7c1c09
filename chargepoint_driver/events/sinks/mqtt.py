"""MQTT 5: events with quality of service 1, and retained messages of the latest status."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from chargepoint_driver.config.sinks import MqttSinkConfig
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import SinkError, Status
from chargepoint_driver.events.sinks.home_assistant import discovery
from chargepoint_driver.process.tls import context_of
from chargepoint_driver.text import get_logger

__all__ = ["MqttSink"]

_CONNECT_S = 10.0
_ACK_S = 20.0
_CLOSE_S = 5.0
_AT_LEAST_ONCE = 1
# The client logs each lost connection as an error. The relay logs once that a sink is away.
_client_log = get_logger(f"{__name__}.client")
_client_log.setLevel(logging.CRITICAL)


class _SslSocket(ssl.SSLSocket):
    """A socket that is closed when its handshake fails; the client forgets it then."""

    def do_handshake(self, block: bool = False) -> None:
        """Raise what makes it fail."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class MqttSink:
    """One connection; a broker handles what it brings in the order in which it was sent.

    `<prefix>/<account>/online` is the retained word `online`; the broker itself changes it to
    `offline` when the connection is gone, so that no old status looks like a new one. Of several
    processes each has its own, `<prefix>/<account>/online/<writer>`.
    """

    max_batch = 200

    def __init__(self, name: str, account: str, config: MqttSinkConfig, writer: str = "") -> None:
        self._config = config
        self.takes_status = config.live_status
        ending = f"-{writer}" if writer else ""
        self._identifier = config.client_id or f"chargepoint-{account}-{name}"[:100] + ending
        self._online = f"{config.topic_prefix}/{account}/online"
        if writer:
            self._online += f"/{quote(writer, safe='')}"
        self._client: aiomqtt.Client | None = None
        self._discovered: set[tuple[str, int]] = set()

    async def open(self) -> None:
        """Connect."""
        await self.close()
        config = self._config
        context = context_of(config)
        if context is not None:
            context.sslsocket_class = _SslSocket
        client = aiomqtt.Client(
            config.host,
            config.port or (1883 if context is None else 8883),
            username=config.username,
            password=config.read_password(),
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=context,
            timeout=_CONNECT_S,
            logger=_client_log,
            will=aiomqtt.Will(self._online, b"offline", qos=_AT_LEAST_ONCE, retain=True),
        )
        # All of a batch is under way at once: no complaint about that.
        client.pending_calls_threshold = 10 * self.max_batch
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            raise SinkError(str(error)) from None
        self._client = client
        self._discovered.clear()
        await self._publish([(self._online, "online", True, None)])

    async def put(self, events: Sequence[Event]) -> None:
        """Publish to `<prefix>/<account>/<station>/<action>`, and wait for every PUBACK."""
        await self._publish(
            [
                (
                    f"{self._place(event.account, event.station)}/{quote(event.action, safe='')}",
                    event.to_json(),
                    False,
                    _properties(event),
                )
                for event in events
            ]
        )

    async def put_status(self, statuses: Sequence[Status]) -> None:
        """Publish to `<prefix>/<account>/<station>/live-status`, retained."""
        messages = []
        for status in statuses:
            place = self._place(status["account"], status["charge_point_id"])
            topic = f"{place}/live-status"
            messages += self._discovery(status, topic)
            messages.append((topic, json.dumps(status, separators=(",", ":")), True, None))
        await self._publish(messages)

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        """Publish an empty message, which makes the broker forget the retained one."""
        places = [self._place(account, name) for name in charge_points]
        await self._publish([(f"{place}/live-status", "", True, None) for place in places])

    async def close(self) -> None:
        """Hang up, in good order where the broker is there."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(Exception):
            await asyncio.wait_for(
                client.publish(self._online, b"offline", qos=1, retain=True), _CLOSE_S
            )
        with suppress(Exception):
            await asyncio.wait_for(client.__aexit__(None, None, None), _CLOSE_S)

    # ---- inside --------------------------------------------------------------------------

    async def _publish(self, messages: Sequence[tuple[str, str, bool, Any]]) -> None:
        client = self._client
        if client is None:
            raise SinkError("not connected")
        try:
            # They begin in this order, and that is the order on the wire.
            await asyncio.gather(
                *(
                    client.publish(
                        topic,
                        content.encode(),
                        qos=_AT_LEAST_ONCE,
                        retain=is_retained,
                        properties=properties,
                        timeout=_ACK_S,
                    )
                    for topic, content, is_retained, properties in messages
                )
            )
        except aiomqtt.MqttError as error:
            raise SinkError(str(error)) from None

    def _place(self, account: str, station: str) -> str:
        # A slash, + or # in an id would change the topic.
        return f"{self._config.topic_prefix}/{account}/{quote(station, safe=':') or '-'}"

    def _discovery(self, status: Status, topic: str) -> list[tuple[str, str, bool, Any]]:
        """Return what makes Home Assistant show a charge point, once for each connection."""
        prefix = self._config.home_assistant
        known = status["charge_point_id"], len(status["connectors"])
        if prefix is None or known in self._discovered:
            return []
        self._discovered.add(known)
        return [
            (where, json.dumps(what, separators=(",", ":")), True, None)
            for where, what in discovery(prefix, status, topic, self._online)
        ]


def _properties(event: Event) -> Any:
    found: Any = Properties(PacketTypes.PUBLISH)
    found.ContentType = "application/cloudevents+json"
    found.UserProperty = [("id", event.id), ("run", str(event.run)), ("seq", str(event.seq))]
    return found
