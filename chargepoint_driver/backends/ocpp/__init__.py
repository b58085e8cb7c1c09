"""Chargers that connect directly over OCPP: the central system. The only place that knows OCPP.

`facade` is the way in, `backend` what it is to the registers (with `facts` and `orders`); `system`
holds it together on one asyncio loop; `server` and `link` are sockets and frames; `v16` and `v201`
know the messages of their version and nothing else does; `sessions`, `reading`, `live` and
`limits` say what they mean; `store` and `questions` are the database; `control` is the HTTP API.
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
