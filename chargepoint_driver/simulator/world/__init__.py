"""The simulated site: stations, vehicles, loads and limits over time."""
