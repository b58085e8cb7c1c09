"""Configs of historians, and a start of the forward historian."""
