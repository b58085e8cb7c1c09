"""Access to the central system from any thread, by what is asked of it."""
