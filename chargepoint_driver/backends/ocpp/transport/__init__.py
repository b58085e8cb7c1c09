"""WebSocket server, connections and authentication."""
