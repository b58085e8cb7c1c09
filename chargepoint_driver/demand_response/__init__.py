"""Demand response: events of a programme, schedules and site limits, as limits of chargers.

Nothing here imports VOLTTRON. The agents in `adapters.agents` run it on a platform, and the
console commands without one.
"""
