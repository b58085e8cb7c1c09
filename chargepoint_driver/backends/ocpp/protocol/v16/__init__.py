"""OCPP 1.6 over JSON."""

from chargepoint_driver.backends.ocpp.protocol.v16.inbound import DIALECT

__all__ = ["DIALECT"]
