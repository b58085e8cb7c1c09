"""Limits as charging profiles."""
