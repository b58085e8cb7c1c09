"""Sinks of events: Kafka, NATS JetStream, MQTT, a webhook, a file."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events.sinks.base import Sink, SinkError

__all__ = ["Sink", "SinkError", "make_sink"]

_EXTRAS = {"kafka": "kafka", "nats": "nats", "mqtt": "mqtt", "webhook": "web"}


def make_sink(name: str, account: str, config: Any, writer: str = "") -> Sink:
    """Return the sink of a config (see `config.sinks`). `writer` tells processes apart that send
    events of one account to the same place.

    Raises ConfigurationError where its client is not installed: each is an extra.
    """
    kind = config.type
    try:
        # Each client is an extra, and takes its time to import.
        if kind == "kafka":
            from chargepoint_driver.events.sinks.kafka import KafkaSink  # noqa: PLC0415

            return KafkaSink(config)
        if kind == "nats":
            from chargepoint_driver.events.sinks.jetstream import JetStreamSink  # noqa: PLC0415

            return JetStreamSink(name, config)
        if kind == "mqtt":
            from chargepoint_driver.events.sinks.mqtt import MqttSink  # noqa: PLC0415

            return MqttSink(name, account, config, writer)
        if kind == "webhook":
            from chargepoint_driver.events.sinks.webhook import WebhookSink  # noqa: PLC0415

            return WebhookSink(config)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"sinks.{name}: {error.name} is not installed: pip install "
            f"'volttron-lib-chargepoint-driver[{_EXTRAS[kind]}]'"
        ) from None
    from chargepoint_driver.events.sinks.file import FileSink  # noqa: PLC0415

    return FileSink(config)
