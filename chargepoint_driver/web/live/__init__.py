"""The present values: polls of the accounts, the dashboard made of them, its stream to viewers."""
