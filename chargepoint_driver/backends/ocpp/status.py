"""The live status of charge points and connectors, and the frozen views that others get.

The tables of operative statuses and error codes are those of the project's specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import (
    ALARMS_CLEARED,
    Charger,
    Connector,
    Transaction,
    is_fault,
)
from chargepoint_driver.backends.ocpp.model.electrical import is_suspect
from chargepoint_driver.backends.ocpp.model.metering import COMPUTED
from chargepoint_driver.backends.ocpp.model.plan import plan_text
from chargepoint_driver.backends.ocpp.model.set_up_restarts import harmful_requests
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.catalogue.measurands import LOAD, MEASURANDS

__all__ = ["ChargerView", "ConnectorView", "TransactionView", "register_status", "view_of"]

HOUR_S = 3600.0
# OCPP status -> (operative, what the registers call it)
STATUSES: Mapping[str, tuple[bool, str]] = {
    "Available": (True, "AVAILABLE"),
    "Preparing": (True, "INUSE"),
    "Charging": (True, "INUSE"),
    "SuspendedEVSE": (True, "INUSE"),
    "SuspendedEV": (True, "INUSE"),
    "Finishing": (True, "INUSE"),
    "Reserved": (True, "INUSE"),
    "Occupied": (True, "INUSE"),
    "Unavailable": (False, "UNKNOWN"),
    "Faulted": (False, "UNKNOWN"),
}
# Nothing flows in these, whatever a meter reports.
NO_LOAD = {"Available", "Finishing", "Faulted", "SuspendedEV", "SuspendedEVSE"}
NO_LOAD_STATES = {"EVConnected", "SuspendedEV", "SuspendedEVSE", "Idle"}
# Nothing can flow in these in either direction.
EMPTY = {"Available", "Finishing", "Faulted"}
# What flows with the load, and the measurands that a view has besides the load.
FLOWING = frozenset(("current_a", "current_exported_a", "export_kw"))
MEASURED = tuple(row.field for row in MEASURANDS if row.field != LOAD)
_MIN_STALE_S = 60.0


def _with_measurands(cls: type) -> type:
    """Give a class a field of each measurand, None unless it is given."""
    for field in MEASURED:
        cls.__annotations__[field] = "float | None"
        setattr(cls, field, None)
    return cls


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A running transaction."""

    transaction_id: int
    wire_id: str
    id_tag: str | None
    start_time: str | None
    meter_start_wh: float | None
    last_wh: float | None
    energy_wh: float | None


@dataclass(frozen=True, slots=True)
@_with_measurands
class ConnectorView:
    """A connector (2.x: an EVSE; 0: the charge point itself). None means not reported. Besides
    the fields here it has those of the table of measurands (`catalogue.measurands`)."""

    connector_id: int
    status: str
    ocpp_status: str | None
    status_time: str | None
    error_code: str | None
    vendor_error_code: str | None
    info: str | None
    last_error: str | None
    last_error_time: str | None
    load_kw: float | None
    load_estimated: bool
    load_suspect: bool | None
    phases: Mapping[str, Mapping[str, float]]
    meter_time: str | None
    transaction: TransactionView | None
    limit: Mapping[str, Any] | None
    composite_status: str
    available_for_charging: int | None
    requires_maintenance: int
    out_of_service: int | None
    plan: str | None
    needs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ChargerView:
    """A charge point as it stands. Times are ISO 8601 in UTC."""

    id: str
    connected: bool
    ocpp_version: str | None
    connected_since: str | None
    last_seen: str | None
    boot_time: str | None
    boot: Mapping[str, Any]
    configuration: Mapping[str, Any]
    status: str
    load_kw: float | None
    composite_status: str
    available_for_charging: int | None
    requires_maintenance: int
    connectors: Mapping[int, ConnectorView]
    limit: Mapping[str, Any] | None
    counters: Mapping[str, int]
    out_of_service: int | None
    harmful_requests: Mapping[str, Mapping[str, Any]]
    forgiven: Mapping[str, Mapping[str, int]]
    alarms_cleared: str | None = None


