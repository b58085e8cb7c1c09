"""Nodes of a fleet as processes of their own, on a real PostgreSQL."""
