"""SQLite storage of transactions, limits, events and chargers."""