def view_of(point: Charger, now_s: float, heartbeat_s: float) -> ChargerView:
    """Return the charge point now."""
    up = is_up(point, now_s, heartbeat_s)
    # One reading of the mapping: it may be replaced meanwhile, never changed.
    connectors = point.connectors
    main = connectors.get(0)
    views = {
        number: _connector_view(point, connector, main, up, now_s)
        for number, connector in connectors.items()
    }
    real = [view for number, view in views.items() if number != 0]
    last = connectors.get(point.last_status_connector or 0)
    if main is not None and last is main and main.is_doubted:
        known = [
            each for each in connectors.values() if each is not main and each.status_received_s
        ]
        last = max(known, key=lambda each: each.status_received_s or 0.0, default=None)
    errors = any(_recent(connector, now_s) for connector in connectors.values())
    inoperative = any(
        each is not None and not each.is_doubted and not _operative(each.status)
        for each in (main, last)
    )
    maintenance = any(view.requires_maintenance == 1 for view in views.values())
    out = [view.out_of_service for view in real if view.out_of_service is not None]
    if main is not None and views[0].out_of_service == 1:
        out = [1]
    return ChargerView(
        id=point.station_id,
        connected=point.connected,
        ocpp_version=point.version,
        connected_since=iso(point.connected_s) if point.connected else None,
        last_seen=iso(point.last_seen_s),
        boot_time=iso(point.booted_s),
        boot=point.boot,
        configuration=point.configuration,
        status=_station_status(up, real or list(views.values())),
        load_kw=_sum(view.load_kw for view in real),
        composite_status="down" if not up or errors or inoperative else "up",
        available_for_charging=_best(
            view.available_for_charging for view in (real or views.values())
        )
        if up
        else -1,
        requires_maintenance=1 if maintenance else -1,
        connectors=views,
        limit=_limit_view(point, main, now_s),
        counters=dict(point.counters),
        out_of_service=min(out, default=None),
        harmful_requests=harmful_requests(point),
        forgiven={kind: dict(places) for kind, places in list(point.forgiven.items())},
        alarms_cleared=iso(point.learned.get(ALARMS_CLEARED)),
    )


def is_up(point: Charger, now_s: float, heartbeat_s: float) -> bool:
    """Return True if the socket is open and something came within two heartbeats. A charger
    that never booted is not up before its first message, nor once our requests get no answer."""
    link = point.link
    if link is None or point.last_seen_s is None:
        return False
    if not point.boot and not link.has_answered and (link.is_ignoring or not link.is_heard):
        return False
    return now_s - point.last_seen_s <= 2 * heartbeat_s


def load_of(point: Charger, connector: Connector, now_s: float) -> tuple[float | None, bool]:
    """Return (load in kW, whether it is estimated). None: not reported."""
    if not point.connected:
        return None, False
    if connector.status in NO_LOAD or connector.charging_state in NO_LOAD_STATES:
        if not _feeds_back(point, connector, now_s):
            return 0.0, False
    elif connector.stopped and connector.transaction is None:
        return 0.0, False
    known = connector.meter.known(now_s - stale_s(point)).get(LOAD)
    if known is None:
        return None, False
    return known[0], known[3] >= COMPUTED


def _feeds_back(point: Charger, connector: Connector, now_s: float) -> bool:
    """Return True if a vehicle that is plugged in was measured to feed back since its status."""
    if connector.status in EMPTY or connector.charging_state == "Idle":
        return False
    known = connector.meter.known(now_s - stale_s(point)).get(LOAD)
    if known is None or known[3] >= COMPUTED:
        return False
    return bool(known[0] < 0 and known[2] >= (connector.status_received_s or 0.0))


def _limit_view(point: Charger, connector: Connector | None, now_s: float) -> dict[str, Any] | None:
    """Return the limit of a connector (0: of the charger), with the load measured under it."""
    if connector is None or connector.limit is None:
        return None
    concerned = [connector]
    if connector.connector_id == 0:
        concerned = [each for number, each in point.connectors.items() if number]
    since_s = connector.limit.written_s
    loads = [_load_since(point, each, since_s, now_s) for each in concerned]
    return connector.limit.to_dict(now_s, _sum(loads))


def _load_since(point: Charger, connector: Connector, since_s: float, now_s: float) -> float | None:
    """Return the load in kW by a measurement that is not older than a moment; None: not known."""
    load_kw, _ = load_of(point, connector, now_s)
    if load_kw is None or load_kw == 0:
        return load_kw
    known = connector.meter.known(max(since_s, now_s - stale_s(point)))
    return load_kw if "load_kw" in known else None


def stale_s(point: Charger) -> float:
    """Return the age from which a meter value is not reported any more."""
    return max(3 * point.interval_s, _MIN_STALE_S)


