"""Chargers that connect directly over OCPP: the central system. The only place that knows OCPP.

`facade` is the way in; `system` holds it together on one asyncio loop; `server` and `link` are
sockets and frames; `v16` and `v201` know the messages of their version and nothing else does;
`sessions`, `reading`, `live` and `limits` say what they mean; `store` and `questions` are the
database; `control` is the HTTP API.
"""

from chargepoint_driver.backends.ocpp.config import (
    ChargePointConfig,
    OcppConfig,
    read_charge_points,
)
from chargepoint_driver.backends.ocpp.facade import CentralSystem
from chargepoint_driver.backends.ocpp.live import ChargePointView, ConnectorView, TransactionView

__all__ = [
    "CentralSystem",
    "ChargePointConfig",
    "ChargePointView",
    "ConnectorView",
    "OcppConfig",
    "TransactionView",
    "read_charge_points",
]
