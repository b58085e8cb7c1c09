"""Measurements: ratios within one run, or counts. Never a test of time."""
