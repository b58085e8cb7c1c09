"""The physical station: supply, connectors, vehicles, charging profiles and how power is shared."""
