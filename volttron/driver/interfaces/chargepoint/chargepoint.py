"""Where the platform driver looks for `"driver_type": "chargepoint"`.

The folders above hold no __init__.py: they are shared with VOLTTRON's other packages.
"""

from chargepoint_driver.adapters.driver_interface import ChargePointInterface

__all__ = ["ChargePointInterface"]
