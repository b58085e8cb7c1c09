"""Follower of demand-response events on the VOLTTRON bus.

The code is `chargepoint_driver.adapters.agents.event_follower`.
"""
