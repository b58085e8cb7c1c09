"""Schedules and prices for charging stations.

The code is `chargepoint_driver.adapters.agents.scheduler`.
"""
