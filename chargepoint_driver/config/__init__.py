"""Models of configs, validated on input: all faults at once, each with its cure.

- `device` finds the backend of a driver config: `soap_account`, `ocpp` with `ocpp_device`,
  or `fleet_account`.
- `agent` is the caching agent's config, with `sinks`; `web` the page's, with `web_keys`.
- `shed` and `quirks` are parts of several; `billing` is for costs.
- `common` is what all share. `texts` reads files as the config store does.
"""

from chargepoint_driver.config.agent import AgentAccountConfig, AgentConfig
from chargepoint_driver.config.billing import BillingConfig, PricePeriod, TariffConfig
from chargepoint_driver.config.common import HOST_KEYS
from chargepoint_driver.config.device import Account, Device, read_device
from chargepoint_driver.config.fleet_account import FleetAccountConfig, FleetDevice
from chargepoint_driver.config.ocpp_device import OcppAccount, OcppDevice
from chargepoint_driver.config.shed import ShedSettings
from chargepoint_driver.config.soap_account import AccountConfig, AgentAccount, DeviceConfig
from chargepoint_driver.config.web import WebConfig

__all__ = [
    "HOST_KEYS",
    "Account",
    "AccountConfig",
    "AgentAccount",
    "AgentAccountConfig",
    "AgentConfig",
    "BillingConfig",
    "Device",
    "DeviceConfig",
    "FleetAccountConfig",
    "FleetDevice",
    "OcppAccount",
    "OcppDevice",
    "PricePeriod",
    "ShedSettings",
    "TariffConfig",
    "WebConfig",
    "read_device",
]
