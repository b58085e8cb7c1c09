"""VOLTTRON agents for demand response, which act through the platform driver."""
