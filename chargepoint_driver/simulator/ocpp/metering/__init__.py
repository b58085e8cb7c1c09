"""Sampled values of the meters, and when they are sent."""
