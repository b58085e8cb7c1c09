"""ChargePoint EV charging stations as register-based devices."""

__version__ = "0.10.0"
