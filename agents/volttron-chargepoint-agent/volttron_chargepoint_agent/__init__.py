"""Caching agent: one set of ChargePoint calls for every driver of a platform.

The code is `chargepoint_driver.adapters.agent`.
"""
