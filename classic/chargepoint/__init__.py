"""Put this folder in place of platform_driver/interfaces/chargepoint of VOLTTRON 8 or 9."""

from chargepoint_driver.adapters.classic_interface import Interface

__all__ = ["Interface"]
