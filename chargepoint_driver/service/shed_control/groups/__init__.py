"""Limits of station groups."""
