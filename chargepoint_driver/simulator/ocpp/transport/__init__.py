"""The connection of a charge point to its central system: WebSocket, framing, security profiles."""
