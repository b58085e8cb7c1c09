"""Deviations of real chargers from OCPP: named quirks, and the mutations of messages they make."""