def _connector_view(
    point: Charger, connector: Connector, main: Connector | None, up: bool, now_s: float
) -> ConnectorView:
    known = connector.meter.known(now_s - stale_s(point)) if point.connected else {}
    if connector.transaction is not None:
        # While it charges its registers move on.
        since_s = now_s - stale_s(point)
        known = {field: entry for field, entry in known.items() if entry[2] >= since_s}
    load_kw, estimated = load_of(point, connector, now_s)
    status = connector.status
    concerned = [connector] if main is None or main is connector else [connector, main]
    faults = [fault for each in concerned for fault in _recent(each, now_s)]
    counted = [each for each in concerned if not each.is_doubted]
    known_status = status is not None and not connector.is_doubted
    operative = status is not None and all(_operative(each.status) for each in counted)
    last_error = max(connector.faults, default=None)
    faulted = any(each.status == "Faulted" for each in counted)
    out = any(_is_out_of_service(each) for each in counted)

    return ConnectorView(
        connector_id=connector.connector_id,
        status=register_status(up, status),
        ocpp_status=status,
        status_time=iso(connector.status_s),
        error_code=connector.error_code,
        vendor_error_code=connector.vendor_error_code,
        info=connector.info,
        last_error=None if last_error is None else last_error[1],
        last_error_time=None if last_error is None else iso(last_error[0]),
        load_kw=load_kw,
        load_estimated=estimated,
        load_suspect=is_suspect(load_kw, point.electrical.rated_kw),
        phases=known["phases"][0] if "phases" in known else {},
        meter_time=iso(connector.meter.time_s),
        transaction=_transaction_view(connector.transaction),
        limit=_limit_view(point, connector, now_s),
        composite_status="up" if up and operative and not faults else "down",
        available_for_charging=_sign(operative) if up and known_status else None if up else -1,
        requires_maintenance=1 if faults or faulted else -1,
        out_of_service=_sign(out) if up and status in STATUSES else None,
        plan=plan_text(point, connector.connector_id, now_s),
        needs=None if connector.needs is None else connector.needs.to_dict(),
        **_measured(known, load_kw),
    )


def _measured(known: Mapping[str, tuple[Any, ...]], load_kw: float | None) -> dict[str, Any]:
    """Return the fields of the table of measurands but for the load. Without a load nothing
    flows."""
    values = {field: known[field][0] for field in MEASURED if field in known}
    if load_kw == 0:
        values.update((field, 0.0) for field in FLOWING if field in values)
    return values


def _transaction_view(transaction: Transaction | None) -> TransactionView | None:
    if transaction is None:
        return None
    return TransactionView(
        transaction.transaction_id,
        transaction.wire_id,
        transaction.id_tag or None,
        iso(transaction.start_s),
        transaction.start_wh,
        transaction.last_wh,
        transaction.energy_wh,
    )


def _is_out_of_service(connector: Connector) -> bool:
    """Unavailable on purpose: by a command, or as the charge point decided, without an error."""
    codes = (connector.error_code, connector.vendor_error_code)
    return connector.status == "Unavailable" and not any(map(is_fault, codes))


def _recent(connector: Connector, now_s: float) -> list[tuple[float, str]]:
    """Return the errors that were received within the last hour."""
    return [fault for fault in list(connector.faults) if now_s - fault[0] < HOUR_S]


def _sign(is_so: bool) -> int:
    return 1 if is_so else -1


def _operative(status: str | None) -> bool:
    """Not known yet is not inoperative."""
    return status is None or STATUSES.get(status, (False, ""))[0]


def register_status(up: bool, status: str | None) -> str:
    """Return what the registers call a status of a connector."""
    if not up:
        return "UNREACHABLE"
    return STATUSES.get(status or "", (False, "UNKNOWN"))[1]


def _station_status(up: bool, views: list[ConnectorView]) -> str:
    """AVAILABLE while any connector is, else INUSE while any is."""
    if not up:
        return "UNREACHABLE"
    there = {view.status for view in views}
    return next((word for word in ("AVAILABLE", "INUSE") if word in there), "UNKNOWN")


def _best(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return max(known, default=None)


def _sum(loads: Iterable[float | None]) -> float | None:
    """Return the sum; None unless every load is known."""
    total = 0.0
    count = 0
    for load in loads:
        if load is None:
            return None
        total += load
        count += 1
    return total if count else None
