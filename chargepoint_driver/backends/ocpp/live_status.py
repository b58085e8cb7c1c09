"""The latest status of a charge point as the document of the event stream has it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from chargepoint_driver.backends.ocpp.model.charger import Charger, is_fault
from chargepoint_driver.backends.ocpp.status import HOUR_S, ChargerView, ConnectorView
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.events.anomaly_reader import AnomalyReader
from chargepoint_driver.events.envelope import seconds
from chargepoint_driver.events.live_status import StatusFeed, finish

__all__ = ["LiveStatuses", "document_of"]


class _System(Protocol):
    """The central system's methods used here, each safe from any thread."""

    config: OcppConfig

    touched: set[str]

    @property
    def points(self) -> dict[str, Charger]: ...

    def view(self, point: Charger) -> ChargerView:
        """Return the charge point as it stands."""

    def now(self) -> float:
        """Return the time of day, seconds since 1970."""


class LiveStatuses:
    """The documents of a central system's charge points. From any thread."""

    def __init__(self, system: _System) -> None:
        self._system = system
        self._anomalies = AnomalyReader(system.config.database, system.now)
        # Charge points that another process has now: it writes their documents.
        self.elsewhere: set[str] = set()

    def close(self) -> None:
        """End what reads the record."""
        self._anomalies.close()

    @property
    def account(self) -> str:
        """The name of the central system in its events."""
        return self._system.config.stream_name or "ocpp"

    def document(self, station_id: str) -> dict[str, Any] | None:
        """Return the document of a charge point; None where it is not known."""
        point = self._system.points.get(station_id)
        if point is None:
            return None
        system = self._system
        anomaly = self._anomalies.assess(station_id)
        return document_of(system.view(point), self.account, system.now(), anomaly)

    def documents(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """Return the documents of all charge points by id, or that of one."""
        wanted = sorted(self._system.points.copy()) if station_id is None else [station_id]
        return [each for name in wanted if (each := self.document(name)) is not None]

    def feed(self) -> StatusFeed:
        """Return the feed of documents that change."""
        return StatusFeed(
            lambda: list(self._system.points.copy()),
            self.document,
            self._touched,
            is_elsewhere=self.elsewhere.__contains__,
        )

    def _touched(self) -> list[str]:
        found = []
        with suppress(KeyError):
            while True:
                found.append(self._system.touched.pop())
        return found


def document_of(
    view: ChargerView,
    account: str,
    now_s: float,
    anomaly: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document (see `events.live_status`) of a charge point."""
    real = [each for number, each in sorted(view.connectors.items()) if number]
    concerned = list(view.connectors.values())
    maintenance = view.requires_maintenance == 1
    is_recent = any(_is_recent(each.last_error_time, now_s) for each in concerned)
    faulted = any(each.ocpp_status == "Faulted" for each in concerned)
    status: dict[str, Any] = {
        "charge_point_id": view.id,
        "account": account,
        "last_message_timestamp": view.last_seen,
        "available_for_charging": view.available_for_charging,
        "requires_maintenance": view.requires_maintenance,
        "connected": view.connected,
        "status": view.status,
        "load_kw": view.load_kw,
        "connectors": [_connector(each) for each in real],
    }
    return finish(
        status,
        reasons=_reasons(view, maintenance),
        faulted=faulted,
        errors=is_recent,
        vendor_errors=is_recent and any(is_fault(each.vendor_error_code) for each in concerned),
        anomaly=anomaly,
    )


def _reasons(view: ChargerView, maintenance: bool) -> list[str]:
    """Return what makes the charge point `down`, in words; empty where it is up."""
    if view.composite_status == "up":
        return []
    found = []
    if not view.connected:
        found.append("not connected")
    elif view.status == "UNREACHABLE":
        found.append("silent for more than two heartbeats")
    if maintenance:
        found.append("an error within the last hour, or Faulted")
    statuses = {each.ocpp_status for each in view.connectors.values()}
    found += [f"status {word}" for word in ("Faulted", "Unavailable") if word in statuses]
    return found or ["an inoperative status"]


def _is_recent(time: str | None, now_s: float) -> bool:
    return time is not None and now_s - seconds(time) < HOUR_S


def _connector(view: ConnectorView) -> dict[str, Any]:
    transaction = view.transaction
    return {
        "connector_id": view.connector_id,
        "status": view.ocpp_status,
        "status_time": view.status_time,
        "error_code": view.error_code,
        "vendor_error_code": view.vendor_error_code,
        "composite_status": view.composite_status,
        "available_for_charging": view.available_for_charging,
        "requires_maintenance": view.requires_maintenance,
        "load_kw": view.load_kw,
        "allowed_load_kw": None if view.limit is None else view.limit["stated_kw"],
        "transaction_id": None if transaction is None else transaction.transaction_id,
        "energy_wh": None if transaction is None else transaction.energy_wh,
    }
