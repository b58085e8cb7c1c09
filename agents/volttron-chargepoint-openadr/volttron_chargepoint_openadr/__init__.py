"""OpenADR 2.0b and 3 VEN for charging stations.

The code is `chargepoint_driver.adapters.agents.openadr`.
"""
