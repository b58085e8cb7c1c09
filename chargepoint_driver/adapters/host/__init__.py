"""Parts of VOLTTRON for driver and agents: errors, the platform, callers, events on the bus."""
