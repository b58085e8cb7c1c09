"""Keeps a building and its chargers under one limit.

The code is `chargepoint_driver.adapters.agents.site_cap`.
"""
