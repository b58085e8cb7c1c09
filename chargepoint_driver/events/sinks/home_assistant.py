"""Home Assistant: messages that make it show charge points, by its MQTT discovery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chargepoint_driver.events.sinks.base import Status

__all__ = ["discovery"]


def discovery(
    prefix: str, status: Status, topic: str, online: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (topic, config) of every entity of a charge point.

    `topic` holds its latest status, `online` whether somebody writes it.
    """
    station = str(status["charge_point_id"])
    own = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_") else f"_{ord(char):x}_"
        for char in f"{status['account']}_{station}"
    )
    common = {
        "availability": [
            {"topic": online, "payload_available": "online", "payload_not_available": "offline"}
        ],
        "state_topic": topic,
        "json_attributes_topic": topic,
        "device": {"identifiers": [f"chargepoint_{own}"], "name": f"Charger {station}"},
    }
    for component, name, words in (*_STATION, *_connectors(status)):
        unique = f"chargepoint_{own}_{name}"
        yield (
            f"{prefix}/{component}/{unique}/config",
            {**common, **words, "unique_id": unique, "object_id": unique},
        )


_STATION: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sensor", "status", {"name": "Status", "value_template": "{{ value_json.status }}"}),
    (
        "sensor",
        "load",
        {
            "name": "Load",
            "device_class": "power",
            "unit_of_measurement": "kW",
            "state_class": "measurement",
            # None is not 0: without a value the sensor is unknown.
            "value_template": "{{ value_json.load_kw }}",
        },
    ),
    (
        "binary_sensor",
        "connected",
        {
            "name": "Connected",
            "device_class": "connectivity",
            "value_template": "{{ 'ON' if value_json.connected else 'OFF' }}",
        },
    ),
    (
        "binary_sensor",
        "problem",
        {
            "name": "Requires maintenance",
            "device_class": "problem",
            "value_template": "{{ {1: 'ON', -1: 'OFF'}.get(value_json.requires_maintenance) }}",
        },
    ),
    (
        "sensor",
        "maintenance",
        {
            "name": "Maintenance probability",
            "value_template": "{{ value_json.maintenance_probability }}",
        },
    ),
)


def _connectors(status: Status) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for place, connector in enumerate(status["connectors"]):
        number = connector["connector_id"]
        yield (
            "sensor",
            f"connector{number}_status",
            {
                "name": f"Connector {number} status",
                "value_template": f"{{{{ value_json.connectors[{place}].status }}}}",
            },
        )
