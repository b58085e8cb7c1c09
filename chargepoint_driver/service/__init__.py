"""Composition root: configuration in, `read` and `write` of points out.

`service` puts backend and cache together, `control` carries out writes.
"""

from chargepoint_driver.service.control import Control, ShedOptions
from chargepoint_driver.service.service import Reading, Service

__all__ = ["Control", "Reading", "Service", "ShedOptions"]
