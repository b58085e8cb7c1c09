"""Samples for those who run the driver: `chargepoint-driver examples list`."""
