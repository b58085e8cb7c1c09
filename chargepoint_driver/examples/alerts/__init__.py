"""Samples for the platform's alert agents, and a start for releases that need a name."""
