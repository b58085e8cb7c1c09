"""Requests to chargers that connect directly, by RPC."""
