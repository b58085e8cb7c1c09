"""Acts on what a charger reports of itself: its boot, settings, alarms, needs and reservations."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.bounds import bounded, short
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.events import (
    AlarmChanged,
    Booted,
    NeedsReported,
    ReservationEnded,
    SettingsReported,
)
from chargepoint_driver.backends.ocpp.protocol.provisioning import without_secrets
from chargepoint_driver.backends.ocpp.protocol.status_notifications import (
    doubt_after_boot,
    save_connector,
)

__all__ = ["take_alarm", "take_boot", "take_needs", "take_reservation_end", "take_settings"]

_ALARM = "OtherError"


def take_boot(request: Request, event: Booted, payload: dict[str, Any]) -> None:
    """Keep the boot data, with the payload as it came, and begin the set-up of the charger."""
    point, context = request.point, request.context
    point.boot = short({**event.boot, "raw": payload})
    # Before the answer: a status may come before what follows it begins.
    doubt_after_boot(point)
    request.after.append(lambda: context.booted(point))


def take_settings(request: Request, event: SettingsReported) -> dict[str, str]:
    """Keep the settings. Returns those that are kept: without those whose names speak of keys."""
    point = request.point
    known = without_secrets(dict(event.settings))
    if known:
        point.configuration = bounded(point.configuration, known)
        request.context.store.save_point(point.station_id, configuration=point.configuration)
    return known


def take_alarm(request: Request, event: AlarmChanged) -> None:
    """Show an alarm as the error of its connector, or end it."""
    connector = request.point.connector(event.connector_id)
    if event.code is not None:
        connector.add_fault(request.received_s, event.code)
        connector.error_code, connector.vendor_error_code = _ALARM, event.code
        connector.info = event.info
    elif connector.error_code == _ALARM:
        connector.error_code, connector.vendor_error_code = "NoError", None
    save_connector(request, connector)


def take_needs(request: Request, event: NeedsReported) -> None:
    """Keep what the vehicle on a connector wants."""
    request.point.connector(event.connector_id).needs = event.needs


def take_reservation_end(request: Request, event: ReservationEnded) -> None:
    """End a reservation that the charger has ended."""
    request.context.store.end_reservation(
        request.point.station_id, event.reservation_id, event.state
    )
