"""Kills of the driver and of the caching agent around sheds, on a real platform: `make kills`."""
