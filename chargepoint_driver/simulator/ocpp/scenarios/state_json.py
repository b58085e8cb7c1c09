"""Actual (not reported) state of a simulated charger, as JSON."""

from __future__ import annotations

from typing import Any

from ..moments import iso
from ..power.connector import Connector, Fault
from ..power.vehicle import Charge
from ..protocol.charge_point import Charger

MAX_TRANSACTIONS = 100


def state_of(point: Charger) -> dict[str, Any]:
    """Everything about a charge point; quantities carry their units."""
    now_s = point.begin()
    link = point.link
    return {
        "id": point.spec.identity,
        "ocpp": point.spec.ocpp,
        "connected": link.is_open,
        "accepted": point.is_connected(),
        "boot_status": point.boot_status,
        "time": iso(now_s),
        "heartbeat_s": point.heartbeat_s,
        "operative": point.operative,
        "fault": _fault(point.station_fault),
        "power_kw": sum(one.power_w for one in point.connectors) / 1000,
        "limit_kw": limit_kw(point, 0),
        "connectors": [_connector(point, one) for one in point.connectors],
        "profiles": [
            {
                "id": one.profile_id,
                "connector_id": one.connector_id,
                "purpose": one.purpose.value,
                "stack_level": one.stack_level,
            }
            for one in point.profile_store.profiles
        ],
        "transactions": [vars(one).copy() for one in point.transactions[-MAX_TRANSACTIONS:]],
        "sent": dict(link.sent),
        "received": dict(link.received),
        "queued": [one.action for one in (*link.urgent, *link.queue)],
        "connections": link.connections,
        "local_list_version": point.local_list_version,
        "plug_on_remote_start": point.plugs_on_remote_start,
        "quirks": point.quirks.as_json(),
    }


def limit_kw(point: Charger, connector_id: int) -> float:
    """Return the limit in force by all profiles and the rating, kW (0: of the whole charge
    point)."""
    flow = point.flow
    supply = flow.station if connector_id == 0 else point.connectors[connector_id - 1].supply
    return supply.bound_w(flow.cap(connector_id)) / 1000


def _connector(point: Charger, connector: Connector) -> dict[str, Any]:
    transaction, supply = connector.transaction, connector.supply
    energy_kwh = None
    if transaction is not None:
        energy_kwh = (connector.register_wh - transaction.register_start_wh) / 1000
    return {
        "connector_id": connector.connector_id,
        "kind": supply.kind,
        "rated_kw": supply.rated_kw,
        "phases": supply.phases,
        "voltage_v": supply.voltage_v,
        "status": point.phase(connector).value,
        "plugged": connector.charge is not None,
        "vehicle": vehicle_truth(connector.charge),
        "soc_percent": None if connector.charge is None else 100 * connector.charge.soc,
        "power_kw": connector.power_w / 1000,
        "register_wh": connector.register_wh,
        "exported_wh": connector.exported_wh,
        "energy_kwh": energy_kwh,
        "limit_kw": limit_kw(point, connector.connector_id),
        "effective_limit_kw": connector.ceiling_w / 1000 if transaction else None,
        "transaction_id": None if transaction is None else transaction.wire_id,
        "id_tag": None if transaction is None else transaction.id_tag,
        "operative": connector.operative,
        "fault": _fault(connector.fault),
        "reservation": None if not connector.reservation else vars(connector.reservation).copy(),
    }


def vehicle_truth(charge: Charge | None) -> dict[str, Any] | None:
    """Return the vehicle that is plugged in, as it came; None for none."""
    if charge is None:
        return None
    shown = vars(charge.vehicle).copy()
    shown["soc_percent"] = 100 * shown.pop("soc")
    shown["target_soc_percent"] = 100 * shown.pop("target_soc")
    return shown


def _fault(fault: Fault | None) -> dict[str, Any] | None:
    return None if fault is None else vars(fault).copy()
