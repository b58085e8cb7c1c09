"""OCPP 2.0.1, and 2.1 where it is the same."""

from chargepoint_driver.backends.ocpp.protocol.v201.inbound import DIALECT, DIALECT_21

__all__ = ["DIALECT", "DIALECT_21"]
