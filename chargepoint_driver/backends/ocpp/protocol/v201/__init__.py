"""OCPP 2.0.1, and what OCPP 2.1 adds to it."""

from chargepoint_driver.backends.ocpp.protocol.v201.inbound import DIALECT
from chargepoint_driver.backends.ocpp.protocol.v201.inbound21 import DIALECT_21

__all__ = ["DIALECT", "DIALECT_21"]
