"""Floods, half-sent requests and signals: what they may not stop."""
