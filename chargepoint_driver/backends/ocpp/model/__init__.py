"""State of chargers and connectors, in units. No sockets, no messages, no SQL."""
