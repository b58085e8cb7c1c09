"""Central system for chargers that connect directly over OCPP. The only place that knows OCPP.

- `central_system` is the entry point; `central` groups its methods.
- `backend` adapts it to the registers, with `registers` and `register_commands`.
- `control_api` is its JSON over HTTP, `operations` what can be asked of a charger.
- `csms` holds the parts together on one asyncio loop.
- `transport` has sockets and frames, `wire` the text of a frame and its schema.
- `protocol` handles messages; its folders `v16` and `v201` know those of their version only.
- `smart_charging` has limits and plans, `model` the state of chargers, `status` its view.
- `storage` is the SQLite file, `postgres` the same for the nodes of a fleet.
"""

from chargepoint_driver.backends.ocpp.backend import OcppBackend
from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.status import ChargerView, ConnectorView, TransactionView
from chargepoint_driver.config.ocpp import ChargerConfig, OcppConfig, read_charge_points

__all__ = [
    "CentralSystem",
    "ChargerConfig",
    "ChargerView",
    "ConnectorView",
    "OcppBackend",
    "OcppConfig",
    "TransactionView",
    "read_charge_points",
]
