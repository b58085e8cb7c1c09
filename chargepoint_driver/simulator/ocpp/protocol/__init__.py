"""The charge point as it speaks OCPP, as far as 1.6 and 2.0.1 have it in common."""
