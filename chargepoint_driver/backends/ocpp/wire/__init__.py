"""OCPP-J frames and JSON schemas."""
